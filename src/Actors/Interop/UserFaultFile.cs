namespace Riser.Actors.Interop;

/// <summary>
/// A userfaultfd that handles no fault and only tells what happens to memory. A thread that changes registered memory sleeps
/// in the kernel until the event is read: the reader must be a thread that never does so itself. Thread-safe.
/// </summary>
internal sealed class UserFaultFile : FileDescriptor
{
    private const ulong Events = LibC.UFFD_FEATURE_EVENT_UNMAP | LibC.UFFD_FEATURE_EVENT_REMOVE | LibC.UFFD_FEATURE_EVENT_REMAP;
    private const ulong Required = Events | LibC.UFFD_FEATURE_PAGEFAULT_FLAG_WP;
    private const ulong Wanted = Required | LibC.UFFD_FEATURE_WP_HUGETLBFS_SHMEM; // memfd and hugetlb, since 5.19

    private UserFaultFile(int fd)
        : base(fd)
    {
    }

    /// <summary>Why this kernel cannot do it, and what helps; null when it can.</summary>
    public static string? FindObstacle()
    {
        int fd = NewDescriptor();
        if (fd < 0)
        {
            return LibC.LastErrno switch
            {
                Errno.ENOSYS => "The kernel has no userfaultfd. Use one that is built with CONFIG_USERFAULTFD.",
                Errno.EINVAL => "The kernel's userfaultfd has no UFFD_USER_MODE_ONLY. Use Linux 5.11 or later.",
                Errno.EPERM or Errno.EACCES => "userfaultfd is not permitted. Allow the system call in the seccomp profile of the container or service.",
                var errno => $"userfaultfd failed with {errno}. Raise the limit of open files if that is the cause.",
            };
        }

        using var probe = new UserFaultFile(fd);
        ulong features = probe.Handshake(0);
        return (features & Required) == Required
            ? null
            : $"The kernel's userfaultfd lacks features (0x{Required & ~features:x} of UFFD_FEATURE_*). Use Linux 5.19 or later on x86-64, 6.10 or later on arm64.";
    }

    /// <exception cref="NativeException">As <see cref="FindObstacle"/> explains.</exception>
    public static UserFaultFile Open()
    {
        ulong features;
        using (var probe = new UserFaultFile(Checked(NewDescriptor())))
            features = probe.Handshake(0);
        var file = new UserFaultFile(Checked(NewDescriptor()));
        file.Handshake(features & Wanted);
        return file;
    }

    /// <summary>From now on tells what happens to [start, start + size). Again is nothing.</summary>
    /// <exception cref="NativeException">
    /// EINVAL: not page aligned, not mapped, or memory that cannot be watched (a file's); EBUSY: another userfaultfd has it;
    /// ENOMEM: not mapped at all.
    /// </exception>
    public unsafe void Register(ulong start, ulong size)
    {
        // Write protection is never used: a mode is needed to register, and this one costs no fault and no page.
        var argument = new uffdio_register { range = new() { start = start, len = size }, mode = LibC.UFFDIO_REGISTER_MODE_WP };
        // SAFETY: the structure is on the stack and is as large as the request's number says.
        if (LibC.ioctl(this, LibC.UFFDIO_REGISTER, &argument) != 0)
            throw new NativeException("ioctl(UFFDIO_REGISTER)", LibC.LastErrno, $"0x{start:x}+0x{size:x} must be mapped, page aligned, and anonymous memory, a memfd or hugetlb");
    }

    /// <summary>Stops telling about [start, start + size). False when a part of it is not what it was any more.</summary>
    public unsafe bool Unregister(ulong start, ulong size)
    {
        var argument = new uffdio_range { start = start, len = size };
        // SAFETY: the structure is on the stack and is as large as the request's number says.
        return LibC.ioctl(this, LibC.UFFDIO_UNREGISTER, &argument) == 0;
    }

    /// <summary>Waits for events and reads as many as there are and fit; 0 after a signal (EINTR). The threads that caused them go on.</summary>
    /// <exception cref="NativeException">As read(2).</exception>
    public unsafe int Read(Span<uffd_msg> into)
    {
        fixed (uffd_msg* buffer = into)
        {
            // SAFETY: the span is pinned for the call and its length in bytes is passed.
            nint read = LibC.read(Number, buffer, (nuint)(into.Length * sizeof(uffd_msg)));
            if (read >= 0)
                return (int)(read / sizeof(uffd_msg));
        }

        return LibC.LastErrno is not Errno.EINTR and var errno ? throw new NativeException("read(userfaultfd)", errno) : 0;
    }

    // Blocking: the reader has nothing else to wait for.
    private static int NewDescriptor() => (int)LibC.syscall(LibC.SYS_userfaultfd, LibC.UFFD_USER_MODE_ONLY | LibC.O_CLOEXEC);

    private static int Checked(int fd) => fd >= 0 ? fd : throw new NativeException("userfaultfd", LibC.LastErrno);

    // Once for each descriptor. Answers every feature that the kernel has.
    private unsafe ulong Handshake(ulong features)
    {
        var argument = new uffdio_api { api = LibC.UFFD_API, features = features };
        // SAFETY: the structure is on the stack and is as large as the request's number says.
        if (LibC.ioctl(this, LibC.UFFDIO_API, &argument) != 0)
            throw new NativeException("ioctl(UFFDIO_API)", LibC.LastErrno);
        return argument.features;
    }
}
