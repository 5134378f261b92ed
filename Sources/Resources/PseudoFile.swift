internal import Glibc

/// A file of `/proc` or a control group, opened once and read again from its beginning: half the cost of opening it each time.
///
/// ## Concurrency model
/// Belongs to one ``ResourceProbe`` and is used by its thread alone.
final class PseudoFile {
    /// `/proc/stat` of a machine with hundreds of processors is about 100 KiB; only its beginning is used.
    private static let maximumByteCount = 64 << 10

    private let path: String
    private var descriptor: Int32
    private var buffer: [UInt8]

    /// Nil where it cannot be opened; `errno` says why.
    init?(_ path: String, expecting byteCount: Int = 4096) {
        self.path = path
        self.buffer = [UInt8](repeating: 0, count: min(byteCount, Self.maximumByteCount))
        self.descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// What the file says now, or nil. A group that was removed and made again answers through a new descriptor only.
    func text() -> String? {
        if let text = readFromBeginning() { return text }
        let fresh = open(path, O_RDONLY | O_CLOEXEC)
        guard fresh >= 0 else { return nil }
        close(descriptor)
        descriptor = fresh
        return readFromBeginning()
    }

    private func readFromBeginning() -> String? {
        var filled = 0
        while filled < buffer.count {
            let count = buffer.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress?.advanced(by: filled), $0.count - filled, off_t(filled))
            }
            if count < 0, errno == EINTR { continue }
            if count < 0 { return nil }
            if count == 0 { break }
            filled += count
        }
        return String(decoding: buffer[..<filled], as: UTF8.self)
    }
}
