using Xunit.Sdk;

namespace Akka.TestKit.Xunit2.Internals;

/// <summary>Two values should be equal and are not; unlike xunit's own, it can say what they are.</summary>
public class AkkaEqualException(string message) : XunitException(message)
{
    public static AkkaEqualException ForMismatchedValues(object? expected, object? actual, string? message = null) =>
        new($"Assert.Equal() Failure: {message}{Environment.NewLine}Expected: {expected ?? "(null)"}{Environment.NewLine}Actual:   {actual ?? "(null)"}");
}
