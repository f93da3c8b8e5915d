using System.CommandLine;
using Riser.Host.Commands;
using Riser.Host.Service;

var root = new RootCommand("Runs userspace PCI devices as actors.")
{
    RunCommand.Create(),
    DevicesCommand.Create(),
    ConfigCommand.Create(),
    BrokerCommand.Create(),
};
return await HostProcess.RunAsync(root, args);
