namespace Akka.TestKit;

/// <summary>How a test framework says that a test failed.</summary>
public interface ITestKitAssertions
{
    void Fail(string format = "", params object[] args);

    void AssertTrue(bool condition, string format = "", params object[] args);

    void AssertFalse(bool condition, string format = "", params object[] args);

    void AssertEqual<T>(T expected, T actual, string format = "", params object[] args);

    void AssertEqual<T>(T expected, T actual, Func<T, T, bool> comparer, string format = "", params object[] args);
}

/// <summary>Failures whose text is finished, so that braces in a message's own text stay as they are.</summary>
internal static class FinishedText
{
    public static Exception Failed(this ITestKitAssertions assertions, string text)
    {
        assertions.Fail("{0}", text);
        return new InvalidOperationException("The test framework did not throw on: " + text);
    }

    public static void That(this ITestKitAssertions assertions, bool condition, Func<string> text)
    {
        if (!condition)
            assertions.AssertTrue(condition: false, "{0}", text());
    }
}
