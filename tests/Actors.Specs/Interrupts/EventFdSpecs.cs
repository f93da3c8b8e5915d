using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Akka.Actor;
using Mono.Unix.Native;
using Riser.Actors.Interrupts;
using Riser.Actors.Specs.Devices;
using Riser.Actors.Specs.Interop;
using Xunit.Abstractions;

namespace Riser.Actors.Specs.Interrupts;

/// <summary>A vector's eventfd in other hands: KVM's, in another process, takes interrupts without any of ours.</summary>
public sealed class EventFdSpecs(ITestOutputHelper output) : DeviceSpec(output)
{
    [Fact]
    public unsafe void A_duplicate_is_the_same_counter_and_a_descriptor_of_its_own()
    {
        using var eventFd = Duplicate(OpenVector()).EventFd;

        Simulation.Raise(0, 3);

        long count = 0;
        Assert.Equal(sizeof(long), Syscall.read(eventFd.Descriptor, &count, sizeof(long)));
        Assert.Equal(3, count);
        eventFd.Dispose();
        Assert.Throws<ObjectDisposedException>(() => eventFd.Descriptor);
    }

    [Fact]
    public void A_vector_lives_on_when_its_duplicate_is_closed()
    {
        var vector = OpenVector();
        Duplicate(vector).EventFd.Dispose();
        var subscriber = Subscribe(vector);

        Simulation.Raise(0, 2);

        ExpectInterrupts(subscriber, 2);
    }

    [Fact]
    public void A_descriptor_is_refused_to_an_actor_of_another_node()
    {
        var vector = OpenVector();

        vector.Tell(new InterruptProtocol.DuplicateEventFd(), new AfarRef(TestActor));

        Assert.Equal(Errno.EOPNOTSUPP, ExpectMsg<Refused>().Errno);
    }

    /// <summary>/dev/kvm suffices; no machine is run. That a guest handles a device's interrupt is proved in the lab (docs/uapi.md).</summary>
    [SkippableFact]
    public void Kvm_in_another_process_takes_a_vectors_interrupts_from_its_eventfd()
    {
        Skip.IfNot(File.Exists("/dev/kvm"), "There is no /dev/kvm here.");
        Skip.IfNot(CLayout.HasCompiler, "There is no gcc here.");
        var folder = Directory.CreateTempSubdirectory("riser-irqfd-");
        try
        {
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            string path = Path.Combine(folder.FullName, "socket");
            listener.Bind(new UnixDomainSocketEndPoint(path));
            listener.Listen();
            string program = Compile(folder.FullName);
            using var monitor = Process.Start(program, [path]);
            using var socket = listener.Accept();
            using var stream = new NetworkStream(socket);
            using var answers = new StreamReader(stream);
            using (var eventFd = Duplicate(OpenVector()).EventFd)
                Pass(socket, eventFd.Descriptor);
            string ready = answers.ReadLine() ?? "nothing";
            Skip.If(ready.StartsWith("skip", StringComparison.Ordinal), ready);
            Assert.Equal("ready", ready);

            Simulation.Raise(0);

            stream.Write("look 10000"u8);
            Assert.Equal("irr 81 eventfd EMPTY", answers.ReadLine());
            socket.Shutdown(SocketShutdown.Both);
            monitor.WaitForExit();
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private IActorRef OpenVector()
    {
        Open();
        return OpenVectors(1)[0];
    }

    private InterruptProtocol.EventFdDuplicated Duplicate(IActorRef vector)
    {
        vector.Tell(new InterruptProtocol.DuplicateEventFd(), TestActor);
        return ExpectMsg<InterruptProtocol.EventFdDuplicated>();
    }

    private static string Compile(string folder, [CallerFilePath] string here = "")
    {
        string program = Path.Combine(folder, "irqfd");
        using var gcc = Process.Start("gcc", ["-O1", "-Wall", "-Werror", "-o", program, Path.Combine(Path.GetDirectoryName(here)!, "irqfd.c")]);
        gcc.WaitForExit();
        Assert.Equal(0, gcc.ExitCode);
        return program;
    }

    /// <summary>unix(7): one byte, and with it the descriptor.</summary>
    private static unsafe void Pass(Socket socket, int fd)
    {
        byte[] control = new byte[Syscall.CMSG_SPACE(sizeof(int))];
        var message = new Msghdr { msg_control = control, msg_controllen = control.Length };
        new Cmsghdr
        {
            cmsg_len = (long)Syscall.CMSG_LEN(sizeof(int)),
            cmsg_level = UnixSocketProtocol.SOL_SOCKET,
            cmsg_type = UnixSocketControlMessage.SCM_RIGHTS,
        }.WriteToBuffer(message, 0);
        MemoryMarshal.Write(control.AsSpan((int)Syscall.CMSG_DATA(message, 0)), fd);
        byte one = 0;
        message.msg_iov = [new Iovec { iov_base = (nint)(&one), iov_len = 1 }];
        message.msg_iovlen = 1;
        Assert.Equal(1, Syscall.sendmsg((int)socket.Handle, message, 0));
    }

    /// <summary>A reference as one of another node looks like; what is told to it arrives at <paramref name="near"/>.</summary>
#pragma warning disable MA0097 // references are compared by Akka.NET alone
    private sealed class AfarRef(IActorRef near) : MinimalActorRef
    {
        public override bool IsLocal => false;

        public override ActorPath Path => new RootActorPath(new Address("akka.tcp", "afar", "afar", 1)) / "user" / "someone";

        public override IActorRefProvider Provider => throw new NotSupportedException();

        protected override void TellInternal(object message, IActorRef sender) => near.Tell(message, sender);
    }
#pragma warning restore MA0097
}
