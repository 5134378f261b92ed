import Coordinator
import Foundation
import Shell
import Testing

/// `--state-dir`: made where it is missing, one coordinator's alone, and an error that says what to do.
@Suite struct StateFolderTests {
    /// A place of a test's own, removed after it.
    struct Place: ~Copyable {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("amp4ec-state-\(UUID().uuidString)").path
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    @Test func theFolderAndItsParentsAreMade() throws {
        let place = Place()
        let folder = try StateFolder(path: place.path + "/a/b/")
        #expect(folder.path == place.path + "/a/b" && folder.historyPath == place.path + "/a/b/history.sqlite")
        var isFolder: ObjCBool = false
        #expect(FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder) && isFolder.boolValue)
    }

    @Test func aSecondCoordinatorIsToldWhoHasIt() throws {
        let place = Place()
        do {
            let first = try StateFolder(path: place.path)
            let error = try #require(throws: CommandFailure.self) { try StateFolder(path: place.path) }
            let says = "\(error)"
            #expect(error.exitStatus == .failure && says.contains(place.path), "\(says)")
            #expect(says.contains("another coordinator (process \(ProcessInfo.processInfo.processIdentifier))"), "\(says)")
            withExtendedLifetime(first) {}
        }
        // The lock goes with its holder; the file stays.
        _ = try StateFolder(path: place.path)
    }

    @Test(
        "a folder that cannot be made or written",
        arguments: ["/proc/state", "/dev/null/state", "/sys"])
    func cannotBeUsed(_ path: String) throws {
        let error = try #require(throws: CommandFailure.self) { try StateFolder(path: path) }
        #expect(error.exitStatus == .failure && "\(error)".contains("--state-dir") && "\(error)".contains(path), "\(error)")
    }
}
