internal import CCrypto
internal import Glibc

/// SHA-256 (FIPS 180-4) by OpenSSL: the name of a model and of a partition's content.
public enum SHA256 {
    /// Bytes of a file that are read at once: large enough for the disk, small enough for the cache.
    private static let chunkByteCount = 1 << 20

    /// 64 lower-case hexadecimal digits.
    public static func hexDigest(of bytes: UnsafeRawBufferPointer) -> String {
        let stream = Stream()
        stream.update(bytes)
        return stream.finish()
    }

    public static func hexDigest(of bytes: [UInt8]) -> String { bytes.withUnsafeBytes { hexDigest(of: $0) } }

    public static func hexDigest(of text: String) -> String { hexDigest(of: Array(text.utf8)) }

    /// The digest of a file, which is read in pieces and never held whole.
    public static func hexDigest(ofFile path: String) throws(DigestError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DigestError(path: path, errnoValue: errno) }
        defer { close(descriptor) }
        let stream = Stream()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkByteCount, alignment: 64)
        defer { buffer.deallocate() }
        while true {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count == 0 { return stream.finish() }
            if count > 0 {
                stream.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            } else if errno != EINTR {
                throw DigestError(path: path, errnoValue: errno)
            }
        }
    }

    /// A digest over pieces. Used by one thread at a time.
    public final class Stream {
        private let context: OpaquePointer

        public init() {
            // Both calls fail only without memory or without SHA-256 in the library: neither leaves anything to go on with.
            guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
                fatalError("OpenSSL offers no SHA-256")
            }
            self.context = context
        }

        deinit { EVP_MD_CTX_free(context) }

        public func update(_ bytes: UnsafeRawBufferPointer) {
            let result = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
            precondition(result == 1, "a digest takes no bytes after finish()")
        }

        /// The digest of all pieces; the stream cannot be used after it.
        public func finish() -> String {
            var digest = [UInt8](repeating: 0, count: 32)
            let result = EVP_DigestFinal_ex(context, &digest, nil)
            precondition(result == 1, "a digest is finished once")
            let digits = Array("0123456789abcdef".utf8)
            return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
        }
    }
}

/// A file that could not be read for its digest.
public struct DigestError: Error, CustomStringConvertible {
    public let path: String
    public let errnoValue: Int32
    public var description: String { "cannot read \(path): \(String(cString: strerror(errnoValue)))" }
}
