public import Tensors
public import Wire

/// What the gateway asks the coordinator about inference, and gives it to infer.
public protocol InferenceSource: Sendable {
    /// - Returns: `nil` when the loop did not answer in time.
    func model() async -> ModelAnswer?
    /// Asks for a place, by the same rules as every client of the cluster. Where there is one, ``complete(_:_:)`` follows; where there is none,
    /// the call is settled with the reason. ``end(_:)`` comes last in any case.
    /// - Returns: whether there is a place; `nil` when the loop did not answer in time.
    func begin(_ request: InferRequest, _ call: InferenceCall) async -> Bool?
    /// The inputs are here, in the model's order. The call is settled when the outputs are.
    func complete(_ call: InferenceCall, _ inputs: [Tensor])
    /// The reply is out, or nobody waits for it any more: what is under way is cancelled.
    func end(_ call: InferenceCall)
}

/// The model, once it is known.
public enum ModelAnswer: Sendable {
    case known(ModelManifest)
    /// Why not yet.
    case notYet(String)
}
