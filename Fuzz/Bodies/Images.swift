internal import Images
internal import Tensors

extension FuzzBody {
    /// A picture, decoded and made into a model's input. The checksums of a PNG's chunks are set right in a copy: no mutation would hit them.
    enum Images {
        /// Small sides, of which one is padded and one is cut.
        private static let sides = [(resize: 8, crop: 12), (resize: 12, crop: 8)]
        private static let pngSignature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

        static func run(_ bytes: UnsafeRawBufferPointer) -> Outcome {
            guard bytes.starts(with: pngSignature) else { return decode(bytes) }
            _ = decode(bytes)
            return seal(bytes).withUnsafeBytes(decode)
        }

        private static func decode(_ bytes: UnsafeRawBufferPointer) -> Outcome {
            do {
                let image = try ImageDecoder.decode(bytes, name: "input")
                _ = image.storage.bytes.readAll()
                for (number, side) in sides.enumerated() {
                    let preprocessing = ImagePreprocessing(
                        resizeShorterSide: side.resize, cropSize: side.crop, interpolation: number == 0 ? .bilinear : .bicubic,
                        layout: number == 0 ? .hwc : .chw)
                    let tensor = try ImagePreprocessor.tensor(from: image, preprocessing: preprocessing, dtype: .uint8)
                    expect(tensor.byteCount == 3 * side.crop * side.crop, "a crop of \(side.crop) takes \(tensor.byteCount) bytes")
                    let direct = try ImagePreprocessor.tensor(
                        fromFile: bytes, name: "input", preprocessing: preprocessing, dtype: .uint8)
                    expect(direct.bytes.elementsEqual(tensor.bytes), "a file gives another crop than its picture")
                }
                return .accepted
            } catch {
                return .refused
            }
        }

        /// Each chunk is its length, its type, its data, and the CRC-32 of type and data.
        private static func seal(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
            var sealed = [UInt8](bytes)
            var start = pngSignature.count
            while sealed.count - start >= 12 {
                let length = sealed[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
                guard length <= sealed.count - start - 12 else { break }
                let end = start + 8 + length
                let sum = crc32(sealed[start + 4..<end])
                for index in 0..<4 { sealed[end + index] = UInt8(truncatingIfNeeded: sum >> (24 - 8 * UInt32(index))) }
                start = end + 4
            }
            return sealed
        }

        /// The PNG specification's CRC, bit by bit: inputs are small.
        private static func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
            var sum = UInt32.max
            for byte in bytes {
                sum ^= UInt32(byte)
                for _ in 0..<8 { sum = sum & 1 == 0 ? sum >> 1 : sum >> 1 ^ 0xedb8_8320 }
            }
            return ~sum
        }
    }
}
