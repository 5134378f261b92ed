import Foundation
import Glibc
import Transport

/// The keys of all clusters of this test process: one fresh root, and what is derived from it, in files as users have them.
///
/// ## Concurrency model
/// `Sendable`: nothing of it changes.
final class TestKeys: Sendable {
    /// Made with the first use; the files go when the tests end.
    static let shared = Result { try TestKeys() }

    private let folder: String
    private let root: ClusterKey
    private let contexts: [ClusterKey.Kind: TLSContext]
    private let worker: TLSContext
    private let coordinator: TLSContext

    private init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("amp4ec-test-keys-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        Self.remove(atExit: folder)
        root = try Self.freshRoot()
        var contexts: [ClusterKey.Kind: TLSContext] = [:]
        for kind in ClusterKey.Kind.allCases {
            let key = kind == .root ? root : try root.derived(kind)
            try Self.write(key.secretText, to: "\(folder)/\(kind.rawValue)")
            if kind != .root {
                contexts[kind] = try TLSContext(KeyRing([key], for: kind == .cluster ? .worker : .client))
            }
        }
        self.contexts = contexts
        worker = try TLSContext(KeyRing([root.derived(.cluster)], for: .worker))
        coordinator = try TLSContext(KeyRing([root], for: .coordinator))
        try FileManager.default.createDirectory(atPath: emptyConfigurationFolder, withIntermediateDirectories: false)
    }

    static func freshRoot() throws -> ClusterKey {
        try ClusterKey(rootOf: (0..<ClusterKey.byteCount).map { _ in UInt8.random(in: 0 ... .max) })
    }

    /// A file as `amp4ec secret` makes it: one line, for its owner alone.
    static func write(_ text: String, to path: String, mode: Int = 0o600) throws {
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data((text + "\n").utf8), attributes: [.posixPermissions: mode])
        else { throw ProcessUnderTest.Failure(description: "\(path) cannot be written") }
    }

    /// Paths that are removed when the process ends, which no `deinit` of a global sees.
    nonisolated(unsafe) private static var removed: [String] = []

    private static func remove(atExit path: String) {
        // Within the initialiser of the one global object, so never by two at once.
        removed.append(path)
        atexit { for path in TestKeys.removed { try? FileManager.default.removeItem(atPath: path) } }
    }

    func path(_ kind: ClusterKey.Kind) -> String { "\(folder)/\(kind.rawValue)" }

    /// `XDG_CONFIG_HOME` of every process of a test: there is no key in it.
    var emptyConfigurationFolder: String { "\(folder)/configuration" }

    /// The root, to derive keys with labels from.
    func key(_ kind: ClusterKey.Kind, label: String? = nil) throws -> ClusterKey {
        kind == .root ? root : try root.derived(kind, label: label)
    }

    func dialing(as kind: ClusterKey.Kind) throws -> TLSContext {
        guard let context = contexts[kind] else {
            throw ProcessUnderTest.Failure(description: "a \(kind.rawValue) key proves nothing itself")
        }
        return context
    }

    func accepting(as owner: RogueServerKind) -> TLSContext { owner == .worker ? worker : coordinator }
}

extension Product {
    /// Which key a process of it has by default.
    var keyKind: ClusterKey.Kind {
        switch self {
        case .coordinator: .root
        case .worker, .check: .cluster
        case .command: .operator
        }
    }
}
