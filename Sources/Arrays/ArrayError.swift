/// Why an array file was refused or not written: the file, the array in it, what is wrong, and the fix.
public struct ArrayError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The file cannot be opened, read or written.
        case unreadable
        /// The bytes are not what the format says.
        case malformed
        /// A correct file with something that is not supported (a dtype, an encryption).
        case unsupported
        /// A size above a limit.
        case tooLarge
    }

    public let code: Code
    public let file: String
    /// The array inside a `.npz`, or the header's field.
    public let field: String?
    public let problem: String
    public let fix: String

    public init(_ code: Code, file: String, field: String? = nil, problem: String, fix: String) {
        self.code = code
        self.file = file
        self.field = field
        self.problem = problem
        self.fix = fix
    }

    public var description: String { "\(file): \(field.map { "\($0): " } ?? "")\(problem); \(fix)" }
}
