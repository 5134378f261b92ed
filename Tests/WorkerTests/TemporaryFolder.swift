import Glibc

/// A folder of a test's own, removed with everything in it.
final class TemporaryFolder {
    let path: String

    init() {
        var template = Array("/tmp/amp4ec-test-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template))
    }

    deinit { Self.remove(path) }

    /// Writes a file and the folders above it.
    func write(_ text: String, to relative: String) { write(Array(text.utf8), to: relative) }

    func write(_ bytes: [UInt8], to relative: String) {
        let parts = relative.split(separator: "/")
        var folder = path
        for part in parts.dropLast() {
            folder += "/" + part
            mkdir(folder, 0o755)
        }
        guard let file = fopen(path + "/" + relative, "w") else { fatalError("cannot write \(relative)") }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }

    func read(_ relative: String) -> [UInt8] {
        guard let file = fopen(path + "/" + relative, "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    /// Names in the folder, without `.` and `..`.
    func names(_ relative: String = "") -> [String] { Self.names(in: path + "/" + relative) }

    private static func names(in folder: String) -> [String] {
        guard let opened = opendir(folder) else { return [] }
        defer { closedir(opened) }
        var names: [String] = []
        while let item = readdir(opened) {
            let name = withUnsafePointer(to: &item.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private static func remove(_ path: String) {
        for name in names(in: path) { remove(path + "/" + name) }
        if rmdir(path) != 0 { unlink(path) }
    }
}
