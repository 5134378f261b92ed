internal import Base
internal import CWire

/// Memory for one message's C structs: taken piece by piece, freed all at once.
///
/// Both directions use it: encoding builds its structs in it, and protobuf-c unpacks into it (``withAllocator(_:)``), so that an unpacked
/// message is freed on every path, and a message that unpacks to far more than its bytes ends at `limit`.
final class WireArena {
    /// A micro-batch's metadata with three hops takes about 2 KiB.
    private static let firstChunkByteCount = 8 << 10
    private static let largestChunkByteCount = 256 << 10
    /// As `malloc` aligns.
    private static let alignment = 16

    private let limit: Int
    private var chunks: [UnsafeMutableRawPointer] = []
    private var next: UnsafeMutableRawPointer?
    private var free = 0
    private var taken = 0
    private var chunkByteCount = firstChunkByteCount

    init(limit: Int) { self.limit = limit }

    deinit {
        for chunk in chunks { chunk.deallocate() }
    }

    /// - Returns: `nil` once the arena holds `limit` bytes.
    func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        guard byteCount >= 0, byteCount <= limit else { return nil }
        let rounded = (max(byteCount, 1) + Self.alignment - 1) & ~(Self.alignment - 1)
        if rounded > free {
            let size = max(rounded, chunkByteCount)
            guard taken <= limit - rounded else { return nil }
            let chunk = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: Self.alignment)
            chunks.append(chunk)
            taken += size
            next = chunk
            free = size
            chunkByteCount = min(chunkByteCount * 2, Self.largestChunkByteCount)
        }
        let result = next
        next = next?.advanced(by: rounded)
        free -= rounded
        return result
    }

    /// Runs `body` with a protobuf-c allocator that takes from this arena and frees nothing by itself.
    func withAllocator<R>(_ body: (UnsafeMutablePointer<ProtobufCAllocator>) -> R) -> R {
        var allocator = ProtobufCAllocator(
            alloc: { data, byteCount in
                guard let data else { return nil }
                return Unmanaged<WireArena>.fromOpaque(data).takeUnretainedValue().take(byteCount)
            },
            free: { _, _ in },
            allocator_data: Unmanaged.passUnretained(self).toOpaque())
        return withExtendedLifetime(self) { body(&allocator) }
    }
}

// MARK: - What encoding puts into it

extension WireArena {
    private func room(_ byteCount: Int) throws(WireError) -> UnsafeMutableRawPointer {
        guard let memory = take(byteCount) else {
            throw WireError(.limitExceeded, "a message takes over \(limit) bytes to encode, which is the limit; send it in parts")
        }
        return memory
    }

    /// A C struct filled from `value`.
    func make<T: WireConvertible>(_ value: T) throws(WireError) -> UnsafeMutablePointer<T.CStruct> {
        let pointer = try room(MemoryLayout<T.CStruct>.size).bindMemory(to: T.CStruct.self, capacity: 1)
        T.prepare(pointer)
        try value.write(to: &pointer.pointee, in: self)
        return pointer
    }

    /// The array of pointers that protobuf-c takes for a repeated message.
    func list<T: WireConvertible>(
        _ values: [T], atMost limit: Int, _ field: StaticString
    ) throws(WireError) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<T.CStruct>?>?) {
        try Bound.count(values.count, atMost: limit, field)
        guard !values.isEmpty else { return (0, nil) }
        let array = try room(values.count * MemoryLayout<UnsafeMutableRawPointer>.stride)
            .bindMemory(to: UnsafeMutablePointer<T.CStruct>?.self, capacity: values.count)
        for (index, value) in values.enumerated() { (array + index).initialize(to: try make(value)) }
        return (values.count, array)
    }

    /// The array of C strings that protobuf-c takes for repeated names.
    func names(
        _ values: [String], atMost limit: Int, _ field: StaticString
    ) throws(WireError) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) {
        try strings(values, atMost: limit, field) { value throws(WireError) in try name(value, .label, field) }
    }

    /// … and for addresses.
    func addresses(
        _ values: [String], _ field: StaticString
    ) throws(WireError) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) {
        try strings(values, atMost: WireLimits.addresses, field) { value throws(WireError) in try address(value, field) }
    }

    private func strings(
        _ values: [String], atMost limit: Int, _ field: StaticString,
        _ write: (String) throws(WireError) -> UnsafeMutablePointer<CChar>
    ) throws(WireError) -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) {
        try Bound.count(values.count, atMost: limit, field)
        guard !values.isEmpty else { return (0, nil) }
        let array = try room(values.count * MemoryLayout<UnsafeMutableRawPointer>.stride)
            .bindMemory(to: UnsafeMutablePointer<CChar>?.self, capacity: values.count)
        for (index, value) in values.enumerated() { (array + index).initialize(to: try write(value)) }
        return (values.count, array)
    }

    func numbers(_ values: [UInt64]) throws(WireError) -> (Int, UnsafeMutablePointer<UInt64>?) {
        guard !values.isEmpty else { return (0, nil) }
        let array = try room(values.count * MemoryLayout<UInt64>.stride).bindMemory(to: UInt64.self, capacity: values.count)
        for (index, value) in values.enumerated() { array[index] = value }
        return (values.count, array)
    }

    /// A name as a C string. It identifies something, so it is never cut: what a decoder refuses is an error here too.
    func name(_ value: String, _ kind: NameKind, _ field: StaticString) throws(WireError) -> UnsafeMutablePointer<CChar> {
        let pointer = try limited(value, to: WireLimits.nameByteCount, field)
        if !kind.allowsAtOnce(UnsafeRawBufferPointer(start: pointer, count: value.utf8.count)) {
            try Bound.name(value, kind, field)
        }
        return pointer
    }

    func node(
        _ value: NodeID, mayBeCoordinator: Bool = false, _ field: StaticString
    ) throws(WireError) -> UnsafeMutablePointer<CChar> {
        try name(value.name, .node(mayBeCoordinator: mayBeCoordinator), field)
    }

    func name(_ value: String, _ field: StaticString) throws(WireError) -> UnsafeMutablePointer<CChar> {
        try name(value, .label, field)
    }

    func address(_ value: String, _ field: StaticString) throws(WireError) -> UnsafeMutablePointer<CChar> {
        let pointer = try limited(value, to: WireLimits.addressByteCount, field)
        guard AddressText.isPlausible(UnsafeRawBufferPointer(start: pointer, count: value.utf8.count)) else {
            throw WireError(.invalidValue, "\(field) is not host:port")
        }
        return pointer
    }

    private func limited(_ value: String, to limit: Int, _ field: StaticString) throws(WireError) -> UnsafeMutablePointer<CChar> {
        let count = value.utf8.count
        guard count <= limit else {
            throw WireError(.limitExceeded, "\(field) of \(count) bytes is over the limit of \(limit); take a shorter one")
        }
        return try cString(value.utf8, count: count)
    }

    /// A digest as a C string.
    func digest(_ value: String, _ field: StaticString) throws(WireError) -> UnsafeMutablePointer<CChar> {
        let pointer = try limited(value, to: WireLimits.nameByteCount, field)
        try Bound.digest(UnsafeRawBufferPointer(start: pointer, count: value.utf8.count), field)
        return pointer
    }

    /// A text for people as a C string: cut at a character's end to ``WireLimits/textByteCount``, and without what a
    /// terminal would obey.
    func text(_ original: String) throws(WireError) -> UnsafeMutablePointer<CChar> {
        let value = original.withoutControls
        var count = value.utf8.count
        if count > WireLimits.textByteCount {
            // A byte 10xxxxxx goes on a character: step back to where one starts.
            var end = value.utf8.index(value.utf8.startIndex, offsetBy: WireLimits.textByteCount)
            count = WireLimits.textByteCount
            while count > 0, value.utf8[end] & 0xC0 == 0x80 {
                end = value.utf8.index(before: end)
                count -= 1
            }
        }
        return try cString(value.utf8, count: count)
    }

    private func cString(_ bytes: String.UTF8View, count: Int) throws(WireError) -> UnsafeMutablePointer<CChar> {
        let memory = try room(count + 1)
        let target = UnsafeMutableRawBufferPointer(start: memory, count: count)
        let wasContiguous: Void? = bytes.withContiguousStorageIfAvailable { source in
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(source)[..<count]))
        }
        if wasContiguous == nil { for (index, byte) in bytes.prefix(count).enumerated() { target[index] = byte } }
        memory.storeBytes(of: 0, toByteOffset: count, as: UInt8.self)
        return memory.bindMemory(to: CChar.self, capacity: count + 1)
    }
}
