import Cluster
import Foundation
import Inference
import Planning
import Profiling
import Shell
import Synchronization
import Tensors
import Testing
import Wire

/// Real models, a folder, and two starts.
@Suite(.serialized) struct ProfileReuseTests {
    /// A folder of profiles with what it had to warn of.
    final class Store: Sendable {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("amp4ec-profiles-\(UUID().uuidString)")
        private let texts = Mutex<[String]>([])
        var warnings: [String] { texts.withLock { $0 } }
        var folder: ProfileFolder {
            ProfileFolder(path: url.path) { file, cause in self.texts.withLock { $0.append("\(file): \(cause)") } }
        }
        var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).sorted() }

        deinit { try? FileManager.default.removeItem(at: url) }
    }

    static func service(_ model: String, _ store: Store, level: OptimizationLevel = .o1, microBatch: Int = 2) throws -> ModelService
    {
        // Sets libtorch up for the process.
        _ = try TestModels.service(model)
        return try ModelService(
            path: TestModels.path(model), inputs: [], level: level, choices: .init(microBatch: microBatch), profiles: store.folder)
    }

    static func stages(_ service: ModelService, urgent: Bool = false) throws -> [PlannedDeployment.Stage] {
        guard case .plan(let deployment) = service.plan(ModelServiceTests.order(2, urgent: urgent), links: LinkTable()) else {
            throw CommandFailure(.failure, "there is no plan")
        }
        return deployment.stages
    }

    @Test(
        "the second start reads what the first one measured, and plans and cuts alike",
        arguments: ["cnn", "residual", "two-inputs", "transformer", "batch-mean"])
    func secondStart(_ model: String) throws {
        let store = Store()
        let first = try Self.service(model, store)
        let measured = try first.prepare()
        #expect(measured.origin == .measured)
        // Times partitions, which is kept too.
        let stages = try Self.stages(first)

        let second = try Self.service(model, store)
        let read = try second.prepare()
        #expect(read.origin == .read(file: try #require(second.profilePath(of: read))))
        #expect(read.served == measured.served && read.analysis == measured.analysis && read.profile == measured.profile)
        #expect(read.microBatch == measured.microBatch)
        let before = try FileManager.default.attributesOfItem(atPath: store.url.path + "/" + store.files[0])[.size] as? Int
        #expect(try Self.stages(second) == stages)
        let after = try FileManager.default.attributesOfItem(atPath: store.url.path + "/" + store.files[0])[.size] as? Int
        #expect(before == after, "nothing was timed that the file knew")
        for stage in stages {
            let bytes = [first, second].map { service in (try? service.archive(of: stage.partition)).map { Array($0.bytes) } }
            #expect(bytes[0] != nil && bytes[0] == bytes[1], "the partitions are the same bytes")
        }
        #expect(store.files.count == 1 && store.warnings.isEmpty, "\(store.warnings)")
    }

    @Test("a first plan in haste knows what partitions have shown before") func urgentPlan() throws {
        let store = Store()
        let first = try Self.service("residual", store)
        _ = try first.prepare()
        _ = try Self.stages(first)
        let key = first.profileKey(batch: 2)
        var saved = try #require(store.folder.read(key))
        let count = saved.analysis.layers.count
        // As partitions, all but the last layers take next to nothing: a plan that knows it leaves almost all to one node.
        let cut = try #require(saved.analysis.advisableCuts.last)
        saved.measurements = [
            .init(range: LayerRange(0, cut), milliseconds: 0.001), .init(range: LayerRange(cut, count), milliseconds: 1_000),
        ]
        store.folder.write(saved)
        let second = try Self.service("residual", store)
        _ = try second.prepare()
        #expect(try Self.stages(second, urgent: true).first?.partition.endLayer == cut)
    }

    @Test(
        "a file that cannot be used: one warning that names it, measured and written again",
        arguments: ["cut short", "another format", "another model's layers"])
    func damaged(_ damage: String) throws {
        let store = Store()
        let first = try Self.service("cnn", store)
        let prepared = try first.prepare()
        let path = try #require(first.profilePath(of: prepared))
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        switch damage {
        case "cut short": try whole.prefix(whole.count / 3).write(to: URL(fileURLWithPath: path))
        case "another format":
            let text = String(decoding: whole, as: UTF8.self).replacing("\"format\":\(SavedProfile.format),", with: "\"format\":1,")
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        default:
            // In itself right, and of the right key, but not what libtorch sees in the file.
            let other = try Self.service("residual", Store()).prepare()
            var saved = try #require(store.folder.read(first.profileKey(batch: 2)))
            saved.analysis = other.analysis
            saved.smallerCrossings = [:]
            saved.measurements = []
            store.folder.write(saved)
        }
        let again = try Self.service("cnn", store)
        #expect(try again.prepare().origin == .measured)
        #expect(store.warnings.count == 1 && store.warnings[0].contains(path), "\(store.warnings)")
        #expect(try Self.service("cnn", store).prepare().origin == .read(file: path))
        #expect(store.warnings.count == 1)
    }

    @Test("a file of another size is looked at too: one of other layers is measured again") func otherSizes() throws {
        let store = Store()
        _ = try TestModels.service("cnn")
        func service() throws -> ModelService {
            try ModelService(path: TestModels.path("cnn"), inputs: [], level: .o1, choices: .init(), profiles: store.folder)
        }
        let first = try service()
        _ = try first.prepare()
        _ = try Self.stages(first)
        let size = try #require(ModelService.microBatchChoices.first { $0 != ModelService.automaticMicroBatch })
        var saved = try #require(store.folder.read(first.profileKey(batch: size)))
        saved.analysis = try Self.service("residual", Store()).prepare().analysis
        saved.smallerCrossings = [:]
        saved.measurements = []
        store.folder.write(saved)
        let second = try service()
        _ = try second.prepare()
        _ = try Self.stages(second)
        #expect(store.warnings.count == 1 && store.warnings[0].contains(store.folder.filePath(of: saved.key)), "\(store.warnings)")
        #expect(store.folder.read(saved.key)?.analysis.layers.count != saved.analysis.layers.count)
    }

    @Test("each level and size has a file of its own; the least used go when there are too many") func files() throws {
        let store = Store()
        let service = try Self.service("cnn", store)
        _ = try service.prepare()
        #expect(try Self.service("cnn", store, level: .o0).prepare().origin == .measured)
        #expect(try Self.service("cnn", store, microBatch: 3).prepare().origin == .measured)
        #expect(store.files.count == 3)
        let saved = try #require(store.folder.read(service.profileKey(batch: 2)))
        // Somebody's own file is none of ours.
        try Data("mine".utf8).write(to: store.url.appendingPathComponent("notes.txt"))
        // A file's time may be anything that somebody has set.
        let odd = store.url.appendingPathComponent("0-0.amp4ec-profile.json")
        try Data("{}".utf8).write(to: odd)
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1e10)], ofItemAtPath: odd.path)
        for number in 0..<ProfileFolder.maximumFiles {
            var other = saved
            other.key.machine = "machine \(number)"
            store.folder.write(other)
        }
        #expect(store.files.count { $0.hasSuffix(".json") } == ProfileFolder.maximumFiles)
        #expect(store.files.contains("notes.txt") && !store.files.contains { $0.hasPrefix(".") })
        #expect(store.warnings.isEmpty, "\(store.warnings)")
    }

    @Test("a folder that takes no file costs a warning, not the start") func unwritable() throws {
        let texts = Mutex<[String]>([])
        let folder = ProfileFolder(path: "/proc/profiles") { file, cause in texts.withLock { $0.append("\(file): \(cause)") } }
        _ = try TestModels.service("cnn")
        let service = try ModelService(
            path: TestModels.path("cnn"), inputs: [], level: .o0, choices: .init(microBatch: 2), profiles: folder)
        #expect(try service.prepare().origin == .measured)
        #expect(texts.withLock { $0.count == 1 && $0[0].contains("/proc/profiles") }, "\(texts.withLock { $0 })")
    }
}
