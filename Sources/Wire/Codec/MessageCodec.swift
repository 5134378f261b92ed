internal import CWire

/// Messages to and from the bytes of a frame's metadata.
///
/// Whatever stands in the bytes, decoding gives a message that obeys every bound of ``WireLimits`` and whose values are known, or throws.
public enum MessageCodec {
    /// Texts for people are cut to ``WireLimits/textByteCount``; measurements that are no finite number become 0.
    /// - Throws: ``WireError`` for a message that every receiver would refuse: an array or a name over its bound, an empty route, a
    ///   digest that is none, more than ``WireLimits/metadataByteCount`` bytes in all.
    public static func encode(_ message: Message) throws(WireError) -> EncodedMessage {
        let metadata =
            switch message {
            case .hello(let value): try pack(value)
            case .welcome(let value): try pack(value)
            case .refused(let value): try pack(value)
            case .heartbeat(let value): try pack(value)
            case .ping(let value), .pong(let value): try pack(value)
            case .peerTable(let value): try pack(value)
            case .loadPartition(let value): try pack(value)
            case .partitionReport(let value): try pack(value)
            case .releasePartition(let value): try pack(value)
            case .cancelWork(let value): try pack(value)
            case .workDropped(let value): try pack(value)
            case .workRejected(let value): try pack(value)
            case .workFailed(let value): try pack(value)
            case .peerLost(let value): try pack(value)
            case .register(let value): try pack(value)
            case .registered(let value): try pack(value)
            case .leaving(let value): try pack(value)
            case .released(let value): try pack(value)
            case .partitionData(let value): try pack(value)
            case .linkProbe(let value): try pack(value)
            case .work(let value): try pack(value)
            case .workResult(let value): try pack(value)
            case .inferRequest(let value): try pack(value)
            case .inferReply(let value): try pack(value)
            case .inferError(let value): try pack(value)
            case .cancelRequest(let value): try pack(value)
            case .statusRequest(let value): try pack(value)
            case .statusReply(let value): try pack(value)
            case .modelRequest(let value): try pack(value)
            case .modelReply(let value): try pack(value)
            case .drainRequest(let value): try pack(value)
            case .drainReply(let value): try pack(value)
            }
        return EncodedMessage(kind: message.kind.rawValue, metadata: metadata)
    }

    /// - Returns: `nil` for a kind that this version does not know; its metadata is not looked at.
    public static func decode(kind: UInt16, metadata: UnsafeRawBufferPointer) throws(WireError) -> Message? {
        try decodeWithLayout(kind: kind, metadata: metadata)?.message
    }

    /// The message, and where its tensors will stand in the payload: worked out here, once, for all who ask later.
    static func decodeWithLayout(
        kind: UInt16, metadata: UnsafeRawBufferPointer
    ) throws(WireError) -> (message: Message, layout: PayloadLayout?)? {
        guard let known = Message.Kind(rawValue: kind) else { return nil }
        guard metadata.count <= WireLimits.metadataByteCount else {
            throw WireError(
                .limitExceeded, "metadata of \(metadata.count) bytes is over the limit of \(WireLimits.metadataByteCount)")
        }
        let message: Message =
            switch known {
            case .hello: .hello(try unpack(metadata, known))
            case .welcome: .welcome(try unpack(metadata, known))
            case .refused: .refused(try unpack(metadata, known))
            case .heartbeat: .heartbeat(try unpack(metadata, known))
            case .ping: .ping(try unpack(metadata, known))
            case .pong: .pong(try unpack(metadata, known))
            case .peerTable: .peerTable(try unpack(metadata, known))
            case .loadPartition: .loadPartition(try unpack(metadata, known))
            case .partitionReport: .partitionReport(try unpack(metadata, known))
            case .releasePartition: .releasePartition(try unpack(metadata, known))
            case .cancelWork: .cancelWork(try unpack(metadata, known))
            case .workDropped: .workDropped(try unpack(metadata, known))
            case .workRejected: .workRejected(try unpack(metadata, known))
            case .workFailed: .workFailed(try unpack(metadata, known))
            case .peerLost: .peerLost(try unpack(metadata, known))
            case .register: .register(try unpack(metadata, known))
            case .registered: .registered(try unpack(metadata, known))
            case .leaving: .leaving(try unpack(metadata, known))
            case .released: .released(try unpack(metadata, known))
            case .partitionData: .partitionData(try unpack(metadata, known))
            case .linkProbe: .linkProbe(try unpack(metadata, known))
            case .work: .work(try unpack(metadata, known))
            case .workResult: .workResult(try unpack(metadata, known))
            case .inferRequest: .inferRequest(try unpack(metadata, known))
            case .inferReply: .inferReply(try unpack(metadata, known))
            case .inferError: .inferError(try unpack(metadata, known))
            case .cancelRequest: .cancelRequest(try unpack(metadata, known))
            case .statusRequest: .statusRequest(try unpack(metadata, known))
            case .statusReply: .statusReply(try unpack(metadata, known))
            case .modelRequest: .modelRequest(try unpack(metadata, known))
            case .modelReply: .modelReply(try unpack(metadata, known))
            case .drainRequest: .drainRequest(try unpack(metadata, known))
            case .drainReply: .drainReply(try unpack(metadata, known))
            }
        // The tensors' segments must lie within one payload of the kind: checked here, so that no message exists that breaks it.
        return (message, try message.payloadLayout())
    }

    private static func pack<T: WireConvertible>(_ value: T) throws(WireError) -> [UInt8] {
        let arena = WireArena(limit: WireLimits.unpackedByteCount)
        let pointer = UnsafePointer(try arena.make(value))
        return try withExtendedLifetime(arena) { () throws(WireError) -> [UInt8] in
            try pointer.withMemoryRebound(to: ProtobufCMessage.self, capacity: 1) { base throws(WireError) in
                let byteCount = protobuf_c_message_get_packed_size(base)
                guard byteCount <= WireLimits.metadataByteCount else {
                    throw WireError(
                        .limitExceeded,
                        "a \(T.self) of \(byteCount) bytes is over the metadata's limit of \(WireLimits.metadataByteCount); send it in parts"
                    )
                }
                return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
                    count = protobuf_c_message_pack(base, buffer.baseAddress)
                }
            }
        }
    }

    private static func unpack<T: WireConvertible>(_ metadata: UnsafeRawBufferPointer, _ kind: Message.Kind) throws(WireError) -> T
    {
        let arena = WireArena(limit: WireLimits.unpackedByteCount)
        return try withExtendedLifetime(arena) { () throws(WireError) -> T in
            let unpacked = arena.withAllocator { allocator in
                withUnsafeTemporaryAllocation(of: T.CStruct.self, capacity: 1) {
                    prototype -> UnsafeMutablePointer<ProtobufCMessage>? in
                    guard let start = prototype.baseAddress else { return nil }
                    T.prepare(start)
                    // Every generated struct begins with its base, which names the descriptor.
                    let descriptor = UnsafeRawPointer(start).load(as: ProtobufCMessage.self).descriptor
                    return protobuf_c_message_unpack(
                        descriptor, allocator, metadata.count, metadata.baseAddress?.assumingMemoryBound(to: UInt8.self))
                }
            }
            guard let unpacked else {
                throw WireError(
                    .malformedMetadata,
                    "\(metadata.count) bytes of metadata are no \(kind), or unpack to over \(WireLimits.unpackedByteCount) bytes")
            }
            return try T(reading: UnsafeRawPointer(unpacked).load(as: T.CStruct.self))
        }
    }
}
