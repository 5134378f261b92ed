import Foundation
import Testing

/// `scripts/export-model` on models that are not what they seem: the right reason, and never a traceback.
@Suite("Exporting a model") struct ExportTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let function: String
        var options: [String] = []
        let isExported: Bool
        let mentions: [String]

        init(_ testDescription: String, _ function: String, _ options: [String] = [], exports: Bool, mentions: [String]) {
            self.testDescription = testDescription
            self.function = function
            self.options = options
            isExported = exports
            self.mentions = mentions
        }
    }

    static let cases = [
        Case("nothing to say", "plain", exports: true, mentions: []),
        Case("a branch: compiled instead", "branch", exports: true, mentions: ["Python boolean", "a branch", "--script"]),
        Case("a branch, and a trace is asked for", "branch", ["--trace"], exports: false, mentions: ["a branch", "use --script"]),
        Case("a branch in source that cannot be compiled", "closed_branch", exports: false, mentions: ["a branch", "compiled"]),
        Case("a branch that only large values take", "threshold", ["--trace"], exports: false, mentions: ["× 100", "--script"]),
        Case("NaN in both", "not_a_number", exports: true, mentions: []),
        Case("float64 in", "double", exports: false, mentions: ["x is declared float64; AMP4EC carries float32"]),
        Case("float64 out", "double_output", exports: false, mentions: ["y is float64; AMP4EC carries float32"]),
        Case("a dictionary", "dictionary", exports: false, mentions: ["returns a dict"]),
        Case("None among the outputs", "nothing", exports: false, mentions: ["returns None"]),
        Case("dropout in training mode", "dropout", exports: false, mentions: ["eval()"]),
        Case("dropout that two runs do not show", "small_dropout", exports: false, mentions: ["aten::dropout", "eval()"]),
        Case("batch-norm in training mode", "batch_norm", exports: false, mentions: ["aten::batch_norm", "eval()"]),
        Case("modules in training mode", "module_dropout", exports: true, mentions: ["training mode", "eval()"]),
        Case("a module that does not run", "raises", exports: false, mentions: ["missing", "exports.py:"]),
        Case("no manifest", "no_manifest", exports: false, mentions: ["manifest must be a dict"]),
        Case("an unknown word", "bad_word", exports: false, mentions: ["\"batch\" in the manifest"]),
        Case("a function that fails", "fails", exports: false, mentions: ["weights.bin", "exports.py:"]),
        Case("no such function", "absent", exports: false, mentions: ["absent"]),
    ]

    @Test(arguments: cases) func exported(_ test: Case) async throws {
        let folder = try TemporaryFolder()
        let output = folder.path("out.pt")
        let (status, text) = try Self.run(["--function", "exports:\(test.function)"] + test.options + [output])
        #expect((status == 0) == test.isExported, "\(status): \(text)")
        #expect(FileManager.default.fileExists(atPath: output) == test.isExported)
        #expect(!text.contains("Traceback"), "\(text)")
        for mention in test.mentions { #expect(text.contains(mention), "\(mention) is not in: \(text)") }
    }

    /// Both streams together, from a process that ends by itself within seconds.
    static func run(_ arguments: [String]) throws -> (status: Int32, text: String) {
        let process = Process()
        process.executableURL = Places.packageRoot.appendingPathComponent("scripts/export-model")
        process.arguments = arguments
        process.currentDirectoryURL = Places.packageRoot.appendingPathComponent("Tests/Models")
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}
