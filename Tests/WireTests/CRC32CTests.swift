import Testing
import Wire

@Suite struct CRC32CTests {
    private func checksum(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { CRC32C.checksum($0) } }

    @Test(arguments: [
        ("empty", [UInt8](), UInt32(0)),
        ("the standard's check value", Array("123456789".utf8), 0xE306_9283),
        ("RFC 3720: 32 zeros", [UInt8](repeating: 0, count: 32), 0x8A91_36AA),
        ("RFC 3720: 32 ones", [UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        ("RFC 3720: ascending", Array(0..<32), 0x46DD_794E),
    ])
    func knownValues(name: String, bytes: [UInt8], expected: UInt32) {
        #expect(checksum(bytes) == expected, "\(name)")
    }

    @Test func piecesGiveTheSameAsTheWhole() {
        let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        for cut in [0, 1, 7, 64, 999, 1_000] {
            var crc = CRC32C()
            bytes[..<cut].withUnsafeBytes { crc.update($0) }
            bytes[cut...].withUnsafeBytes { crc.update($0) }
            #expect(crc.value == checksum(bytes), "cut at \(cut)")
        }
    }
}
