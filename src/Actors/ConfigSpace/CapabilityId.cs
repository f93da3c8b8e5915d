namespace Riser.Actors.ConfigSpace;

/// <summary>Standard capability ids (PCI Code and ID Assignment 1.11, section 2).</summary>
internal static class CapabilityId
{
    public const int PowerManagement = 0x01;
    public const int AcceleratedGraphicsPort = 0x02;
    public const int VitalProductData = 0x03;
    public const int Msi = 0x05;
    public const int PciX = 0x07;
    public const int HyperTransport = 0x08;
    public const int Vendor = 0x09;
    public const int PciExpress = 0x10;
    public const int MsiX = 0x11;
    public const int Sata = 0x12;
    public const int AdvancedFeatures = 0x13;
}

/// <summary>Extended capability ids (the same, section 3).</summary>
internal static class ExtendedCapabilityId
{
    public const int AdvancedErrorReporting = 0x01;
    public const int VirtualChannel = 0x02;
    public const int SerialNumber = 0x03;
    public const int PowerBudgeting = 0x04;
    public const int MultiFunctionVirtualChannel = 0x08;
    public const int VirtualChannel9 = 0x09;
    public const int Vendor = 0x0b;
    public const int AccessControl = 0x0d;
    public const int AlternativeRouting = 0x0e;
    public const int AddressTranslation = 0x0f;
    public const int SingleRootIov = 0x10;
    public const int Multicast = 0x12;
    public const int PageRequest = 0x13;
    public const int ResizableBar = 0x15;
    public const int DynamicPower = 0x16;
    public const int TphRequester = 0x17;
    public const int LatencyTolerance = 0x18;
    public const int DesignatedVendor = 0x23;
}
