internal import Glibc

/// Owns a file descriptor and closes it exactly once: when it goes out of scope.
package struct Descriptor: ~Copyable {
    package let rawValue: Int32

    /// Takes ownership of an open descriptor.
    package init(owning rawValue: Int32) { self.rawValue = rawValue }

    deinit { _ = Glibc.close(rawValue) }
}
