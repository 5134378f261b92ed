internal import Glibc

/// A file that is there whole or not at all, after a power cut too.
public enum FileReplacement {
    /// Writes `pieces` one after another to a file beside `path`, flushes it and renames it: who opens `path` meets the old file or the whole
    /// new one. What fails leaves nothing behind.
    ///
    /// - Parameters:
    ///   - temporary: where it is written, in the folder of `path`; nothing may be there.
    ///   - mode: the new file's, before the process's mask.
    /// - Returns: the `errno` of what failed, or `nil`.
    public static func write(
        _ path: String, by temporary: String, mode: UInt32 = 0o644, _ pieces: [WholeWrite.Piece]
    ) -> Int32? {
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { return errno }
        var failure = WholeWrite.write(pieces, to: descriptor)
        if failure == nil, fsync(descriptor) != 0 { failure = errno }
        if close(descriptor) != 0, failure == nil { failure = errno }
        if failure == nil, rename(temporary, path) != 0 { failure = errno }
        if failure != nil { unlink(temporary) }
        return failure
    }
}
