import Foundation
import Glibc
import Loops
import Testing

/// A folder in which files change.
@Suite struct FolderWatchTests {
    private static func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("amp4ec-watch-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder.path)
    }

    @Test("a file written, replaced by a rename, swapped by a link, and removed: each is told")
    func changes() throws {
        try Self.withFolder { folder in
            let loop = try EventLoop()
            defer { loop.shutDown() }
            var told = 0
            let watch = try FolderWatch(loop: loop, folder: folder) { told += 1 }
            func expectWord(_ what: String, _ change: () throws -> Void) throws {
                let before = told
                try change()
                try run(loop, what) { told > before }
            }
            let file = folder + "/file"
            try expectWord("a write") { try Data("1".utf8).write(to: URL(fileURLWithPath: file)) }
            try Data("2".utf8).write(to: URL(fileURLWithPath: folder + "/fresh"))
            try expectWord("a rename") { #expect(rename(folder + "/fresh", file) == 0) }
            #expect(symlink("first", folder + "/link") == 0)
            #expect(symlink("second", folder + "/next") == 0)
            try expectWord("a link") { #expect(rename(folder + "/next", folder + "/link") == 0) }
            try expectWord("a removal") { #expect(unlink(file) == 0) }
            #expect(watch.isAlive)
            watch.close()
            #expect(!watch.isAlive)
        }
    }

    @Test("a folder that goes ends the watch; one that is not there is an error")
    func end() throws {
        try Self.withFolder { folder in
            let loop = try EventLoop()
            defer { loop.shutDown() }
            let inner = folder + "/inner"
            #expect(throws: SystemError.self) { try FolderWatch(loop: loop, folder: inner) {} }
            try FileManager.default.createDirectory(atPath: inner, withIntermediateDirectories: false)
            let watch = try FolderWatch(loop: loop, folder: inner) {}
            #expect(rmdir(inner) == 0)
            try run(loop, "the end of the watch") { !watch.isAlive }
        }
    }
}
