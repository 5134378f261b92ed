internal import Foundation
internal import Inference
internal import Planning
internal import Tensors

/// The file's form: one JSON object, whose `format` is looked at before anything else.
extension SavedProfile {
    private struct Head: Codable {
        var format: Int
    }

    private struct Measured: Codable {
        var first: Int
        var end: Int
        var milliseconds: Double
    }

    private struct Body: Codable {
        var format: Int
        var key: Key
        var analysis: ModelAnalysis
        var smallerCrossings: [String: [[TensorDescription]]]
        var outputs: [TensorSpec]
        var batch: BatchVerdict
        var measurements: [Measured]

        enum CodingKeys: String, CodingKey {
            case format, key, analysis, outputs, measurements, batch
            case smallerCrossings = "smaller_crossings"
        }
    }

    /// - Throws: where a number is none (JSON has no NaN).
    public func encoded() throws(Refusal) -> [UInt8] {
        let body = Body(
            format: Self.format, key: key, analysis: analysis,
            smallerCrossings: Dictionary(uniqueKeysWithValues: smallerCrossings.map { ("\($0.key)", $0.value) }), outputs: outputs,
            batch: batch,
            measurements: measurements.map { Measured(first: $0.range.first, end: $0.range.end, milliseconds: $0.milliseconds) })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        do { return Array(try encoder.encode(body)) } catch { throw Refusal("it cannot be written: \(error)") }
    }

    /// Reads and validates.
    public static func decoded(_ bytes: [UInt8], for key: Key) throws(Refusal) -> SavedProfile {
        let data = Data(bytes)
        let decoder = JSONDecoder()
        let head: Head
        do { head = try decoder.decode(Head.self, from: data) } catch { throw refusal(error) }
        guard head.format == Self.format else {
            throw Refusal("it is of format \(head.format); this version writes format \(Self.format)")
        }
        let body: Body
        do { body = try decoder.decode(Body.self, from: data) } catch { throw refusal(error) }
        var crossings: [Int: [[TensorDescription]]] = [:]
        for (size, tensors) in body.smallerCrossings {
            guard let size = Int(size) else { throw Refusal("\"\(size.prefix(20))\" is no size of a micro-batch") }
            crossings[size] = tensors
        }
        var measurements: [RangeMeasurement] = []
        for measured in body.measurements {
            // A range that ends before it begins must not come to be.
            guard measured.first >= 0, measured.first < measured.end else {
                throw Refusal("it times layers \(measured.first) to \(measured.end)")
            }
            measurements.append(
                RangeMeasurement(range: LayerRange(measured.first, measured.end), milliseconds: measured.milliseconds))
        }
        return try SavedProfile(
            key: body.key, analysis: body.analysis, smallerCrossings: crossings, outputs: body.outputs,
            batch: body.batch, measurements: measurements
        ).validated(for: key)
    }

    private static func refusal(_ error: any Error) -> Refusal {
        func path(_ context: DecodingError.Context) -> String {
            context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
        }
        return switch error {
        case DecodingError.keyNotFound(let key, let context):
            Refusal("field \"\(key.stringValue)\" is missing in \"\(path(context))\"")
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            Refusal("field \"\(path(context))\": \(context.debugDescription)")
        case DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty:
            Refusal("it is not whole, valid JSON (cut short?)")
        case DecodingError.dataCorrupted(let context): Refusal("field \"\(path(context))\": \(context.debugDescription)")
        default: Refusal("\(error)")
        }
    }
}
