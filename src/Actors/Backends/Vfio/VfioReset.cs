using Riser.Actors.Backends.Hardware;
using Riser.Actors.Interop;

namespace Riser.Actors.Backends.Vfio;

/// <summary>
/// The best reset that a function has: of itself (FLR and its kin), or else the hot reset of its bus or slot, if Riser
/// has all the groups open that it would reset.
/// </summary>
internal sealed class VfioReset(IVfioDevice device, DeviceConfigSpace config, VfioGroups groups, string address, bool hasFunctionReset)
{
    /// <summary>Whether either is there.</summary>
    public bool IsPossible { get; } = hasFunctionReset || device.GetHotResetInfo() is not null;

    /// <inheritdoc cref="IPciSession.Reset"/>
    public bool Reset()
    {
        if (!IsPossible)
            throw new PciException(Errno.EOPNOTSUPP, $"{address} cannot be reset: it has no FLR, no power reset and no bus of its own", "Reset it through its own registers, if it has one for that.");
        if (hasFunctionReset)
            config.Access(ResetFunction);
        else
            return HotReset(onlyUser: false) > 1;
        return false;
    }

    /// <summary>As <see cref="Reset"/>, but never takes a sibling that is in use along: its session goes on.</summary>
    public void ResetAtClose()
    {
        if (hasFunctionReset)
            config.Access(ResetFunction);
        else if (IsPossible)
            _ = HotReset(onlyUser: true);
    }

    private void ResetFunction()
    {
        try
        {
            device.Reset();
        }
        catch (NativeException fault) when (fault.Errno == Errno.EAGAIN)
        {
            throw new PciException(Errno.EBUSY, $"{address} is locked by another reset or by the kernel", "Try again.", inner: fault);
        }
    }

    /// <returns>How many functions were reset.</returns>
    private int HotReset(bool onlyUser)
    {
        var affected = config.Access(device.GetHotResetInfo) ?? [];
        return groups.With(affected.Select(a => $"{a.group_id}"), ours =>
        {
            if (onlyUser && ours.Sum(g => g.Users.Count) > 1)
                return 0;
            string[] others = [.. affected.Where(a => ours.All(g => g.Id != $"{a.group_id}")).Select(a => $"{a.Address} (IOMMU group {a.group_id})")];
            if (others.Length > 0)
                throw new PciException(Errno.EBUSY, $"A reset of {address} would reset {string.Join(", ", others)} as well", "Open those here too, or leave the reset.");
            config.Access(() => device.HotReset([.. ours.Select(g => g.File)]));
            return affected.Length;
        });
    }
}
