import Foundation
import Logging
import Shell
import Testing
import Transport

/// What programs do with the keys that they are given.
@Suite struct ClusterAccessTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "amp4ec-access-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// Writes a key of one root, or of another one.
    private func file(_ kind: ClusterKey.Kind, seed: UInt8 = 1, mode: Int = 0o600) throws -> String {
        let root = try ClusterKey(rootOf: (0..<32).map { $0 &+ seed })
        let key = try kind == .root ? root : root.derived(kind)
        let path = folder.appending(path: "\(kind.rawValue)-\(seed)-\(mode)").path()
        try Data("\(key.secretText)\n".utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }

    private func access(
        _ options: [String], _ environment: [String: String] = [:], for owner: KeyRing.Owner = .coordinator, revoked: [String] = [],
        acceptsPlain: Bool = false
    ) throws -> ClusterAccess {
        // Nothing of this machine's user.
        let environment = environment.merging(["XDG_CONFIG_HOME": folder.path()]) { given, _ in given }
        return try ClusterAccess(
            options: options, environment: environment, for: owner, revoked: revoked, acceptsPlain: acceptsPlain)
    }

    @Test func withoutAKeyEverythingIsPlainText() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        #expect(try access([]).security.tls == nil)
        #expect(try access([], [KeyPlaces.environmentVariable: ""]).security.tls == nil)
    }

    @Test func aKeyIsUsedFromEachPlace() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = try file(.root)
        #expect(try access([path]).security.tls != nil)
        #expect(try access([], [KeyPlaces.environmentVariable: path]).security.tls != nil)
        let home = folder.appending(path: "config")
        try FileManager.default.createDirectory(at: home.appending(path: "amp4ec"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: path, toPath: home.appending(path: "amp4ec/secret").path())
        #expect(try access([], ["XDG_CONFIG_HOME": home.path()]).security.tls != nil)
        #expect(try access([path, try file(.root, seed: 2)], acceptsPlain: true).security.acceptsPlain)
    }

    private func failure(_ body: () throws -> ClusterAccess) throws -> CommandFailure {
        try #require(throws: CommandFailure.self) { _ = try body() }
    }

    @Test func whatCannotBeUsedStopsTheStart() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let root = try file(.root)
        let missing = try failure { try access(["\(folder.path())/none"]) }
        #expect(missing.exitStatus == .badData && missing.message.contains("/none"))
        let open = try failure { try access([try file(.root, mode: 0o644)]) }
        #expect(open.exitStatus == .badData && open.message.contains("chmod 600"))
        for (kind, owner) in [(ClusterKey.Kind.client, KeyRing.Owner.worker), (.cluster, .client), (.cluster, .coordinator)] {
            let path = try file(kind)
            let wrong = try failure { try access([path], for: owner) }
            #expect(wrong.exitStatus == .badData)
            #expect(wrong.message.contains(path) && wrong.message.contains("a key of the kind \(kind.rawValue) is of no use here"))
        }
        // The second of two counts as much.
        let second = try failure { try access([root, try file(.client, seed: 3)]) }
        #expect(second.message.contains("client-3"))
        let three = try failure { try access([root, root, root]) }
        #expect(three.exitStatus == .usage)
    }

    @Test func optionsThatNeedAKeyAreNotTakenWithout() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let plain = try failure { try access([], acceptsPlain: true) }
        #expect(plain.exitStatus == .usage && plain.message.contains("--accept-plain"))
        let revoked = try failure { try access([], revoked: ["cam"]) }
        #expect(revoked.exitStatus == .usage && revoked.message.contains("--revoke"))
        #expect(try access([try file(.root)], revoked: ["cam", "client:x"]).security.tls != nil)
        // One that matches nothing would leave the key good, and nobody would know.
        for entry in ["", "a b", "cluster:x", "client:x#0123456789ab"] {
            let bad = try failure { try access([try file(.root)], revoked: [entry]) }
            #expect(bad.exitStatus == .usage && bad.message.contains("--revoke"))
        }
    }
}
