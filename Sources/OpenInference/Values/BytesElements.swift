internal import Base

/// The elements of a BYTES tensor in binary: for each its length in four bytes, little-endian, and its bytes.
public enum BytesElements {
    static let lengthByteCount = 4

    /// Where each of `count` elements stands.
    /// - Throws: ``OpenInferenceError`` where a length reaches beyond the end, or something follows the last element.
    public static func ranges(in bytes: UnsafeRawBufferPointer, count: Int) throws(OpenInferenceError) -> [Range<Int>] {
        guard count >= 0, count <= OpenInferenceLimits.elements else {
            throw OpenInferenceError(.tooLarge, "it has \(count) BYTES elements, over the limit of \(OpenInferenceLimits.elements)")
        }
        var reader = ByteReader(bytes)
        var ranges: [Range<Int>] = []
        for index in 0..<count {
            guard let length = reader.integer(UInt32.self) else {
                throw OpenInferenceError(.invalid, "its \(bytes.count) bytes end before the length of element \(index); \(form)")
            }
            let start = reader.offset
            guard reader.take(Int(length)) != nil else {
                throw OpenInferenceError(
                    .invalid, "element \(index) has \(length) bytes by its length, but \(bytes.count - start) follow; \(form)")
            }
            ranges.append(start..<reader.offset)
        }
        guard reader.offset == bytes.count else {
            throw OpenInferenceError(.invalid, "\(bytes.count - reader.offset) bytes follow the last of \(count) elements; \(form)")
        }
        return ranges
    }

    private static let form = "each element is its length (4 bytes, little-endian) and its bytes"

    /// The same of an array.
    public static func ranges(in bytes: [UInt8], count: Int) throws(OpenInferenceError) -> [Range<Int>] {
        let result = bytes.withUnsafeBytes { bytes -> Result<[Range<Int>], OpenInferenceError> in
            do throws(OpenInferenceError) { return .success(try ranges(in: bytes, count: count)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    public static func encode(_ elements: [[UInt8]]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(elements.reduce(0) { $0 + lengthByteCount + $1.count })
        for element in elements {
            withUnsafeBytes(of: UInt32(element.count).littleEndian) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: element)
        }
        return bytes
    }
}
