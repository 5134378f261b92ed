import Cluster
import Foundation
import Inference
import Profiling
import Tensors
import Testing
import Wire

/// The check in a process of its own: its verdict, and whatever may become of that process.
@Suite(.serialized) struct BatchCheckProcessTests {
    /// The coordinator, which begins with the check's other side.
    static func coordinator() throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let folder = ProcessInfo.processInfo.environment["AMP4EC_PRODUCTS"] ?? root.appendingPathComponent(".build/release").path
        let path = "\(folder)/amp4ec-coordinator"
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw TestModels.Absent(description: "\(path) is not there: run make build, or set AMP4EC_PRODUCTS to its folder")
        }
        return path
    }

    static func prepared(
        _ model: String, checking: BatchChecking, batch: BatchDeclaration? = nil, profiles: ProfileFolder? = nil
    ) throws -> ModelService.Prepared {
        _ = try TestModels.service("cnn")
        return try ModelService(
            path: TestModels.path(model), inputs: [], level: .o0, choices: .init(microBatch: 2, batch: batch), profiles: profiles,
            checking: checking
        ).prepare()
    }

    @Test("the process says what the check says here", arguments: ["cnn", "two-inputs", "neighbour", "early-exit", "packed"])
    func sameVerdict(_ model: String) throws {
        let there = try Self.prepared(model, checking: .process(executable: Self.coordinator()))
        let here = try Self.prepared(model, checking: .inProcess)
        #expect(there.batch == here.batch && there.served == here.served)
    }

    struct Mishap: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let script: String?
        let says: String
    }

    static let mishaps = [
        Mishap(testDescription: "it cannot be started", script: nil, says: "could not be started"),
        Mishap(testDescription: "it ends with an error", script: "exit 3", says: "failed (exit status 3)"),
        Mishap(testDescription: "it crashes", script: "kill -SEGV $$", says: "was ended by signal 11"),
        Mishap(testDescription: "the system ends it", script: "kill -KILL $$", says: "was ended by signal 9"),
        Mishap(testDescription: "it says nothing", script: "exit 0", says: "failed"),
        Mishap(testDescription: "it says something else", script: "echo splittable", says: "failed"),
        Mishap(testDescription: "it does not stop talking", script: "exec yes", says: "was ended by signal"),
        Mishap(testDescription: "it hangs", script: "exec sleep 600", says: "did not end within"),
        Mishap(
            testDescription: "it speaks of another model",
            script: #"echo '{"digest":"00","verdict":{"kind":"independent"}}'"#, says: "file changed"),
    ]

    @Test("what cannot be found out is not split", arguments: mishaps) func mishap(_ row: Mishap) throws {
        let store = ProfileReuseTests.Store()
        try FileManager.default.createDirectory(at: store.url, withIntermediateDirectories: true)
        let program = store.url.appendingPathComponent("program").path
        if let script = row.script {
            try Data("#!/bin/sh\n\(script)\n".utf8).write(to: URL(fileURLWithPath: program))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        }
        let checking = BatchChecking.process(executable: program, patience: .seconds(row.script == "exec sleep 600" ? 1 : 60))
        let prepared = try Self.prepared("cnn", checking: checking, profiles: store.folder)
        guard case .inconclusive(let why) = prepared.batch, case .whole(let said) = prepared.served.batching else {
            Issue.record("\(prepared.batch)")
            return
        }
        #expect(why.contains(row.says) && said == why, "\(why)")

        // Nothing was found out, so the next start tries again, and keeps that.
        let again = try Self.prepared("cnn", checking: .process(executable: Self.coordinator()), profiles: store.folder)
        #expect(again.origin != .measured && again.batch == .independent)
        let third = try Self.prepared("cnn", checking: checking, profiles: store.folder)
        #expect(third.batch == .independent && third.served.batching == .splittable, "the verdict is kept")
    }

    @Test("the owner's word: what is checked only warns, and shapes without N stay whole") func declared() throws {
        let word = try Self.prepared("loop", checking: .inProcess, batch: .independent)
        #expect(word.served.batching == .splittable && word.batch.reason?.contains("a loop runs as often") == true)
        let checked = try Self.prepared("loop", checking: .inProcess)
        #expect(checked.served.batching != .splittable)
        _ = try TestModels.service("cnn")
        let service = try ModelService(
            path: TestModels.path("cnn"), inputs: [TensorSpec(parsing: "image:float32[4,3,32,32]")], level: .o0,
            choices: .init(batch: .independent))
        #expect(try service.prepare().served.batching == .whole("no input declares a batch dimension N"))
    }

    @Test("the manifest may hold the owner's word, and the command line goes before it") func inTheManifest() throws {
        let json =
            #"{"name":"m","inputs":[{"name":"x","dtype":"float32","shape":["N"]}],"outputs":[{"name":"y","dtype":"float32","shape":["N"]}],"batch":"WORD"}"#
        func manifest(_ word: String) throws -> ModelManifest {
            try Array(json.replacing("WORD", with: word).utf8).withUnsafeBytes { bytes in try ModelManifest(json: bytes) }
        }
        #expect(try manifest("independent").batch == .independent && manifest("checked").batch == .checked)
        #expect(throws: InferenceError.self) { try manifest("dependent") }
        let written = try ModelManifest(
            name: "m", inputs: manifest("checked").inputs, outputs: manifest("checked").outputs, batch: .independent
        ).json()
        #expect(String(decoding: written, as: UTF8.self).contains(#""batch":"independent""#))
    }
}
