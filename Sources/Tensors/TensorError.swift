/// Why a tensor or a description of one was refused. The message names the limit, the actual value and the fix.
public struct TensorError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// A shape with a negative extent, too many dimensions, or too many bytes.
        case invalidShape
        /// A dtype outside ``DType``.
        case unsupportedType
        /// The bytes given do not match shape × dtype.
        case sizeMismatch
        /// The tensor does not fit the declared input.
        case specMismatch
        /// A textual specification that does not parse.
        case malformedSpec
    }

    public let code: Code
    /// What is wrong, without the fix where that is known apart.
    public let problem: String
    public let fix: String?

    public init(_ code: Code, _ problem: String, fix: String? = nil) {
        self.code = code
        self.problem = problem
        self.fix = fix
    }

    public var message: String { fix.map { "\(problem); \($0)" } ?? problem }

    public var description: String { message }
}
