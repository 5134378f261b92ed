internal import OpenInference
internal import Tensors
internal import Wire

extension InferenceHandler {
    /// Shorter replies are not worth the work.
    private static let compressedFromByteCount = 1 << 10

    func reply(
        _ exchange: HTTPExchange, _ plan: InferencePlan, _ model: ModelManifest, _ outputs: [Tensor], _ timing: RequestTiming,
        _ hold: InferenceHold
    ) async throws(InferenceRefusal) -> HTTPAnswer {
        let reply: InferenceReply
        let head: [UInt8]
        do throws(OpenInferenceError) {
            reply = InferenceReply(
                model: model.name, version: InferenceRoutes.version, id: plan.id, parameters: [],
                outputs: try plan.outputs.map { output throws(OpenInferenceError) in
                    try Self.output(output, model, outputs)
                })
            // Then the head has no values in it: it is short however large the outputs are.
            let isAllBinary = plan.outputs.allSatisfy(\.isBinary)
            let count = outputs.reduce(0) { $0 + $1.byteCount }
            head =
                count <= Self.shortTextByteCount || isAllBinary
                ? try reply.head() : try await onThread { () throws(OpenInferenceError) in try reply.head() }
        } catch { throw InferenceRefusal(error) }
        var answer = HTTPReply(contentType: reply.hasBinary ? "application/octet-stream" : HTTPReply.jsonType, body: head)
        if reply.hasBinary { answer.headers[BodyForm.headLengthField] = "\(head.count)" }
        let parts = reply.binaryParts.map { part -> HTTPAnswer.Part in
            switch part {
            case .tensor(let tensor): .tensor(tensor)
            case .bytes(let bytes): .bytes(bytes)
            }
        }
        let count = parts.reduce(head.count) { $0 + $1.byteCount }
        guard count >= Self.compressedFromByteCount,
            let (coding, isExplicit) = ContentCoding.accepted(exchange.request.headers["Accept-Encoding"]),
            isExplicit || !reply.hasBinary
        else { return HTTPAnswer(answer, parts: parts, held: hold) }
        answer.headers["Content-Encoding"] = coding.rawValue
        answer.headers["Vary"] = "Accept-Encoding"
        answer.body = await onThread {
            BodyDeflater.encode(head: head, reply.binaryParts, coding)
        }
        return HTTPAnswer(answer, held: hold)
    }

    private static func output(
        _ output: InferencePlan.Output, _ model: ModelManifest, _ outputs: [Tensor]
    ) throws(OpenInferenceError) -> InferenceReply.Output {
        let name = model.outputs[output.position].name
        let tensor = outputs[output.position]
        guard let classCount = output.classCount, classCount > 0 else {
            return InferenceReply.Output(name: name, values: .tensor(tensor), isBinary: output.isBinary)
        }
        let rows = try Classification.rows(of: tensor, count: classCount, labels: model.labels)
        return InferenceReply.Output(
            name: name, values: .bytes(shape: rows.shape, elements: rows.elements), isBinary: output.isBinary)
    }
}
