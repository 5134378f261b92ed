internal import Glibc
internal import Tensors

/// Reads a file whole into aligned memory, and replaces a file in one step.
enum WholeFile {
    /// Linux transfers at most 2 GiB with one call.
    private static let maximumTransfer = 1 << 30

    static func read(path: String, limit: Int) throws(ArrayError) -> TensorStorage {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path, "cannot be opened") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw unreadable(path, "cannot be read") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ArrayError(
                .unreadable, file: path, problem: "it is not a regular file", fix: "give the path of a .npy or .npz file")
        }
        let size = Int(status.st_size)
        guard size <= limit else {
            throw ArrayError(
                .tooLarge, file: path, problem: "its \(size) bytes are over the limit of \(limit)",
                fix: "split it into several files")
        }
        let storage = TensorStorage(byteCount: size)
        var position = 0
        while position < size {
            let count = Glibc.read(descriptor, storage.pointer + position, min(size - position, maximumTransfer))
            if count < 0 && errno == EINTR { continue }
            guard count != 0 else {
                throw ArrayError(.unreadable, file: path, problem: "it became shorter while it was read", fix: "try again")
            }
            guard count > 0 else { throw unreadable(path, "cannot be read") }
            position += count
        }
        return storage
    }

    /// Writes the pieces to a temporary file beside `path` and renames it, so that a reader sees the old or the whole new file.
    /// What exists and is no regular file (a pipe, `/dev/stdout`) is written to directly. A symbolic link stays one.
    static func write(path: String, pieces: [Piece]) throws(ArrayError) {
        var status = stat()
        let exists = stat(path, &status) == 0
        if exists && status.st_mode & S_IFMT != S_IFREG {
            let descriptor = open(path, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw unwritable(path) }
            defer { close(descriptor) }
            guard writeAll(descriptor, pieces) else { throw unwritable(path) }
            return
        }
        var target = path
        if exists, let resolved = realpath(path, nil) {
            target = String(cString: resolved)
            free(resolved)
        }
        let temporary = "\(target).\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 36)).tmp"
        let mode = exists ? status.st_mode & 0o777 : 0o666
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw unwritable(path) }
        let isWritten = writeAll(descriptor, pieces) && fsync(descriptor) == 0
        let isClosed = close(descriptor) == 0
        guard isWritten, isClosed, rename(temporary, target) == 0 else {
            let error = unwritable(path)
            unlink(temporary)
            throw error
        }
    }

    /// Bytes to write: some of ours, or a tensor's without a copy.
    enum Piece {
        case bytes([UInt8])
        case tensor(Tensor)

        func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
            switch self {
            case .bytes(let bytes): bytes.withUnsafeBytes(body)
            case .tensor(let tensor): tensor.withUnsafeBytes(body)
            }
        }
    }

    private static func writeAll(_ descriptor: Int32, _ pieces: [Piece]) -> Bool {
        pieces.allSatisfy { piece in
            piece.withBytes { bytes in
                var position = 0
                while position < bytes.count, let base = bytes.baseAddress {
                    let count = Glibc.write(descriptor, base + position, min(bytes.count - position, maximumTransfer))
                    if count < 0 && errno == EINTR { continue }
                    guard count > 0 else { return false }
                    position += count
                }
                return true
            }
        }
    }

    private static func unreadable(_ path: String, _ what: String) -> ArrayError {
        ArrayError(
            .unreadable, file: path, problem: "it \(what) (\(String(cString: strerror(errno))))",
            fix: "check the path and its permissions")
    }

    private static func unwritable(_ path: String) -> ArrayError {
        ArrayError(
            .unreadable, file: path, problem: "it cannot be written (\(String(cString: strerror(errno))))",
            fix: "check the folder, its permissions and the free space")
    }
}
