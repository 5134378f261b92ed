internal import CWire
internal import Tensors

// The parts that several messages share.

extension PartitionKey: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__PartitionKey>) { amp4ec__partition_key__init(pointer) }

    func write(to c: inout Amp4ec__PartitionKey, in arena: WireArena) throws(WireError) {
        c.model_digest = try arena.digest(modelDigest, "partition.model_digest")
        c.first_layer = try Bound.layer(firstLayer, "partition.first_layer")
        c.end_layer = try Bound.layer(endLayer, "partition.end_layer")
        c.toolchain = try arena.name(toolchain, "partition.toolchain")
        c.optimization = Amp4ec__OptimizationLevel(rawValue: UInt32(optimization.rawValue))
        try checkOrder()
    }

    init(reading c: Amp4ec__PartitionKey) throws(WireError) {
        guard let level = UInt8(exactly: c.optimization.rawValue) else {
            throw WireError(.invalidValue, "partition.optimization has the value \(c.optimization.rawValue), which is not known")
        }
        _ = try Bound.layer(Int(c.first_layer), "partition.first_layer")
        _ = try Bound.layer(Int(c.end_layer), "partition.end_layer")
        self.init(
            modelDigest: try Field.digest(c.model_digest, "partition.model_digest"), firstLayer: Int(c.first_layer),
            endLayer: Int(c.end_layer), toolchain: try Field.name(c.toolchain, "partition.toolchain"),
            optimization: try Field.value(level, "partition.optimization"))
        try checkOrder()
    }

    private func checkOrder() throws(WireError) {
        guard firstLayer < endLayer else {
            throw WireError(.invalidValue, "a partition of layers \(firstLayer) to \(endLayer) has none")
        }
    }
}

extension WorkKey: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__WorkKey>) { amp4ec__work_key__init(pointer) }

    func write(to c: inout Amp4ec__WorkKey, in arena: WireArena) {
        c.session_high = session.bits.high
        c.session_low = session.bits.low
        c.client = client
        c.request = request
        c.micro_batch = microBatch
        c.attempt = attempt
        c.token = token
    }

    init(reading c: Amp4ec__WorkKey) {
        self.init(
            session: SessionID(bits: UInt128(high: c.session_high, low: c.session_low)), client: c.client, request: c.request,
            microBatch: c.micro_batch, attempt: c.attempt, token: c.token)
    }
}

extension Hop: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Hop>) { amp4ec__hop__init(pointer) }

    func write(to c: inout Amp4ec__Hop, in arena: WireArena) throws(WireError) {
        c.node = try arena.node(node, "hop.node")
        c.partition = try arena.make(partition)
    }

    init(reading c: Amp4ec__Hop) throws(WireError) {
        self.init(node: try Field.node(c.node, "hop.node"), partition: try Field.required(c.partition, "hop.partition"))
    }
}

extension HopTrace: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__HopTrace>) { amp4ec__hop_trace__init(pointer) }

    func write(to c: inout Amp4ec__HopTrace, in arena: WireArena) throws(WireError) {
        c.node = try arena.node(node, "trace.node")
        c.receive = Bound.measured(receive, in: WireRanges.spanNanoseconds)
        c.decode = Bound.measured(decode, in: WireRanges.spanNanoseconds)
        c.queue = Bound.measured(queue, in: WireRanges.spanNanoseconds)
        c.compute = Bound.measured(compute, in: WireRanges.spanNanoseconds)
        c.encode = Bound.measured(encode, in: WireRanges.spanNanoseconds)
        c.raw_bytes = Bound.measured(rawBytes, in: WireRanges.bytes)
        c.wire_bytes = Bound.measured(wireBytes, in: WireRanges.bytes)
    }

    init(reading c: Amp4ec__HopTrace) throws(WireError) {
        self.init(
            node: try Field.node(c.node, "trace.node"),
            receive: try Field.number(c.receive, in: WireRanges.spanNanoseconds, "trace.receive"),
            decode: try Field.number(c.decode, in: WireRanges.spanNanoseconds, "trace.decode"),
            queue: try Field.number(c.queue, in: WireRanges.spanNanoseconds, "trace.queue"),
            compute: try Field.number(c.compute, in: WireRanges.spanNanoseconds, "trace.compute"),
            encode: try Field.number(c.encode, in: WireRanges.spanNanoseconds, "trace.encode"),
            rawBytes: try Field.number(c.raw_bytes, in: WireRanges.bytes, "trace.raw_bytes"),
            wireBytes: try Field.number(c.wire_bytes, in: WireRanges.bytes, "trace.wire_bytes"))
    }
}

/// A tensor's type and shape as they stand in ``TensorHeader`` and in a warm-up.
private enum ShapeField {
    static func write(_ shape: [Int], in arena: WireArena) throws(WireError) -> (Int, UnsafeMutablePointer<UInt64>?) {
        try Bound.count(shape.count, atMost: Tensor.maximumRank, "tensor.shape")
        var extents: [UInt64] = []
        extents.reserveCapacity(shape.count)
        for extent in shape {
            guard let unsigned = UInt64(exactly: extent) else {
                throw WireError(.invalidValue, "tensor.shape \(shape) has a negative extent")
            }
            extents.append(unsigned)
        }
        return try arena.numbers(extents)
    }

    static func read(_ count: Int, _ extents: UnsafeMutablePointer<UInt64>?) throws(WireError) -> [Int] {
        try Bound.count(count, atMost: Tensor.maximumRank, "tensor.shape")
        var shape: [Int] = []
        guard count > 0, let extents else { return shape }
        shape.reserveCapacity(count)
        for index in 0..<count {
            guard let extent = Int(exactly: extents[index]) else {
                throw WireError(.invalidValue, "tensor.shape has the extent \(extents[index])")
            }
            shape.append(extent)
        }
        return shape
    }

    static func type(_ raw: UInt32) throws(WireError) -> DType {
        guard let narrow = UInt8(exactly: raw), let type = DType(rawValue: narrow) else {
            throw WireError(.invalidValue, "tensor.dtype has the value \(raw), which this version does not know")
        }
        return type
    }
}

extension TensorHeader: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__TensorHeader>) { amp4ec__tensor_header__init(pointer) }

    func write(to c: inout Amp4ec__TensorHeader, in arena: WireArena) throws(WireError) {
        try validate()
        c.dtype = Amp4ec__ElementType(rawValue: UInt32(dtype.rawValue))
        (c.n_shape, c.shape) = try ShapeField.write(shape, in: arena)
        c.encoding = Amp4ec__TensorEncoding(rawValue: encoding.rawValue)
        c.wire_byte_count = UInt64(wireByteCount)
    }

    init(reading c: Amp4ec__TensorHeader) throws(WireError) {
        guard let wireByteCount = Int(exactly: c.wire_byte_count) else {
            throw WireError(.limitExceeded, "tensor.wire_byte_count is \(c.wire_byte_count)")
        }
        self.init(
            dtype: try ShapeField.type(c.dtype.rawValue), shape: try ShapeField.read(c.n_shape, c.shape),
            encoding: try Field.value(c.encoding.rawValue, "tensor.encoding"), wireByteCount: wireByteCount)
        try validate()
    }
}

/// The tensors of one warm-up run: only described, so that they are raw tensors of their full size in Swift.
struct Warmup: WireConvertible {
    let inputs: [TensorHeader]

    private struct Shape: WireConvertible {
        let header: TensorHeader

        static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__TensorShape>) { amp4ec__tensor_shape__init(pointer) }

        init(header: TensorHeader) { self.header = header }

        func write(to c: inout Amp4ec__TensorShape, in arena: WireArena) throws(WireError) {
            _ = try header.tensorByteCount()
            c.dtype = Amp4ec__ElementType(rawValue: UInt32(header.dtype.rawValue))
            (c.n_shape, c.shape) = try ShapeField.write(header.shape, in: arena)
        }

        init(reading c: Amp4ec__TensorShape) throws(WireError) {
            var header = TensorHeader(
                dtype: try ShapeField.type(c.dtype.rawValue), shape: try ShapeField.read(c.n_shape, c.shape), encoding: .raw,
                wireByteCount: 0)
            header.wireByteCount = try header.tensorByteCount()
            self.header = header
        }
    }

    init(inputs: [TensorHeader]) { self.inputs = inputs }

    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Warmup>) { amp4ec__warmup__init(pointer) }

    func write(to c: inout Amp4ec__Warmup, in arena: WireArena) throws(WireError) {
        (c.n_inputs, c.inputs) = try arena.list(inputs.map { Shape(header: $0) }, atMost: WireLimits.tensors, "warmup.inputs")
        try checkSize()
    }

    init(reading c: Amp4ec__Warmup) throws(WireError) {
        let shapes: [Shape] = try Field.list(c.n_inputs, c.inputs, atMost: WireLimits.tensors, "warmup.inputs")
        self.init(inputs: shapes.map(\.header))
        try checkSize()
    }

    /// What does not fit one message never comes as a micro-batch: nobody takes memory to warm up for it.
    private func checkSize() throws(WireError) {
        guard let byteCount = byteCount, byteCount <= WireLimits.activationByteCount else {
            throw WireError(
                .limitExceeded, "a warm-up's tensors take over \(WireLimits.activationByteCount) bytes, which is the limit")
        }
    }

    /// Of all its tensors; `nil` where that is beyond any message.
    private var byteCount: Int? {
        var sum = 0
        for input in inputs {
            // Each is at most `Tensor.maximumByteCount`, and there are at most `WireLimits.tensors`.
            guard let bytes = try? input.tensorByteCount() else { return nil }
            sum += bytes
        }
        return sum
    }

    /// Whether a receiver takes it.
    var isSendable: Bool {
        guard inputs.count <= WireLimits.tensors, let byteCount else { return false }
        return byteCount <= WireLimits.activationByteCount
    }
}
