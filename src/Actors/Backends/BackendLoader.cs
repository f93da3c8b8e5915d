using System.Reflection;
using Akka.Configuration;
using Riser.Actors.Backends.Broker;

namespace Riser.Actors.Backends;

/// <summary>Makes the backends that <c>riser.backends.enabled</c> names.</summary>
internal static class BackendLoader
{
    /// <exception cref="ConfigurationException">A backend is not described, or cannot be made; the message names it.</exception>
    public static IReadOnlyList<IPciBackend> Load(Config riser)
    {
        var enabled = riser.GetValue("backends.enabled");
        if (!enabled.IsArray() || !enabled.GetArray().All(name => name.IsString()))
            throw new ConfigurationException($"riser.backends.enabled must be a list of names: [sim, vfio]. Known are: {string.Join(", ", Known(riser))}.");
        List<IPciBackend> backends = [];
        try
        {
            foreach (string name in enabled.GetStringList().Distinct(StringComparer.Ordinal))
                backends.Add(Make(name, riser));
        }
        catch
        {
            backends.ForEach(b => b.Dispose());
            throw;
        }
        return backends;
    }

    private static IPciBackend Make(string name, Config riser)
    {
        string typeName = riser.GetString($"backends.{name}.class")
            ?? throw new ConfigurationException($"riser.backends.enabled names '{name}', but there is no riser.backends.{name}.class. Known are: {string.Join(", ", Known(riser))}.");
        var type = Type.GetType(typeName);
        if (type is null || !type.IsAssignableTo(typeof(IPciBackend)))
            throw new ConfigurationException($"riser.backends.{name}.class is '{typeName}', which is no IPciBackend. Write 'Namespace.Type, Assembly'.");
        try
        {
            var section = riser.GetConfig($"backends.{name}");
            if (type.IsAssignableTo(typeof(IAsksBroker)))
                section = section.WithFallback(riser.GetConfig("broker").Root.AtKey(BrokerSettings.Key));
            return (IPciBackend)Activator.CreateInstance(type, section)!;
        }
        catch (TargetInvocationException problem) when (problem.InnerException is ConfigurationException or PciException)
        {
            throw new ConfigurationException($"The backend '{name}' cannot be made: {problem.InnerException.Message}", problem.InnerException);
        }
    }

    private static IEnumerable<string> Known(Config riser) =>
        riser.GetConfig("backends").Root.GetObject().Items.Where(i => i.Value.IsObject()).Select(i => i.Key);
}
