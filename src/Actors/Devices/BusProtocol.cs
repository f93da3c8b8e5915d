using Akka.Actor;
using Riser.Actors.Backends;
using Riser.Actors.Dma;

namespace Riser.Actors.Devices;

/// <summary>What a bus, its node and its devices say to each other.</summary>
internal static class BusProtocol
{
    /// <summary>A bus has found a device, at its start or by hot-plug.</summary>
    /// <param name="Bus">Who found it.</param>
    /// <param name="Device">What it is.</param>
    /// <param name="Backend">How to open it.</param>
    /// <param name="Iovas">The address space that the functions of its IOMMU group share.</param>
    public sealed record Found(IActorRef Bus, DeviceDescription Device, IPciBackend Backend, IovaSpace Iovas) : INoSerializationVerificationNeeded;

    /// <summary>A device is no longer there.</summary>
    public sealed record Lost(DeviceId Device) : INoSerializationVerificationNeeded;

    /// <summary>A bus has looked once; what it knows by now has been told.</summary>
    public sealed record Looked(string Backend) : INoSerializationVerificationNeeded;

    /// <summary>A bus could not look.</summary>
    public sealed record Failed(string Backend, string Why) : INoSerializationVerificationNeeded;

    /// <summary>A device tells its bus where it lives, to hear of its group.</summary>
    public sealed record Join(DeviceId Device, string Group) : INoSerializationVerificationNeeded;

    /// <summary>A device's session is lost, or its reset took the group along: the sessions of the others are lost with it.</summary>
    public sealed record SessionLost(DeviceId Device, string Group) : INoSerializationVerificationNeeded;
}
