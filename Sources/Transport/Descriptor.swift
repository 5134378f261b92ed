internal import Glibc

/// Owns a file descriptor and closes it exactly once: when it goes out of scope.
struct Descriptor: ~Copyable {
    let rawValue: Int32

    /// Takes ownership of an open descriptor.
    init(owning rawValue: Int32) { self.rawValue = rawValue }

    deinit { _ = Glibc.close(rawValue) }
}
