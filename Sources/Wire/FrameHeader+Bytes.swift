extension FrameHeader {
    /// Byte offsets of the fields, as in the table above ``FrameHeader``.
    private enum Offset {
        static let magic = 0
        static let major = 4
        static let minor = 5
        static let kind = 6
        static let flags = 8
        static let reserved = 10
        static let stream = 12
        static let metadata = 16
        static let payload = 20
        static let total = 24
        static let payloadChecksum = 32
        static let headerChecksum = 36
    }

    /// Writes the 40 bytes to the start of `target`.
    public func encode(into target: UnsafeMutableRawBufferPointer) {
        precondition(target.count >= Self.byteCount, "the caller gives room for a header")
        func store<T: FixedWidthInteger>(_ value: T, at offset: Int) {
            target.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
        }
        store(Self.magic, at: Offset.magic)
        store(major, at: Offset.major)
        store(minor, at: Offset.minor)
        store(kind, at: Offset.kind)
        store(flags.rawValue, at: Offset.flags)
        store(UInt16(0), at: Offset.reserved)
        store(stream, at: Offset.stream)
        store(UInt32(metadataByteCount), at: Offset.metadata)
        store(UInt32(payloadByteCount), at: Offset.payload)
        store(UInt64(totalPayloadByteCount), at: Offset.total)
        store(payloadChecksum, at: Offset.payloadChecksum)
        store(headerChecksum, at: Offset.headerChecksum)
    }

    /// Sets both checksums; the last thing before ``encode(into:)``.
    public mutating func seal(metadata: UnsafeRawBufferPointer, payloadChecksum: UInt32) {
        self.payloadChecksum = payloadChecksum
        headerChecksum = computedHeaderChecksum(metadata: metadata)
    }

    /// Checks that header and metadata arrived as they were sent.
    public func verify(metadata: UnsafeRawBufferPointer) throws(WireError) {
        let computed = computedHeaderChecksum(metadata: metadata)
        guard computed == headerChecksum else {
            throw WireError(
                .checksumMismatch,
                "frame header and metadata have CRC32C \(hex(computed)), but \(hex(headerChecksum)) was sent; the connection is not reliable"
            )
        }
    }

    /// Checks a frame's whole payload.
    public func verify(payload: UnsafeRawBufferPointer) throws(WireError) {
        try verify(computedPayloadChecksum: CRC32C.checksum(payload))
    }

    /// As ``verify(payload:)`` for a checksum that was computed while reading.
    public func verify(computedPayloadChecksum computed: UInt32) throws(WireError) {
        guard computed == payloadChecksum else {
            throw WireError(
                .checksumMismatch,
                "frame payload has CRC32C \(hex(computed)), but \(hex(payloadChecksum)) was sent; the connection is not reliable")
        }
    }

    private func computedHeaderChecksum(metadata: UnsafeRawBufferPointer) -> UInt32 {
        withUnsafeTemporaryAllocation(byteCount: Self.byteCount, alignment: 8) { bytes in
            encode(into: bytes)
            var crc = CRC32C()
            crc.update(UnsafeRawBufferPointer(rebasing: bytes[..<Offset.headerChecksum]))
            crc.update(metadata)
            return crc.value
        }
    }

    /// Checks as much of magic and version as has arrived, so that a stranger (an HTTP client) is told at once and not after 40 bytes.
    public static func checkPrefix(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        for (index, byte) in bytes.prefix(Offset.major).enumerated() where byte != UInt8(truncatingIfNeeded: magic >> (8 * index)) {
            if bytes.count >= 2, (20...23).contains(bytes[0]), bytes[1] == 3 {
                throw WireError(
                    .badMagic,
                    "the peer talks TLS, and this process plain text: start this process with the cluster's secret (--cluster-secret-file), "
                        + "or the peer without one")
            }
            let found = bytes.prefix(Offset.major).map { hex($0) }.joined(separator: " ")
            throw WireError(
                .badMagic, "the first bytes are \(found), not \"A4EC\": the peer does not speak AMP4EC's protocol; check the port")
        }
        guard bytes.count > Offset.major else { return }
        let theirs = bytes[Offset.major]
        guard theirs == majorVersion else {
            throw WireError(
                .incompatibleVersion(theirs: theirs, ours: majorVersion),
                "the peer speaks protocol version \(theirs), this process version \(majorVersion); run the same release on both sides"
            )
        }
    }

    /// Reads the 40 bytes and checks every bound that needs no other knowledge.
    ///
    /// The checksum is not checked here, as the metadata is not there yet: see ``verify(metadata:)``.
    public static func decode(from bytes: UnsafeRawBufferPointer) throws(WireError) -> FrameHeader {
        try checkPrefix(bytes)
        guard bytes.count >= byteCount else {
            throw WireError(.malformedHeader, "a frame header has \(byteCount) bytes, but only \(bytes.count) are there")
        }
        func load<T: FixedWidthInteger>(_ offset: Int) -> T {
            T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
        let total: UInt64 = load(Offset.total)
        guard total <= UInt64(WireLimits.payloadByteCount) else {
            throw WireError(.limitExceeded, "a payload of \(total) bytes is over the limit of \(WireLimits.payloadByteCount)")
        }
        let metadata: UInt32 = load(Offset.metadata)
        let payload: UInt32 = load(Offset.payload)
        var header = FrameHeader(
            kind: load(Offset.kind), flags: Flags(rawValue: load(Offset.flags)), stream: load(Offset.stream),
            metadataByteCount: Int(metadata), payloadByteCount: Int(payload), totalPayloadByteCount: Int(total),
            payloadChecksum: load(Offset.payloadChecksum), headerChecksum: load(Offset.headerChecksum))
        header.minor = load(Offset.minor)
        let reserved: UInt16 = load(Offset.reserved)
        guard reserved == 0 else {
            throw WireError(.malformedHeader, "the header's reserved field is \(reserved), not 0")
        }
        try header.checkBounds()
        return header
    }

    private func checkBounds() throws(WireError) {
        guard metadataByteCount <= WireLimits.metadataByteCount else {
            throw WireError(
                .limitExceeded, "metadata of \(metadataByteCount) bytes is over the limit of \(WireLimits.metadataByteCount)")
        }
        guard payloadByteCount <= WireLimits.frameByteCount else {
            throw WireError(
                .limitExceeded, "a frame's payload of \(payloadByteCount) bytes is over the limit of \(WireLimits.frameByteCount)")
        }
        guard payloadByteCount <= totalPayloadByteCount else {
            throw WireError(
                .malformedHeader,
                "a frame brings \(payloadByteCount) payload bytes of a message that has \(totalPayloadByteCount)")
        }
        // A newer minor version may give meaning to other flags, which can be ignored; in ours they are a mistake.
        guard flags.isSubset(of: .known) || minor > Self.minorVersion else {
            throw WireError(.malformedHeader, "flags \(hex(flags.rawValue)) are not known in version \(major).\(minor)")
        }
        if flags.contains(.abort) {
            guard !flags.contains(.continuation), metadataByteCount == 0, payloadByteCount == 0 else {
                throw WireError(.malformedHeader, "an abort frame must carry neither metadata nor payload")
            }
        } else if flags.contains(.continuation) {
            guard metadataByteCount == 0, payloadByteCount > 0 else {
                throw WireError(.malformedHeader, "a continuation frame must carry payload and no metadata")
            }
        }
    }
}

private func hex(_ value: some FixedWidthInteger & UnsignedInteger) -> String {
    let digits = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: max(0, value.bitWidth / 4 - digits.count)) + digits
}
