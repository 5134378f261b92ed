internal import OpenInference
internal import Tensors

extension FuzzBody {
    /// An infer request's head, or a compressed body. Tensors that were read are written as an answer's `data` and read again, and must be the
    /// same; a stream must inflate to the same in small pieces.
    enum OpenInference {
        /// Of one input's elements: a shape may ask for 4 GiB, which the server gives only to bodies that are as large.
        private static let tensorByteCount = 1 << 20
        /// Of an inflated body: less than what the longest input can come to.
        private static let inflatedByteCount = 1 << 20
        /// Ends within heads as well as within blocks.
        private static let pieceByteCount = 7

        static func run(_ bytes: UnsafeRawBufferPointer) -> Outcome {
            let header = String(decoding: bytes.prefix(100), as: UTF8.self)
            _ = try? ContentCoding.ofBody(header)
            _ = ContentCoding.accepted(header)
            let coding: ContentCoding? = bytes.first == 0x1F ? .gzip : bytes.first == 0x78 ? .deflate : nil
            do throws(OpenInferenceError) {
                guard let coding else {
                    try read(Array(bytes))
                    return .accepted
                }
                let whole = inflate(bytes, coding, pieceByteCount: bytes.count)
                expect(whole == inflate(bytes, coding, pieceByteCount: pieceByteCount), "a body inflates differently in pieces")
                guard let whole else { return .refused }
                try read(whole)
                return .accepted
            } catch {
                expect(!error.message.isEmpty && error.message.utf8.count < 4_096, "a message of \(error.message.utf8.count) bytes")
                return .refused
            }
        }

        private static func inflate(_ bytes: UnsafeRawBufferPointer, _ coding: ContentCoding, pieceByteCount: Int) -> [UInt8]? {
            var inflated: [UInt8] = []
            do throws(OpenInferenceError) {
                let inflater = try BodyInflater(coding, limit: inflatedByteCount)
                var rest = bytes[...]
                while !rest.isEmpty {
                    let piece = rest.prefix(pieceByteCount)
                    rest = rest.dropFirst(piece.count)
                    try inflater.decode(UnsafeRawBufferPointer(rebasing: piece)) { made throws(OpenInferenceError) in
                        inflated += made
                    }
                    expect(inflated.count <= inflatedByteCount, "\(inflated.count) bytes are over the limit")
                }
                try inflater.finish()
                return inflated
            } catch {
                return nil
            }
        }

        private static func read(_ head: [UInt8]) throws(OpenInferenceError) {
            let request = try InferenceRequest(parsing: head)
            expect(Set(request.inputs.map(\.name)).count == request.inputs.count, "an input stands twice")
            expect(request.binaryByteCount >= 0, "binary inputs of \(request.binaryByteCount) bytes")
            for input in request.inputs {
                guard case .text(let range) = input.values else { continue }
                guard let width = input.datatype.byteWidth else {
                    check(try TensorText.strings(range, of: head, shape: input.shape), input)
                    continue
                }
                guard input.elementCount <= tensorByteCount / width else { continue }
                let storage = TensorStorage(byteCount: input.elementCount * width)
                try TensorText.read(range, of: head, input.datatype, shape: input.shape, into: storage.mutableBytes)
                _ = storage.bytes.readAll()
                guard let dtype = input.datatype.dtype else { continue }
                guard let tensor = try? Tensor(dtype: dtype, shape: input.shape, storage: storage) else {
                    fatalError("\(dtype.name)\(input.shape) was accepted, but is no tensor")
                }
                check(tensor, input)
            }
        }

        private static func check(_ elements: [[UInt8]], _ input: InferenceRequest.Input) {
            expect(elements.count == input.elementCount, "\(elements.count) strings were read for shape \(input.shape)")
            let encoded = BytesElements.encode(elements)
            let again = encoded.withUnsafeBytes { bytes in
                (try? BytesElements.ranges(in: bytes, count: elements.count))?.map { Array(bytes[$0]) }
            }
            expect(again == elements, "strings were encoded as others")
            written(.bytes(shape: input.shape, elements: elements), input) { head, range in
                expect((try? TensorText.strings(range, of: head, shape: input.shape)) == elements, "strings were written as others")
            }
        }

        private static func check(_ tensor: Tensor, _ input: InferenceRequest.Input) {
            written(.tensor(tensor), input) { head, range in
                let storage = TensorStorage(byteCount: tensor.byteCount)
                do throws(OpenInferenceError) {
                    try TensorText.read(range, of: head, input.datatype, shape: input.shape, into: storage.mutableBytes)
                } catch {
                    fatalError("\(tensor.dtype.name)\(tensor.shape) was written, but not read again: \(error)")
                }
                expect(
                    storage.bytes.elementsEqual(tensor.bytes), "\(tensor.dtype.name)\(tensor.shape) was written as something else")
            }
        }

        /// An answer's head has the form of a request's, but for the name of its list.
        private static func written(
            _ values: InferenceReply.Values, _ input: InferenceRequest.Input, _ check: (_ head: [UInt8], _ data: Range<Int>) -> Void
        ) {
            let output = InferenceReply.Output(name: input.name, values: values, isBinary: false)
            let reply = InferenceReply(model: "m", version: "1", id: nil, parameters: [], outputs: [output])
            do throws(OpenInferenceError) {
                let head = try reply.head()
                let text = String(decoding: head, as: UTF8.self).replacing(
                    "\"outputs\":[{", with: "\"inputs\":[{", maxReplacements: 1)
                let again = Array(text.utf8)
                guard case .text(let range)? = try InferenceRequest(parsing: again).inputs.first?.values else {
                    fatalError("an answer has no data: \(text)")
                }
                check(again, range)
            } catch {
                fatalError("what was read cannot be written and read again: \(error)")
            }
        }
    }
}
