/// Why a model or a partition could not be read, cut or run. The message names the limit, the actual value and the fix.
public struct InferenceError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The bytes are no zip archive: a pickle, text, random bytes, or nothing.
        case notAnArchive
        /// The archive ends early.
        case truncated
        /// The archive's format is newer than this libtorch reads.
        case newerArchive
        /// A zip archive, but without TorchScript code in it: a state_dict, or an eager module.
        case notTorchScript
        /// The archive declares sizes that cannot be true.
        case absurdSizes
        /// The model does something that cannot be cut or run here.
        case unsupported
        /// The model refused this input; other inputs are not concerned.
        case inputRejected
        case outOfMemory
        case internalError
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
