import Foundation
import Inference
import Planning
import Profiling
import Tensors
import Testing

/// A profile's file: what is read back, and what is refused before anybody computes with it.
@Suite struct SavedProfileTests {
    static let key = SavedProfile.Key(
        digest: String(repeating: "ab", count: 32), toolchain: "torch-2.13.0+cpu/cutter-1", level: "O1", microBatch: 2,
        inputs: ["x:float32[N,3]"], machine: "some processor, AVX2")

    static func layer(_ index: Int, milliseconds: Double = 1.5, outputBytes: Int = 24) -> LayerInfo {
        LayerInfo(
            index: index, name: "layer.\(index)", operator: "aten::linear", parameterCount: 12, parameterBytes: 48,
            outputElements: 6, outputBytes: outputBytes,
            kernel: .init(kind: .linear, height: 1, width: 1, channelsIn: 3, channelsOut: 4, groups: 1), macs: 12,
            milliseconds: milliseconds)
    }

    static func cut(_ layer: Int, items: Int = 2) -> CutInfo {
        CutInfo(
            layer: layer, isLegal: true, reason: "", splitsFusion: false,
            tensors: [.init(dtype: .float32, shape: [items, 3], byteCount: items * 12)])
    }

    static func profile(_ change: (inout SavedProfile) -> Void = { _ in }) -> SavedProfile {
        var profile = SavedProfile(
            key: key, analysis: ModelAnalysis(layers: (0..<3).map { layer($0) }, cuts: (0...3).map { cut($0) }, weightBytes: 144),
            smallerCrossings: [1: (0...3).map { cut($0, items: 1).tensors }],
            outputs: [TensorSpec(name: "y", dtype: .float32, shape: [.batch, .fixed(4)])], batch: .independent,
            measurements: [RangeMeasurement(range: LayerRange(0, 2), milliseconds: 2.25)])
        change(&profile)
        return profile
    }

    @Test func whatIsWrittenIsReadBack() throws {
        for profile in [
            Self.profile(), Self.profile { $0.batch = .dependent("items influence each other") },
            Self.profile { $0.batch = .inconclusive("too slow") },
        ] {
            #expect(try SavedProfile.decoded(profile.encoded(), for: Self.key) == profile)
        }
    }

    // MARK: Refusals

    struct Broken: Sendable, CustomTestStringConvertible {
        let name: String
        let says: String
        let bytes: @Sendable () throws -> [UInt8]
        var testDescription: String { name }

        init(_ name: String, says: String, bytes: @escaping @Sendable () throws -> [UInt8]) {
            self.name = name
            self.says = says
            self.bytes = bytes
        }

        /// The profile is changed before it is written.
        init(_ name: String, says: String, change: @escaping @Sendable (inout SavedProfile) -> Void) {
            self.init(name, says: says) { try SavedProfileTests.profile(change).encoded() }
        }

        /// The text is changed after it was written.
        init(_ name: String, says: String, replacing old: String, by new: String) {
            self.init(name, says: says) {
                let text = String(decoding: try SavedProfileTests.profile().encoded(), as: UTF8.self)
                try #require(text.contains(old), "the text \(old) does not stand in the file")
                return Array(text.replacing(old, with: new).utf8)
            }
        }
    }

    static let damaged: [Broken] = [
        Broken("empty", says: "cut short", bytes: { [] }),
        Broken("cut short by one byte", says: "cut short", bytes: { try profile().encoded().dropLast() }),
        Broken(
            "half of it", says: "cut short",
            bytes: {
                let all = try profile().encoded(); return Array(all[..<(all.count / 2)])
            }),
        Broken("not JSON", says: "cut short", bytes: { Array("hello".utf8) }),
        Broken("not UTF-8", says: "cut short", bytes: { [0xFF, 0xFE, 0x00] }),
        Broken("a list", says: "array instead", bytes: { Array("[]".utf8) }),
        Broken("another object", says: "format", bytes: { Array("{}".utf8) }),
        Broken(
            "a format and nothing else", says: "\"key\" is missing", bytes: { Array("{\"format\":\(SavedProfile.format)}".utf8) }),
        Broken("a later format", says: "format 5", replacing: "\"format\":4", by: "\"format\":5"),
        Broken("a number beyond Double", says: "JSON", replacing: "\"milliseconds\":2.25", by: "\"milliseconds\":1e999"),
        Broken("NaN, as some writers put it", says: "cut short", replacing: "\"milliseconds\":2.25", by: "\"milliseconds\":NaN"),
        Broken(
            "a text in place of a number", says: "milliseconds", replacing: "\"milliseconds\":2.25", by: "\"milliseconds\":\"2\""),
        Broken("an unknown element type", says: "float31", replacing: "\"float32\"", by: "\"float31\""),
        Broken(
            "a size that is none", says: "no size", replacing: "\"smaller_crossings\":{\"1\"", by: "\"smaller_crossings\":{\"one\""),
        Broken(
            "a range that ends before it begins", says: "times layers 2 to 0", replacing: "\"end\":2,\"first\":0",
            by: "\"end\":0,\"first\":2"),
    ]

    static let otherKeys: [Broken] = [
        Broken("another model", says: "model digest") { $0.key.digest = String(repeating: "cd", count: 32) },
        Broken("another libtorch", says: "toolchain") { $0.key.toolchain = "torch-2.14.0+cpu/cutter-1" },
        Broken("another level", says: "level") { $0.key.level = "O0" },
        Broken("another micro-batch", says: "micro-batch") { $0.key.microBatch = 3 },
        Broken("other inputs", says: "inputs") { $0.key.inputs = ["x:float32[N,4]"] },
        Broken("another processor", says: "machine") { $0.key.machine = "another processor, AVX512" },
    ]

    static let values: [Broken] = [
        Broken("no layers", says: "no layers") { $0.analysis.layers = [] },
        Broken("a layer of 1e308 ms", says: "1e+308") { $0.analysis.layers[1] = layer(1, milliseconds: 1e308) },
        Broken("a partition of 1e308 ms", says: "1e+308") {
            $0.measurements = [.init(range: LayerRange(0, 1), milliseconds: 1e308)]
        },
        Broken("a layer with a negative time", says: "-1") { $0.analysis.layers[1] = layer(1, milliseconds: -1) },
        Broken("no layer with a time", says: "no layer has a time") {
            $0.analysis.layers = (0..<3).map { layer($0, milliseconds: 0) }
        },
        Broken("a negative size", says: "-4") { $0.analysis.layers[2] = layer(2, outputBytes: -4) },
        Broken("layers in another order", says: "in the place of layer 0") { $0.analysis.layers.swapAt(0, 1) },
        Broken("a cut too few", says: "3 cuts for 3 layers") { $0.analysis.cuts.removeLast() },
        Broken("cuts in another order", says: "in the place of that before 1") { $0.analysis.cuts.swapAt(1, 2) },
        Broken("bytes that are not the shape's", says: "has 23 bytes") {
            $0.analysis.cuts[1] = CutInfo(
                layer: 1, isLegal: true, reason: "", splitsFusion: false,
                tensors: [.init(dtype: .float32, shape: [2, 3], byteCount: 23)])
        },
        Broken("a negative extent", says: "shape [2, -3]") {
            $0.smallerCrossings[1]?[0] = [.init(dtype: .float32, shape: [2, -3], byteCount: 24)]
        },
        Broken("a shape over 2^63 bytes", says: "shape") {
            $0.smallerCrossings[1]?[0] = [.init(dtype: .float32, shape: [1 << 40, 1 << 40], byteCount: 0)]
        },
        Broken("crossings of a size that is not smaller", says: "micro-batch of 2") {
            $0.smallerCrossings[2] = $0.smallerCrossings[1]
        },
        Broken("crossings of too few cuts", says: "describes 3 cuts") { $0.smallerCrossings[1]?.removeLast() },
        Broken("no outputs", says: "no outputs") { $0.outputs = [] },
        Broken("negative weights", says: "-1 bytes") { $0.analysis.weightBytes = -1 },
        Broken("a partition beyond the model", says: "layers 0 to 4 of 3") {
            $0.measurements = [.init(range: LayerRange(0, 4), milliseconds: 1)]
        },
        Broken("a partition that takes no time", says: "took 0.0 ms") {
            $0.measurements = [.init(range: LayerRange(0, 1), milliseconds: 0)]
        },
        Broken("too many partitions", says: "over the limit") {
            $0.measurements = .init(
                repeating: .init(range: LayerRange(0, 1), milliseconds: 1), count: SavedProfile.maximumMeasurements + 1)
        },
    ]

    @Test("what is refused, and why", arguments: damaged + otherKeys + values) func refused(_ row: Broken) throws {
        let bytes = try row.bytes()
        let refusal = try #require(throws: SavedProfile.Refusal.self) { try SavedProfile.decoded(bytes, for: Self.key) }
        #expect("\(refusal)".contains(row.says), "\(refusal)")
    }

    @Test func numbersThatJSONHasNotAreNotWritten() {
        let profile = Self.profile { $0.analysis.layers[0] = Self.layer(0, milliseconds: .nan) }
        #expect(throws: SavedProfile.Refusal.self) { try profile.encoded() }
    }

    @Test func aMeasurementTakesTheOldersPlaceAndTheOldestGiveWay() {
        var profile = Self.profile()
        profile.add([.init(range: LayerRange(1, 3), milliseconds: 5), .init(range: LayerRange(0, 2), milliseconds: 3)])
        #expect(profile.measurements.map(\.milliseconds) == [5, 3])
        for end in 1...SavedProfile.maximumMeasurements { profile.add([.init(range: LayerRange(0, end + 10), milliseconds: 1)]) }
        #expect(profile.measurements.count == SavedProfile.maximumMeasurements)
        #expect(profile.measurements.last?.range.end == SavedProfile.maximumMeasurements + 10)
    }

    @Test func onlyTheModelsOwnStructureIsItsOwn() {
        let profile = Self.profile()
        var structure = ModelAnalysis(
            layers: (0..<3).map { Self.layer($0, milliseconds: 0) }, cuts: profile.analysis.cuts, weightBytes: 144)
        #expect(profile.describes(structure))
        structure.cuts[1] = Self.cut(1, items: 3)
        #expect(!profile.describes(structure))
    }

    // MARK: The reference machine

    @Test(
        "the first processor's name",
        arguments: [
            ("processor\t: 0\nmodel name\t: Some  CPU @ 2.00GHz\n\nprocessor\t: 1\nmodel name\t: Other\n", "Some CPU @ 2.00GHz"),
            (
                "processor\t: 0\nCPU implementer\t: 0x41\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\n\nprocessor\t: 1\nCPU part\t: 0xd05\n",
                "CPU implementer 0x41, CPU part 0xd0c, CPU variant 0x3"
            ),
            ("", "unknown processor"),
        ])
    func processor(cpuinfo: String, name: String) { #expect(ReferenceMachine.processor(cpuinfo: cpuinfo) == name) }
}
