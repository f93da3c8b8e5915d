namespace Riser.Actors.Interop;

/// <summary>A system call failed and nobody nearer could say more than its errno.</summary>
internal sealed class NativeException(string call, Errno errno, string? detail = null)
    : Exception(detail is null ? $"{call}: {errno}" : $"{call}: {errno}: {detail}")
{
    /// <summary>The system call, as its manual page names it.</summary>
    public string Call { get; } = call;

    public Errno Errno { get; } = errno;
}
