import Foundation
import FuzzBodies
import Testing

/// The kept inputs of the fuzzer (Fuzz/Corpus), valid ones that it starts from and every one that ever failed, fed to the same parsers. A
/// trap or a broken promise ends the test run.
@Suite struct CorpusTests {
    /// The package's root: this file lies in Tests/CorpusTests below it.
    private static let corpus = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fuzz/Corpus")

    @Test(arguments: FuzzBody.allCases)
    func everyInputEnds(body: FuzzBody) throws {
        let folder = Self.corpus.appending(path: body.rawValue)
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        let outcomes = try files.map { file in try Data(contentsOf: file).withUnsafeBytes(body.run) }
        // Inputs that are all refused would start the fuzzer nowhere, and the promises about what is accepted would not be looked at.
        #expect(outcomes.contains(.accepted))
    }

    @Test func everyFolderHasABody() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Self.corpus.path())
        #expect(Set(folders) == Set(FuzzBody.allCases.map(\.rawValue)))
    }
}
