internal import Base
internal import CZlib

/// Inflates a body as its bytes come, and never gives out more than a limit, whatever the stream says.
///
/// One user, one body. After an error nothing more is decoded.
public final class BodyInflater {
    /// What is given out at once.
    private static let pieceByteCount = 64 << 10
    /// zlib counts in 32 bits.
    private static let maximumStep = 1 << 30
    /// zlib's: 16 above the largest window is gzip's header, below 0 is no header.
    private static let gzipWindow = MAX_WBITS + 16

    private enum State {
        /// Nothing has come, or one byte of a deflate body: two tell whether it has zlib's header.
        case waiting(UInt8?)
        case inflating
        case ended
        case failed(OpenInferenceError)
    }

    private let coding: ContentCoding
    private let limit: Int
    private let stream: UnsafeMutablePointer<z_stream>
    private let piece: UnsafeMutableRawBufferPointer
    private var state = State.waiting(nil)
    private var isOpen = false
    private var total = 0

    /// - Parameter limit: bytes that the body may have when it is inflated.
    public init(_ coding: ContentCoding, limit: Int) throws(OpenInferenceError) {
        self.coding = coding
        self.limit = limit
        // zlib keeps its stream's address.
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        piece = .allocate(byteCount: Self.pieceByteCount, alignment: 64)
        if coding == .gzip {
            try open(window: Self.gzipWindow)
            state = .inflating
        }
    }

    deinit {
        if isOpen { inflateEnd(stream) }
        stream.deallocate()
        piece.deallocate()
    }

    /// Inflates the next bytes of the body; `take` gets what comes of them, piece by piece.
    public func decode(
        _ bytes: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) throws(OpenInferenceError) -> Void
    ) throws(OpenInferenceError) {
        do throws(OpenInferenceError) { try advance(bytes, take) } catch {
            state = .failed(error)
            throw error
        }
    }

    /// The body has come: its stream must have ended with it.
    public func finish() throws(OpenInferenceError) {
        switch state {
        case .ended: return
        case .failed(let error): throw error
        case .waiting, .inflating:
            throw OpenInferenceError(.invalid, "the body ends in the middle of its \(coding.rawValue) stream; send all of it")
        }
    }

    private func advance(
        _ bytes: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) throws(OpenInferenceError) -> Void
    ) throws(OpenInferenceError) {
        guard let first = bytes.first else { return }
        switch state {
        case .waiting(nil) where bytes.count == 1: state = .waiting(first)
        case .waiting(nil):
            try begin(first, bytes[1])
            try inflate(bytes, take)
        case .waiting(.some(let kept)):
            try begin(kept, first)
            try withUnsafeBytes(of: kept) { kept throws(OpenInferenceError) in try inflate(kept, take) }
            try inflate(bytes, take)
        case .inflating: try inflate(bytes, take)
        case .ended: throw trailing(bytes.count)
        case .failed(let error): throw error
        }
    }

    /// zlib's header (RFC 1950) is a method, a window, and a check of both; deflate's own first bytes hardly ever look like it.
    private func begin(_ first: UInt8, _ second: UInt8) throws(OpenInferenceError) {
        let isZlib = first & 15 == 8 && first >> 4 <= 7 && (Int(first) << 8 | Int(second)) % 31 == 0
        try open(window: isZlib ? MAX_WBITS : -MAX_WBITS)
        state = .inflating
    }

    private func open(window: Int32) throws(OpenInferenceError) {
        guard inflateInit2_(stream, window, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw OpenInferenceError(.tooLarge, "there is no memory to inflate a body; send it as it is")
        }
        isOpen = true
    }

    private func inflate(
        _ bytes: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) throws(OpenInferenceError) -> Void
    ) throws(OpenInferenceError) {
        var read = 0
        while true {
            let input = UnsafeMutableRawBufferPointer(mutating: UnsafeRawBufferPointer(rebasing: bytes[read...]))
            let offered = min(input.count, Self.maximumStep)
            stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_in = UInt32(offered)
            stream.pointee.next_out = piece.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(piece.count)
            let result = CZlib.inflate(stream, Z_NO_FLUSH)
            read += offered - Int(stream.pointee.avail_in)
            let made = piece.count - Int(stream.pointee.avail_out)
            // Z_BUF_ERROR: there was nothing left to do.
            guard result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR else {
                throw OpenInferenceError(
                    .invalid, "the body is no \(coding.rawValue) stream, or damaged; check Content-Encoding, or send it as it is")
            }
            if made > 0 {
                guard made <= limit - total else {
                    throw OpenInferenceError(
                        .tooLarge, "the body inflates to more than the limit of \(ByteCount(limit)); send less")
                }
                total += made
                try take(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece)[..<made]))
            }
            if result == Z_STREAM_END {
                state = .ended
                guard read == bytes.count else { throw trailing(bytes.count - read) }
                return
            }
            // What did not fill the piece has nothing more in it.
            if read == bytes.count, made < piece.count { return }
        }
    }

    private func trailing(_ count: Int) -> OpenInferenceError {
        OpenInferenceError(.invalid, "\(count) bytes follow the end of the body's \(coding.rawValue) stream; send one stream alone")
    }
}
