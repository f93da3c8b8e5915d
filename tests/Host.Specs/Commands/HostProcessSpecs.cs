using System.CommandLine;
using Akka.Actor;
using Riser.Host.Service;

namespace Riser.Host.Specs.Commands;

public sealed class HostProcessSpecs
{
    /// <summary>As on a machine that is too busy: no unhandled exception, which would end the process with a core.</summary>
    [Fact]
    public async Task Actors_that_do_not_answer_are_a_failure_of_the_command()
    {
        var root = new RootCommand();
        root.SetAction(async (_, _) =>
        {
            await Task.Yield();
            throw new AskTimeoutException("Timeout after 60 seconds");
        });

        Assert.Equal(ExitStatus.Failure, await HostProcess.RunAsync(root, []));
    }
}
