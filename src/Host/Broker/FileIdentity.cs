using Riser.Actors.Interop;

namespace Riser.Host.Broker;

/// <summary>What a path leads to, whatever it is called there.</summary>
/// <param name="Type">The S_IFMT of its mode.</param>
/// <param name="Major">Of the device that it is; of any other file, of what it lies on.</param>
/// <param name="Minor">With <paramref name="Major"/>.</param>
/// <param name="Inode">0 for a device, which is the same wherever a node of it stands.</param>
internal readonly record struct FileIdentity(int Type, uint Major, uint Minor, ulong Inode)
{
    /// <summary>Asks no file system that would have to ask elsewhere: a dead network or a program behind it keeps nobody waiting.</summary>
    /// <returns>Null: nothing is there, or it cannot be seen.</returns>
    public static FileIdentity? Of(string path)
    {
        if (LibC.statx(LibC.AT_FDCWD, path, LibC.AT_STATX_DONT_SYNC, LibC.STATX_TYPE | LibC.STATX_INO, out var file) < 0)
            return null;
        int type = file.stx_mode & LibC.S_IFMT;
        return type is LibC.S_IFCHR or LibC.S_IFBLK
            ? new(type, file.stx_rdev_major, file.stx_rdev_minor, 0)
            : new(type, file.stx_dev_major, file.stx_dev_minor, file.stx_ino);
    }
}
