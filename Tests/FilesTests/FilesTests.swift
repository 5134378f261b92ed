import Files
import Glibc
import Testing

@Suite("files as wholes") struct FilesTests {
    /// A folder that goes with the test.
    private final class Folder {
        let path: String

        init() throws {
            var template = Array("/tmp/amp4ec-files-XXXXXX".utf8CString)
            path = String(cString: try #require(mkdtemp(&template)))
        }

        deinit {
            for name in names { unlink("\(path)/\(name)") }
            rmdir("\(path)/folder/inner")
            rmdir("\(path)/folder")
            rmdir(path)
        }

        var names: [String] {
            guard let folder = opendir(path) else { return [] }
            defer { closedir(folder) }
            var names: [String] = []
            while let item = readdir(folder) {
                names.append(
                    withUnsafePointer(to: &item.pointee.d_name) { name in
                        name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                    })
            }
            return names.filter { !$0.hasPrefix(".") }.sorted()
        }
    }

    private func contents(_ path: String, at offset: Int = 0, room: Int = 64) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0xff, count: room)
        let (count, failure) = bytes.withUnsafeMutableBytes { WholeRead.read(descriptor, into: $0, at: offset) }
        #expect(failure == nil)
        #expect(bytes[count...].allSatisfy { $0 == 0xff })
        return Array(bytes[..<count])
    }

    private func piece(_ bytes: [UInt8]) -> WholeWrite.Piece { { body in bytes.withUnsafeBytes(body) } }

    @Test("pieces are written one after another, and a file that is there is replaced with its mode")
    func replaced() throws {
        let folder = try Folder()
        let file = "\(folder.path)/a"
        #expect(FileReplacement.write(file, by: file + ".tmp", [piece([1, 2]), piece([]), piece([3])]) == nil)
        #expect(try contents(file) == [1, 2, 3])
        #expect(FileReplacement.write(file, by: file + ".tmp", mode: 0o600, [piece([9])]) == nil)
        #expect(try contents(file) == [9])
        var status = stat()
        #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(folder.names == ["a"])
    }

    @Test("what cannot be replaced stays as it was, and nothing is left beside it")
    func refused() throws {
        let folder = try Folder()
        #expect(FolderMaking.make("\(folder.path)/folder/inner") == nil)
        #expect(FileReplacement.write("\(folder.path)/folder", by: "\(folder.path)/tmp", [piece([1])]) == EISDIR)
        #expect(FileReplacement.write("\(folder.path)/none/a", by: "\(folder.path)/none/tmp", [piece([1])]) == ENOENT)
        #expect(folder.names == ["folder"])
        let taken = "\(folder.path)/taken"
        #expect(FileReplacement.write(taken, by: taken + ".tmp", [piece([1])]) == nil)
        #expect(FileReplacement.write("\(folder.path)/a", by: taken, [piece([2])]) == EEXIST)
        #expect(try contents(taken) == [1])
        #expect(folder.names == ["folder", "taken"])
    }

    @Test("a file that is made has its mode, and nothing that is there is written to, nor what a link leads to")
    func created() throws {
        let folder = try Folder()
        let file = "\(folder.path)/a"
        #expect(FileCreation.write(file, mode: 0o600, [piece([1]), piece([2, 3])]) == nil)
        var status = stat()
        #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(FileCreation.write(file, mode: 0o644, [piece([9])]) == EEXIST)
        #expect(try contents(file) == [1, 2, 3])
        try #require(symlink("\(folder.path)/target", "\(folder.path)/link") == 0)
        #expect(FileCreation.write("\(folder.path)/link", mode: 0o600, [piece([9])]) == EEXIST)
        #expect(FileCreation.write("\(folder.path)/none/a", mode: 0o600, [piece([9])]) == ENOENT)
        #expect(folder.names == ["a", "link"])
    }

    @Test("a read begins where it is told to, and ends with the file or with the room")
    func read() throws {
        let folder = try Folder()
        let file = "\(folder.path)/a"
        #expect(FileReplacement.write(file, by: file + ".tmp", [piece(Array(0..<100))]) == nil)
        #expect(try contents(file) == Array(0..<64))
        #expect(try contents(file, at: 90) == Array(90..<100))
        #expect(try contents(file, at: 200) == [])
        #expect(try contents(file, room: 0) == [])
    }

    @Test("the reason is told of what cannot be read or written")
    func reasons() throws {
        let folder = try Folder()
        let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4)
        #expect(bytes.withUnsafeMutableBytes { WholeRead.read(descriptor, into: $0).failure } == EISDIR)
        #expect(WholeWrite.write([piece([1])], to: descriptor) == EBADF)
        let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
        try #require(full >= 0)
        defer { close(full) }
        #expect(WholeWrite.write([piece([]), piece([1]), piece([2])], to: full) == ENOSPC)
    }

    @Test("folders are made with those that they are in; what stands in the way is named")
    func folders() throws {
        let folder = try Folder()
        let inner = "\(folder.path)/folder/inner"
        #expect(FolderMaking.make(inner) == nil)
        #expect(FolderMaking.make(inner + "/") == nil)
        var status = stat()
        #expect(stat(inner, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR)
        for path in [inner, "\(folder.path)/folder"] { try #require(rmdir(path) == 0) }
        #expect(FolderMaking.make(inner, mode: 0o700) == nil)
        for path in [inner, "\(folder.path)/folder"] { #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o700) }
        let file = "\(folder.path)/file"
        #expect(FileReplacement.write(file, by: file + ".tmp", [piece([1])]) == nil)
        let refused = FolderMaking.make("\(file)/below")
        #expect(refused?.folder == "\(file)/below/")
        #expect(refused?.failure == ENOTDIR)
    }
}
