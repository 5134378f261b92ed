internal import Glibc

/// Files are read whole, however many calls the system makes of it.
public enum WholeRead {
    /// Fills `buffer` with the file's bytes from `offset` on. A file that ends before fills a part of it.
    ///
    /// - Parameter descriptor: of a file that has places: a pipe has none.
    /// - Returns: how many bytes came, and the `errno` that ended it before the buffer or the file did, or `nil`.
    public static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int = 0
    ) -> (count: Int, failure: Int32?) {
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, offset + done)
            if count < 0 {
                let reason = errno
                if reason == EINTR { continue }
                return (done, reason)
            }
            guard count > 0 else { break }
            done += count
        }
        return (done, nil)
    }
}
