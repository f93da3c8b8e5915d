using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Uio;

/// <summary>
/// One function opened through uio_pci_generic and sysfs, for machines without the module: registers, configuration space and INTx.
/// There is no DMA, no MSI, and nobody who could take the device back.
/// </summary>
internal sealed class PlainSession : HardwareSession
{
    private const int CapDacOverride = 1; // linux/capability.h
    private const string Better = "bind the device to uio_pci_user or vfio-pci";

    private readonly string _folder;
    private readonly UioFile _file;
    private readonly PlainWindows _windows;
    private readonly DeviceConfigSpace _config;
    private readonly DeviceBars _bars;
    private readonly PlainVectors _vectors;

    /// <param name="address">The device, for messages.</param>
    /// <param name="folder">The function in sysfs.</param>
    /// <param name="file">Owned by the session once this has returned, as the windows are.</param>
    /// <param name="windows">Registers and configuration space.</param>
    /// <param name="counter">The file of sysfs that shows how many interrupts there have been.</param>
    public PlainSession(string address, string folder, UioFile file, PlainWindows windows, string counter)
        : base(address)
    {
        (_folder, _file, _windows) = (folder, file, windows);
        _config = new(windows, address, PlainWindows.ConfigOffset, windows.Size);
        bool wired = File.ReadAllText(Path.Combine(folder, "irq")).Trim() != "0";
        VectorInfo[] kinds = wired ? [new(VectorKind.IntX, 1, CanMask: true, CanGrow: false, AutoMasked: true)] : [];
        _vectors = new(file, counter, _config, kinds, address);
        _bars = new(windows, _config, address, windows.Bars.Select(b => new DeviceWindow(b.Index, (ulong)(b.Index + 1) << PlainWindows.Shift, b.Size, true, true, b.Ports ? [] : null)));
        try
        {
            _config.SetIntxMask(masked: true);
            _config.SetBusMaster(true);
            bool canReset = PciObstacles.CanUse(Path.Combine(folder, "reset")) || Capabilities.Has(CapDacOverride) && File.Exists(Path.Combine(folder, "reset"));
            Info = new(_bars.Info, kinds, new(Present: false, PageSizes: (ulong)Environment.SystemPageSize, [], MaxMappings: 0), windows.Size, canReset, CanTrigger: false);
        }
        catch
        {
            _bars.End();
            throw;
        }
    }

    public override SessionInfo Info { get; }

    protected override DeviceConfigSpace Config => _config;

    protected override DeviceBars Bars => _bars;

    protected override HardwareVectors Vectors => _vectors;

    public override IReadOnlyList<IovaRange>? Map(IReadOnlyList<DmaPiece> pieces)
    {
        CheckOpen();
        throw NoDma();
    }

    public override void Unmap(IovaRange range)
    {
        CheckOpen();
        throw NoDma();
    }

    protected override void Connect(SessionNotice notice, EventFdHandle? eventFd) => CheckOpen(); // it gives none

    public override IReadOnlyList<Invalidation> TakeInvalidations()
    {
        CheckOpen();
        return [];
    }

    public override bool Reset()
    {
        CheckOpen();
        if (!Info.CanReset)
            throw new PciException(Errno.EOPNOTSUPP, $"{Address} cannot be reset by this user, or not at all", $"Give the user {Path.Combine(_folder, "reset")}, if it is there, or {Better}.");
        try
        {
            File.WriteAllText(Path.Combine(_folder, "reset"), "1");
        }
        catch (IOException refused)
        {
            throw new PciException(Errno.EIO, $"The kernel did not reset {Address}: {refused.Message}", "The kernel's log may say more.", inner: refused);
        }
        return false;
    }

    protected override void End()
    {
        Step(_bars.End);
        Step(_vectors.Close); // it masks, which the closed configuration space would refuse
        Step(_config.Close);
        _windows.Dispose();
        _file.Dispose();
    }

    private PciException NoDma() => new(
        Errno.EOPNOTSUPP,
        $"Linux's UIO gives {Address} no memory to reach: it has no call for DMA",
        $"For DMA, {Better}.");
}
