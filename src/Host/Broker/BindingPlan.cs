namespace Riser.Host.Broker;

/// <summary>A binding that is allowed, and not yet done.</summary>
/// <param name="Nodes">What nobody may get while it is done.</param>
/// <param name="Act">Does it; blocks. Returns what was done, a line each.</param>
internal sealed record BindingPlan(IReadOnlySet<string> Nodes, Func<IReadOnlyList<string>> Act);
