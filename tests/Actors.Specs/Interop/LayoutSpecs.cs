using System.Reflection;
using System.Runtime.InteropServices;
using Riser.Actors.Interop;
using Riser.Actors.Specs.Architecture;

namespace Riser.Actors.Specs.Interop;

/// <summary>
/// Every structure and constant of Interop is proved against this machine's C headers. A new one is found by itself: its
/// fields are called as in C; what differs stands in the tables here.
/// </summary>
public sealed class LayoutSpecs
{
    private static string[] Headers { get; } =
    [
        "errno.h", "fcntl.h", "poll.h", "signal.h", "unistd.h", "sys/epoll.h", "sys/eventfd.h", "sys/file.h", "sys/ioctl.h", "sys/mman.h", "sys/resource.h", "sys/socket.h", "sys/stat.h",
        "sys/syscall.h", "sys/uio.h", "linux/netlink.h", "linux/userfaultfd.h", "linux/vfio.h",
        Path.Combine(LayerSpecs.Root, "kernel/uapi/uio_pci_user.h"),
    ];

    /// <summary>Structures that are called otherwise in C; null: not on this processor.</summary>
    private static Dictionary<Type, string?> Names { get; } = new()
    {
        [typeof(EpollEventPacked)] = EpollHandle.IsPacked ? "epoll_event" : null,
        [typeof(EpollEventAligned)] = EpollHandle.IsPacked ? null : "epoll_event",
        [typeof(PollFd)] = "pollfd",
        [typeof(Rlimit)] = "rlimit",
        [typeof(LibC.IoVec)] = "iovec",
        [typeof(Statx)] = "statx",
        [typeof(vfio_pci_hot_reset)] = "vfio_pci_hot_reset_info",
    };

    private static Dictionary<string, string> Members { get; } = new()
    {
        ["remove_start"] = "arg.remove.start",
        ["remove_end"] = "arg.remove.end",
        ["remap_from"] = "arg.remap.from",
        ["remap_to"] = "arg.remap.to",
        ["remap_len"] = "arg.remap.len",
    };

    public static TheoryData<string> Structures() => [.. All().Where(type => CName(type) is not null).Select(type => type.Name)];

    [SkippableTheory]
    [MemberData(nameof(Structures))]
    public void Structure_lies_in_memory_as_C_says(string name)
    {
        Skip.IfNot(CLayout.HasCompiler, "There is no gcc here.");
        var type = All().Single(t => t.Name == name);

        string said = new CLayout(Headers).Struct(type, CName(type), Members).Compile();
        Assert.True(said.Length == 0, said);
    }

    [SkippableFact]
    public void Constants_have_the_values_that_C_gives_them()
    {
        Skip.IfNot(CLayout.HasCompiler, "There is no gcc here.");
        var constants = new CLayout(Headers);

        foreach (var field in typeof(LibC).GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic).Where(f => f.IsLiteral && !f.Name.Any(char.IsLower)))
            constants.Constant(field.Name, field.GetRawConstantValue()!);

        string said = constants.Constant(nameof(LibC.SYS_userfaultfd), (long)LibC.SYS_userfaultfd).Compile();
        Assert.True(said.Length == 0, said);
    }

    [SkippableFact]
    public void Wrong_layout_is_found()
    {
        Skip.IfNot(CLayout.HasCompiler, "There is no gcc here.");

        string said = new CLayout(Headers).Struct(typeof(WrongPollFd), "pollfd").Constant("EPOLLIN", 2).Compile();

        Assert.Contains("WrongPollFd.events has 4 bytes in C#", said);
        Assert.Contains("WrongPollFd.revents is at byte 8 in C#", said);
        Assert.Contains("WrongPollFd has 12 bytes in C#", said);
        Assert.Contains("EPOLLIN is 0x2 in C#", said);
    }

    [Fact]
    public void Epoll_event_has_12_bytes_where_it_is_packed_and_16_where_it_is_not()
    {
        Assert.Equal(12, Marshal.SizeOf<EpollEventPacked>());
        Assert.Equal(16, Marshal.SizeOf<EpollEventAligned>());
    }

    private static string? CName(Type type) => Names.GetValueOrDefault(type, type.Name);

    private static IEnumerable<Type> All() => typeof(LibC).Assembly.GetTypes().Where(type =>
        type is { Namespace: "Riser.Actors.Interop", IsValueType: true, IsEnum: false } && !type.Name.Contains('<') && type.StructLayoutAttribute is not { Value: LayoutKind.Auto });

    [StructLayout(LayoutKind.Sequential)]
    private struct WrongPollFd
    {
        public int fd;
        public int events;
        public short revents;
    }
}
