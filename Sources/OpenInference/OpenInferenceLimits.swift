internal import Tensors

/// What a request may have. Bytes are the server's to limit: everything here is about what few bytes could ask for.
public enum OpenInferenceLimits {
    /// Objects and arrays within each other. A request needs four and its tensors' dimensions; other servers take 100.
    public static let depth = 64
    /// Inputs, and outputs, of one request: more than any model here has.
    public static let tensors = 64
    /// Members of one object that we read: the protocol has ten at most, and each is compared with those before it.
    public static let members = 64
    /// The `id` is written into the answer and into logs.
    public static let idByteCount = 1 << 10
    /// Elements of a BYTES input or of an answer's classes: each is a string of its own in memory.
    public static let elements = 1 << 20
    /// As names of tensors are everywhere here.
    public static let nameByteCount = TensorSpec.maximumNameByteCount
}
