/// Why a picture was refused: the file, what is wrong, and the fix.
public struct ImageError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// Neither JPEG nor PNG.
        case notAnImage
        /// A JPEG or PNG that is damaged or cut short.
        case malformed
        /// More pixels than ``ImageDecoder/maximumPixelCount``.
        case tooLarge
        /// A preprocessing that makes no sense.
        case badPreprocessing
    }

    public let code: Code
    public let file: String
    public let problem: String
    public let fix: String

    public init(_ code: Code, file: String, problem: String, fix: String) {
        self.code = code
        self.file = file
        self.problem = problem
        self.fix = fix
    }

    public var description: String { "\(file): \(problem); \(fix)" }
}
