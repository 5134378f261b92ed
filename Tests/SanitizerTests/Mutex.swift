internal import Glibc

/// `Synchronization.Mutex` over pthread's lock. The thread sanitizer knows that one; what the standard library asks of the kernel itself it does
/// not see, and takes all that such a lock guards for a race. `scripts/sanitize` puts this file into each module of its copy of the sources,
/// where the name means this lock, and nothing else uses it.
///
/// ## Concurrency model
/// The proof behind `@unchecked Sendable`: `value` is touched only between `pthread_mutex_lock` and `_unlock`, and both live in heap blocks that
/// never move.
final class Mutex<Value: ~Copyable>: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    init(_ value: consuming sending Value) {
        lock = .allocate(capacity: 1)
        lock.initialize(to: pthread_mutex_t())
        pthread_mutex_init(lock, nil)
        self.value = .allocate(capacity: 1)
        self.value.initialize(to: value)
    }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
        value.deinitialize(count: 1)
        value.deallocate()
    }

    func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return try body(&value.pointee)
    }
}
