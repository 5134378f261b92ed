internal import Glibc

/// Text and logs go out whole, also to a descriptor that takes them in pieces.
public enum WholeWrite {
    /// Hands its bytes to the function that it is given, once.
    public typealias Piece = ((UnsafeRawBufferPointer) -> Void) -> Void

    /// Writes all of `bytes`, waiting as long as the reader makes it wait.
    ///
    /// - Returns: how many bytes went out, and what ended it before they all had: an `errno` (0 where the system names none), or `nil`.
    public static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> (count: Int, failure: Int32?) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            let reason = written < 0 ? errno : 0
            if written > 0 {
                rest = rest.dropFirst(written)
            } else if reason == EINTR {
                continue
            } else if reason == EAGAIN {
                // Somebody made the descriptor non-blocking, which all who share it see.
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&wait, 1, -1)
            } else {
                return (bytes.count - rest.count, reason)
            }
        }
        return (bytes.count, nil)
    }

    /// Writes the pieces one after another.
    ///
    /// - Returns: the `errno` of the first that did not go out whole (`EIO` where the system names none), or `nil`.
    public static func write(_ pieces: [Piece], to descriptor: Int32) -> Int32? {
        for piece in pieces {
            var failure: Int32?
            piece { failure = write($0, to: descriptor).failure }
            if let failure { return failure == 0 ? EIO : failure }
        }
        return nil
    }
}
