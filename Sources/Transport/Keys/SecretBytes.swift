internal import CTLS

/// Bytes that nobody may see: never printed, compared in constant time, overwritten when the last reference goes.
///
/// ## Concurrency model
/// Written by its initialiser alone and only read from then on, so any number of threads may use it at once.
package final class SecretBytes: @unchecked Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    private let bytes: UnsafeMutableRawBufferPointer
    package var count: Int { bytes.count }

    package init(count: Int, filling: (UnsafeMutableRawBufferPointer) -> Void) {
        bytes = .allocate(byteCount: count, alignment: 8)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        filling(bytes)
    }

    package convenience init(copying source: [UInt8]) {
        self.init(count: source.count) { target in source.withUnsafeBytes { target.copyMemory(from: $0) } }
    }

    deinit {
        amp_bytes_erase(bytes.baseAddress, bytes.count)
        bytes.deallocate()
    }

    package func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        bytes.withMemoryRebound(to: UInt8.self) { body(UnsafeBufferPointer($0)) }
    }

    /// Takes the same time wherever they differ; the lengths are no secret.
    package static func == (a: SecretBytes, b: SecretBytes) -> Bool {
        guard a.count == b.count else { return false }
        return a.withBytes { a in b.withBytes { b in amp_bytes_equal(a.baseAddress, b.baseAddress, a.count) == 1 } }
    }

    package var description: String { "<\(count) secret bytes>" }
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// HKDF with SHA-256 (RFC 5869): another secret, from which this one cannot be found.
    ///
    /// `purpose` is its `info`; the salt is one for all of AMP4EC, so that no other program derives the same from the same bytes.
    package func derived(_ purpose: String, byteCount: Int) -> SecretBytes {
        SecretBytes(count: byteCount) { target in
            let done = withBytes { secret in
                target.withMemoryRebound(to: UInt8.self) { target in
                    Self.hkdf(secret: secret, salt: Array(Self.salt.utf8), info: Array(purpose.utf8), into: target)
                }
            }
            // Fails only without memory or without SHA-256 in the library: neither leaves anything to go on with.
            guard done else { fatalError("OpenSSL offers no HKDF with SHA-256") }
        }
    }

    /// HMAC with SHA-256 (RFC 2104): who knows this secret wrote the message.
    ///
    /// A secret that has another use is not taken for this; ``derived(_:byteCount:)`` makes one that is for this alone.
    package func authenticationCode(of message: [UInt8]) -> SecretBytes {
        SecretBytes(count: Self.authenticationCodeByteCount) { target in
            let done = withBytes { key in
                amp_hmac_sha256(
                    key.baseAddress, key.count, message, message.count, target.baseAddress?.assumingMemoryBound(to: UInt8.self))
                    == 1
            }
            guard done else { fatalError("OpenSSL offers no HMAC with SHA-256") }
        }
    }

    package static let authenticationCodeByteCount = 32

    private static let salt = "amp4ec key derivation 1"

    /// HKDF as it stands in the RFC. Returns whether the library could.
    package static func hkdf(
        secret: UnsafeBufferPointer<UInt8>, salt: [UInt8], info: [UInt8], into target: UnsafeMutableBufferPointer<UInt8>
    ) -> Bool {
        amp_hkdf_sha256(
            secret.baseAddress, secret.count, salt, salt.count, info, info.count, target.baseAddress, target.count) == 1
    }
}
