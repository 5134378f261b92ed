internal import Glibc

/// A file that was not there before.
public enum FileCreation {
    /// Makes the file and flushes it. Whatever is at that path, a link that leads nowhere too, stays as it is; what fails leaves nothing behind.
    ///
    /// - Parameter mode: the file's from its first moment, before the process's mask: nobody can open it in between.
    /// - Returns: the `errno` of what failed (`EEXIST` where something is there), or `nil`.
    public static func write(_ path: String, mode: UInt32, _ pieces: [WholeWrite.Piece]) -> Int32? {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { return errno }
        var failure = WholeWrite.write(pieces, to: descriptor)
        if failure == nil, fsync(descriptor) != 0 { failure = errno }
        if close(descriptor) != 0, failure == nil { failure = errno }
        if failure != nil { unlink(path) }
        return failure
    }
}
