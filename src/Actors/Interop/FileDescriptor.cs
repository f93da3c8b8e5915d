using Microsoft.Win32.SafeHandles;

namespace Riser.Actors.Interop;

/// <summary>Owns one file descriptor; closing it is the last thing that happens to it. Thread-safe as every SafeHandle.</summary>
internal class FileDescriptor : SafeHandleMinusOneIsInvalid
{
    public FileDescriptor(int fd)
        : base(ownsHandle: true) => SetHandle(fd);

    /// <summary>The descriptor's number, for a call in which the caller keeps the handle alive.</summary>
    public int Number => (int)handle;

    /// <summary>Gives the descriptor to a new owner; this one then has none.</summary>
    public int Release()
    {
        int fd = Number;
        SetHandleAsInvalid();
        return fd;
    }

    protected override bool ReleaseHandle() => LibC.close((int)handle) == 0;
}
