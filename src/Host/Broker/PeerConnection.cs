using System.Net.Sockets;
using Riser.Actors.Backends.Broker;
using Riser.Actors.Backends.Broker.Messages;
using Riser.Actors.Interop;

namespace Riser.Host.Broker;

/// <summary>
/// One who asks: reads his requests, one at a time, and sends him what is to be said without ever waiting for him. Nobody else waits for
/// what he does slowly or not at all. Thread-safe.
/// </summary>
internal sealed class PeerConnection : IDisposable
{
    private readonly Socket _socket;
    private readonly Lock _sending = new();
    private readonly CancellationTokenSource _over = new();
    private TaskCompletionSource? _answered;

    public PeerConnection(long id, Socket socket)
    {
        (Id, _socket) = (id, socket);
        Who = PeerCredentials.Of(socket);
        Process = ProcessHandle.OfPeer(socket, Who.Process); // now: later its number may be another's
    }

    public long Id { get; }

    public PeerCredentials Who { get; }

    /// <summary>The process that connected; null when it could not be had. Closed with the connection, unless somebody has taken it.</summary>
    public ProcessHandle? Process { get; private set; }

    /// <summary>Whether he holds something, and may be silent for as long as his lease lets him.</summary>
    public bool Holds { get; set; }

    /// <summary>Reads until he has closed the connection, or it is closed because of what he does.</summary>
    /// <param name="handle">Takes a request; the next one is read when it has been answered.</param>
    /// <param name="idle">How long he may take to say something, while he holds nothing.</param>
    /// <param name="end">Ends it from outside.</param>
    /// <returns>Why it is over; null when he has closed it, in order.</returns>
    public async Task<string?> RunAsync(Action<Request> handle, TimeSpan idle, CancellationToken end)
    {
        byte[] header = new byte[Frame.HeaderSize];
        try
        {
            while (true)
            {
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(end, _over.Token);
                if (!Holds)
                    limit.CancelAfter(idle);
                if (!await FillAsync(header, limit.Token))
                    return null;
                limit.CancelAfter(idle); // what has begun has to come to its end
                byte[] message = new byte[Frame.Length(header)]; // only now: most connections say nothing most of the time
                if (!await FillAsync(message, limit.Token))
                    return "it ended in the middle of a message";
                var request = Frame.Read(Request.Parser, message);
                _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
                handle(request);
                await _answered.Task.WaitAsync(_over.Token);
            }
        }
        catch (OperationCanceledException) when (!end.IsCancellationRequested)
        {
            return _over.IsCancellationRequested ? "it does not take what it is sent" : "it says nothing";
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        catch (Exception rubbish) when (rubbish is FrameException or SocketException)
        {
            return rubbish.Message;
        }
    }

    /// <summary>Answers his request; he may then send the next.</summary>
    public void Answer(Reply reply, IReadOnlyList<FileDescriptor>? descriptors = null)
    {
        Send(reply, descriptors);
        _answered?.TrySetResult();
    }

    /// <summary>Sends all of it at once; who lets so much wait in his buffer that it does not fit is not spoken to any more.</summary>
    public void Send(Reply reply, IReadOnlyList<FileDescriptor>? descriptors = null)
    {
        byte[] frame = Fitting(reply);
        lock (_sending)
        {
            try
            {
                if (!_over.IsCancellationRequested && SocketRights.Send(_socket.SafeHandle, frame, descriptors) == frame.Length)
                    return;
            }
            catch (Exception gone) when (gone is NativeException or ObjectDisposedException)
            {
                // He does not read it, or is not there to: both end here.
            }
        }
        _over.Cancel();
    }

    /// <summary>The process, for one who needs it longer than the connection lasts, and closes it.</summary>
    public ProcessHandle? TakeProcess()
    {
        var process = Process;
        Process = null;
        return process;
    }

    public void Dispose()
    {
        _socket.Dispose();
        _over.Dispose();
        Process?.Dispose();
    }

    // What is too long to be said is a refusal, and not the end of who says it. Descriptors come with short ones alone.
    private static byte[] Fitting(Reply reply)
    {
        int size = reply.CalculateSize();
        return Frame.Of(size <= Frame.LongestMessage
            ? reply
            : Replies.Refused(Errno.EMSGSIZE, $"The answer has {size} bytes, and a message at most {Frame.LongestMessage}", "The broker's log says what it would have said."));
    }

    /// <returns>False: he has closed, before the first byte or in the middle.</returns>
    private async ValueTask<bool> FillAsync(Memory<byte> bytes, CancellationToken limit)
    {
        for (int filled = 0, more; filled < bytes.Length; filled += more)
        {
            more = await _socket.ReceiveAsync(bytes[filled..], limit);
            if (more == 0)
                return false;
        }
        return true;
    }
}
