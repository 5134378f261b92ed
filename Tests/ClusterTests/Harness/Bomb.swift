/// Little that unpacks to much: one zstd frame (RFC 8878) of blocks that each say "this byte, 131,072 times" in four bytes.
enum Bomb {
    private static let blockByteCount = 128 << 10

    static func bytes(of rawByteCount: Int) -> [UInt8] {
        // Magic, no content size, a window of 128 KiB.
        var frame: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3]
        let blocks = max(1, rawByteCount / blockByteCount)
        for block in 1...blocks {
            // Bit 0: the last block; bits 1 and 2: a repeated byte; from bit 3: how often.
            let header = UInt32(block == blocks ? 1 : 0) | 1 << 1 | UInt32(blockByteCount) << 3
            frame += [
                UInt8(truncatingIfNeeded: header), UInt8(truncatingIfNeeded: header >> 8), UInt8(truncatingIfNeeded: header >> 16),
                0,
            ]
        }
        return frame
    }
}
