import Foundation
import Inference
import Tensors
import Testing

/// What a wrong file or a wrong input gets.
@Suite("Refusals")
struct RefusalTests {
    struct Forgery: Sendable, CustomTestStringConvertible {
        let name: String
        let code: InferenceError.Code
        /// What the message must say.
        let says: String
        let bytes: @Sendable ([UInt8]) throws -> [UInt8]
        var testDescription: String { name }
    }

    static let forgeries: [Forgery] = [
        Forgery(name: "text", code: .notAnArchive, says: "does not begin like a zip") { _ in
            Array("hello, world, this is no model".utf8)
        },
        Forgery(name: "a pointer of Git LFS", code: .notAnArchive, says: "fetch the file with git lfs pull") { _ in
            Array("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 48605698\n".utf8)
        },
        Forgery(
            name: "a web page", code: .notAnArchive, says: "perhaps a server's error, not a TorchScript archive; download it again"
        ) { _ in
            Array("<!DOCTYPE html><html><body>404</body></html>".utf8)
        },
        Forgery(name: "a packed model", code: .notAnArchive, says: "unpack it with gunzip") { _ in
            [0x1f, 0x8b, 8] + [UInt8](repeating: 0, count: 64)
        },
        Forgery(name: "zeros", code: .notAnArchive, says: "does not begin like a zip") { _ in [UInt8](repeating: 0, count: 4096) },
        Forgery(name: "nothing", code: .notAnArchive, says: "is empty") { _ in [] },
        Forgery(name: "an old pickle", code: .notAnArchive, says: "pickle") { _ in try file("pickle.pth") },
        Forgery(name: "a state_dict", code: .notTorchScript, says: "state_dict") { _ in try file("state-dict.pth") },
        Forgery(name: "a program of torch.export", code: .notTorchScript, says: "(.pt2)") { _ in try file("program.pt2") },
        Forgery(name: "the first half", code: .truncated, says: "copy or download it again") { Array($0.prefix($0.count / 2)) },
        Forgery(name: "all but the last byte", code: .truncated, says: "copy or download it again") { Array($0.dropLast()) },
        Forgery(name: "ten bytes", code: .truncated, says: "copy or download it again") { Array($0.prefix(10)) },
        Forgery(name: "bytes cut out of the middle", code: .absurdSizes, says: "declared at") {
            Array($0.prefix($0.count / 3) + $0.suffix($0.count / 3))
        },
        Forgery(name: "a newer format", code: .newerArchive, says: "reads up to") { bytes in
            // The version record is the only entry whose content is its number and a line end.
            try edit(bytes, entry: "version") { zip, entry in
                let header = entry.header
                let start = header + 30 + zip.read16(header + 26) + zip.read16(header + 28)
                zip.bytes[start] = UInt8(ascii: "9")
                zip.bytes[start + 1] = UInt8(ascii: "9")
                zip.write32(entry.directory + 20, 2)
                zip.write32(entry.directory + 24, 2)
            }
        },
        Forgery(name: "a stored entry of 4 GB", code: .absurdSizes, says: "declares") { bytes in
            try edit(bytes, entry: "data.pkl") { zip, entry in
                zip.write32(entry.directory + 20, 0xffff_fff0)
                zip.write32(entry.directory + 24, 0xffff_fff0)
            }
        },
        Forgery(name: "a stored entry larger than what stores it", code: .absurdSizes, says: "declares") { bytes in
            try edit(bytes, entry: "data.pkl") { zip, entry in zip.write32(entry.directory + 24, 0x7fff_fff0) }
        },
        Forgery(name: "a compressed entry that inflates a millionfold", code: .absurdSizes, says: "inflate") { bytes in
            try edit(bytes, entry: "data.pkl") { zip, entry in
                zip.bytes[entry.directory + 10] = 8
                zip.write32(entry.directory + 24, 0x7fff_fff0)
            }
        },
        Forgery(name: "an entry outside the file", code: .absurdSizes, says: "declares") { bytes in
            try edit(bytes, entry: "data.pkl") { zip, entry in zip.write32(entry.directory + 42, 0x7000_0000) }
        },
        Forgery(name: "more entries than the directory holds", code: .absurdSizes, says: "entries") { bytes in
            try directory(bytes) { zip, end in zip.write32(end + 32, 0xfffe) }
        },
        Forgery(name: "a directory beyond the end", code: .absurdSizes, says: "directory") { bytes in
            try directory(bytes) { zip, end in zip.write32(end + 48, 0x7fff_0000) }
        },
        Forgery(name: "a directory of 2^63 bytes", code: .absurdSizes, says: "directory") { bytes in
            try directory(bytes) { zip, end in zip.write32(end + 44, 0x8000_0000) }
        },
    ]

    @Test("a wrong file is refused for what it is", arguments: forgeries)
    func wrongFile(forgery: Forgery) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("amp4ec-\(UUID().uuidString).pt")
        try Data(try forgery.bytes(Self.file("cnn.pt"))).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        let error = #expect(throws: InferenceError.self) { try TorchModel(path: path.path) }
        #expect(error?.code == forgery.code)
        #expect(error?.message.hasPrefix(path.path) == true)
        #expect(error?.message.contains(forgery.says) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("\n") == false)
    }

    @Test("the file that the forgeries are made from is good")
    func originIsGood() throws {
        _ = try TorchModel(archive: TensorStorage(copying: Self.file("cnn.pt")))
    }

    @Test("a missing file and a folder are named")
    func missingFile() throws {
        let missing = #expect(throws: InferenceError.self) { try TorchModel(path: "/nowhere/model.pt") }
        #expect(
            missing?.message
                == "/nowhere/model.pt: it cannot be opened (No such file or directory); check the path and its permissions")
        let folder = #expect(throws: InferenceError.self) { try TorchModel(path: FileManager.default.temporaryDirectory.path) }
        #expect(folder?.message.contains("it is not a regular file") == true)
    }

    @Test("a partition archive that is damaged is refused before libtorch reads it")
    func wrongPartition() throws {
        let bytes = try Self.file("cnn.pt")
        let error = #expect(throws: InferenceError.self) {
            try engine.loadPartition(archive: TensorStorage(copying: Array(bytes.prefix(bytes.count / 2))), optimized: true)
        }
        #expect(error?.code == .truncated)
    }

    @Test("every single damaged byte of the directory is refused or harmless")
    func damagedDirectory() throws {
        let bytes = try Self.file("two-inputs.pt")
        let zip = Zip(bytes: bytes)
        var generator = SplitMix(state: 7)
        for _ in 0..<150 {
            var damaged = bytes
            let position = Int.random(in: zip.directory..<bytes.count, using: &generator)
            damaged[position] = UInt8.random(in: 0...255, using: &generator)
            // Nothing to compare: it may load (a comment, a timestamp), but it must neither crash nor take absurd memory.
            do { _ = try TorchModel(archive: TensorStorage(copying: damaged)) } catch { #expect(!error.message.isEmpty) }
        }
    }

    @Test(
        "a model that cannot be partitioned says why",
        arguments: [("counter", "attribute \"runs\"")])
    func unsupportedModel(name: String, says: String) throws {
        let error = #expect(throws: InferenceError.self) { try TestModel.open(name) }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains(says) == true, "\(error?.message ?? "")")
    }

    @Test("an illegal cut and a range outside the model are refused with the reason")
    func illegalCut() throws {
        let model = try TestModel.open("in-place")
        let analysis = try model.analyse(inputs: TestModel.cases("in-place")[1].inputs, repetitions: 0)
        let illegal = try #require(analysis.cuts.first { !$0.isLegal })
        #expect(!illegal.reason.isEmpty)
        let error = #expect(throws: InferenceError.self) { try model.cut(0..<illegal.layer) }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains(illegal.reason) == true)
        for range in [0..<(model.layerCount + 1), 3..<3, -1..<2] {
            #expect(throws: InferenceError.self) { try model.cut(range) }
        }
    }

    struct BadInput: Sendable, CustomTestStringConvertible {
        let name: String
        let model: String
        let says: String
        let inputs: @Sendable () throws -> [Tensor]
        var testDescription: String { name }
    }

    static let badInputs: [BadInput] = [
        BadInput(name: "a value that the model raises for", model: "picky", says: "the first value of an item is negative") {
            [try Tensor(shape: [1, 8], values: [Float](repeating: -1, count: 8))]
        },
        BadInput(name: "a wrong extent", model: "picky", says: "shape") {
            [try Tensor(shape: [1, 7], values: [Float](repeating: 1, count: 7))]
        },
        BadInput(name: "a wrong rank", model: "cnn", says: "dimension") {
            [try Tensor(shape: [8], values: [Float](repeating: 1, count: 8))]
        },
        BadInput(name: "a wrong type", model: "picky", says: "dtype") {
            [try Tensor(shape: [1, 8], values: [Int64](repeating: 1, count: 8))]
        },
        BadInput(name: "too few inputs", model: "two-inputs", says: "takes 2 inputs, but 1") {
            [try Tensor(shape: [1, 12], values: [Float](repeating: 1, count: 12))]
        },
        BadInput(name: "an id outside the vocabulary", model: "transformer", says: "index out of range") {
            [try Tensor(shape: [1, 16], values: [Int64](repeating: 100_000, count: 16))]
        },
    ]

    @Test("a bad input is refused, and the next good one runs", arguments: badInputs, [false, true])
    func badInput(bad: BadInput, optimized: Bool) throws {
        let model = try TestModel.open(bad.model)
        let good = try TestModel.cases(bad.model)[1]
        _ = try model.analyse(inputs: good.inputs, repetitions: 0)
        let partition = try engine.loadPartition(archive: model.cut(0..<model.layerCount), optimized: optimized)
        for _ in 0..<3 {
            let error = #expect(throws: InferenceError.self) { try partition.run(bad.inputs()) }
            #expect(error?.code == .inputRejected)
            #expect(error?.message.contains(bad.says) == true, "\(error?.message ?? "")")
            #expect(error?.message.contains("\n") == false)
            #expect(try relativeError(partition.run(good.inputs), good.outputs) <= 1e-4)
        }
        let error = #expect(throws: InferenceError.self) { try model.analyse(inputs: bad.inputs()) }
        #expect(error?.code == .inputRejected)
    }

    // MARK: Forging

    static func file(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: TestModel.path(name)))) }

    /// Just enough of a zip file to forge one.
    struct Zip {
        var bytes: [UInt8]

        struct Entry {
            let directory: Int
            let header: Int
        }

        var end: Int { (0...(bytes.count - 22)).last { read32($0) == 0x0605_4b50 } ?? 0 }
        var directory: Int { read32(end + 16) }

        func read16(_ at: Int) -> Int { Int(bytes[at]) | Int(bytes[at + 1]) << 8 }
        func read32(_ at: Int) -> Int { read16(at) | read16(at + 2) << 16 }
        mutating func write32(_ at: Int, _ value: UInt32) {
            for byte in 0..<4 { bytes[at + byte] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(byte))) }
        }

        func entry(_ name: String) -> Entry? {
            var position = directory
            while position < end, read32(position) == 0x0201_4b50 {
                let nameEnd = position + 46 + read16(position + 28)
                if String(decoding: bytes[(position + 46)..<nameEnd], as: UTF8.self).hasSuffix("/\(name)") {
                    return Entry(directory: position, header: read32(position + 42))
                }
                position = nameEnd + read16(position + 30) + read16(position + 32)
            }
            return nil
        }
    }

    /// Changes the long form of the directory's end, which torch always writes.
    static func directory(_ bytes: [UInt8], _ change: (inout Zip, Int) -> Void) throws -> [UInt8] {
        var zip = Zip(bytes: bytes)
        let locator = zip.end - 20
        try #require(zip.read32(locator) == 0x0706_4b50)
        let end = zip.read32(locator + 8)
        change(&zip, end)
        return zip.bytes
    }

    static func edit(_ bytes: [UInt8], entry name: String, _ change: (inout Zip, Zip.Entry) -> Void) throws -> [UInt8] {
        var zip = Zip(bytes: bytes)
        let entry = try #require(zip.entry(name))
        change(&zip, entry)
        return zip.bytes
    }
}
