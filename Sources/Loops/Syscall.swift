internal import Glibc

/// The one place where `EINTR` is handled and where `errno` becomes a value.
package enum Syscall {
    /// What a call that returns a count (or 0) said: the count, or `errno`.
    package enum Outcome {
        case success(Int)
        case failure(Int32)
    }

    /// Repeats `call` while a signal interrupts it.
    ///
    /// Not for `close`, which must not be repeated on Linux: the descriptor is gone even when it says `EINTR`.
    @inlinable @inline(__always)
    package static func retry<Count: BinaryInteger>(_ call: () -> Count) -> Outcome {
        while true {
            let result = call()
            if result >= 0 { return .success(Int(result)) }
            let reason = errno
            if reason != EINTR { return .failure(reason) }
        }
    }

    /// As ``retry(_:)``, but a failure throws with `what` in front of the system's text.
    @discardableResult
    package static func check<Count: BinaryInteger>(_ what: @autoclosure () -> String, _ call: () -> Count) throws(SystemError)
        -> Int
    {
        switch retry(call) {
        case .success(let count): return count
        case .failure(let reason): throw SystemError(what(), systemError: reason)
        }
    }

    /// The system's text for an `errno`.
    package static func describe(_ systemError: Int32) -> String {
        // The longest text of glibc is about 50 bytes.
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let base = buffer.baseAddress, strerror_r(systemError, base, buffer.count) == 0 else {
                return "error \(systemError)"
            }
            return String(cString: base)
        }
    }
}
