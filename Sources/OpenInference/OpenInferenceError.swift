/// Why a request is refused, or an answer cannot be written. The message names the part of the request, the limit, and the fix.
public struct OpenInferenceError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The request breaks the protocol or contradicts itself.
        case invalid
        /// It is beyond a limit of ours.
        case tooLarge
        /// The protocol has it, this server does not.
        case unsupported
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }

    /// The same, with the input that it is about before it: ``TensorText`` and ``BytesElements`` see values without a name.
    public func ofInput(_ name: String) -> OpenInferenceError { OpenInferenceError(code, "input \(quoted(name)): \(message)") }
}

/// A name as messages show it: at most 64 characters, and nothing that a terminal obeys.
func quoted(_ text: some StringProtocol) -> String {
    var shown = ""
    for scalar in text.unicodeScalars.prefix(64) { shown += scalar.escaped(asASCII: false) }
    return "\"\(shown)\(text.unicodeScalars.count > 64 ? "…" : "")\""
}
