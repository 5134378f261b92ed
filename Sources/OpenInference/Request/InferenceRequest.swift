internal import Base

/// The JSON of an infer request, read and checked by itself: whether a model takes it is the server's to say.
public struct InferenceRequest: Sendable, Hashable {
    public struct Input: Sendable, Hashable {
        public enum Values: Sendable, Hashable {
            /// Where its `data` stands in the head's bytes. Its brackets and strings are whole; the elements are checked when they are read
            /// (``TensorText``).
            case text(Range<Int>)
            /// So many bytes of what follows the head (`parameters.binary_data_size`): what shape and type take, for BYTES at least.
            case binary(byteCount: Int)
        }

        public var name: String
        public var datatype: Datatype
        /// No extent is negative, and the elements fit a tensor.
        public var shape: [Int]
        public var values: Values

        public var elementCount: Int { InferenceRequest.elementCount(shape) }
    }

    public struct Output: Sendable, Hashable {
        public var name: String
        /// `parameters.binary_data`; `nil` where the request's own word holds.
        public var isBinary: Bool?
        /// `parameters.classification`: so many of the best classes in place of the tensor. From 1 on; `nil`: the tensor.
        public var classCount: Int?
    }

    /// To be echoed, as it is.
    public var id: String?
    /// `parameters.timeout`; `nil` for 0 too, which means none.
    public var timeoutMicroseconds: UInt64?
    /// `parameters.priority`, 1 is the highest; `nil` for 0 too, which means the server's own.
    public var priority: UInt64?
    /// `parameters.binary_data_output`: for outputs that say nothing themselves.
    public var wantsBinaryOutputs = false
    /// At least one, each name once.
    public var inputs: [Input] = []
    /// Each name once; empty: all outputs.
    public var outputs: [Output] = []

    /// What the inputs in binary take together: the length of the body behind the head, in the inputs' order.
    public var binaryByteCount: Int {
        inputs.reduce(0) { sum, input in
            if case .binary(let byteCount) = input.values { sum.addedSaturating(to: byteCount) } else { sum }
        }
    }

    /// The product of a shape's extents.
    static func elementCount(_ shape: [Int]) -> Int {
        shape.contains(0) ? 0 : shape.reduce(1) { $0.multipliedSaturating(by: $1) }
    }
}
