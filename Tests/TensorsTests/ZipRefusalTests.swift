import Arrays
import CZlib
import Tensors
import Testing

@Suite("Zip archives that lie")
struct ZipRefusalTests {
    private func decode(_ bytes: [UInt8], limit: Int = NPZ.defaultLimit) throws(ArrayError) -> [(name: String, tensor: Tensor)] {
        try NPZ.decode(TensorStorage(copying: bytes), name: "in.npz", limit: limit)
    }

    private func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

    /// A one-entry archive; the fields say what they are told to say.
    private func archive(
        name: String = "a.npy", method: UInt16 = 0, flags: UInt16 = 0, data: [UInt8], crc: UInt32? = nil, declared: UInt32? = nil,
        offset: UInt32 = 0, count: UInt16 = 1
    ) -> [UInt8] {
        let common = header(name, method: method, flags: flags, data: data, crc: crc, declared: declared)
        let local = little(UInt32(0x0403_4b50)) + common + Array(name.utf8) + data
        let central =
            little(UInt32(0x0201_4b50)) + little(UInt16(20)) + common + [UInt8](repeating: 0, count: 10) + little(offset)
            + Array(name.utf8)
        let directory = Array([[UInt8]](repeating: central, count: Int(count)).joined())
        return local + directory + little(UInt32(0x0605_4b50)) + little(UInt32(0)) + little(count) + little(count)
            + little(UInt32(directory.count)) + little(UInt32(local.count)) + little(UInt16(0))
    }

    /// What the local header and the directory's have in common.
    private func header(
        _ name: String, method: UInt16 = 0, flags: UInt16 = 0, data: [UInt8], crc: UInt32? = nil, declared: UInt32? = nil
    ) -> [UInt8] {
        let sum = crc ?? UInt32(truncatingIfNeeded: crc32_z(0, data, data.count))
        return little(UInt16(20)) + little(flags) + little(method) + little(UInt32(0)) + little(sum) + little(UInt32(data.count))
            + little(declared ?? UInt32(data.count)) + little(UInt16(name.utf8.count)) + little(UInt16(0))
    }

    private let array = NumPyFixture.float32.bytes

    @Test func theArchiveOfThisTestIsGood() throws {
        #expect(try decode(archive(data: array)).map(\.name) == ["a"])
    }

    @Test func fieldsThatLie() throws {
        let rows: [(String, [UInt8], String)] = [
            ("checksum", archive(data: array, crc: 1), "checksum does not match"),
            ("encrypted", archive(flags: 1, data: array), "encrypted"),
            ("method", archive(method: 12, data: array), "compression method 12"),
            ("no array", archive(name: "a.txt", data: array), "entry \"a.txt\": it is not an array"),
            ("stored size", archive(data: array, declared: UInt32(array.count + 1)), "cannot hold the declared"),
            ("absurd size", archive(method: 8, data: array, declared: 4_000_000_000), "cannot hold the declared 4000000000"),
            ("no deflate", archive(method: 8, data: [7, 7, 7, 7], declared: 100), "compressed data is damaged"),
            ("offset outside", archive(data: array, offset: 100_000), "outside the file"),
            ("offset inside", archive(data: array, offset: 5), "outside the file"),
            ("overlap", archive(data: array, count: 2), "overlap"),
            ("zip64 without its field", archive(data: array, offset: .max), "entry 1 of its zip directory is damaged"),
            ("inner array", archive(data: Array("not an array".utf8)), "array \"a\", magic: it is not a .npy array"),
        ]
        for (name, bytes, says) in rows {
            let error = try #require(throws: ArrayError.self, "\(name)") { try decode(bytes) }
            #expect(error.description.contains(says) && error.description.hasPrefix("in.npz: "), "\(name): \(error)")
        }
    }

    /// numpy reads them, so none is called damaged.
    @Test(
        "what a transfer or an old tool leaves in a good archive",
        arguments: [
            ([0x0a], "a"), ([UInt8](repeating: 0, count: 100), "a"), (Array("\r\n\u{1a}".utf8), "a"), ([], "gr\u{94}\u{e1}e"),
        ] as [([UInt8], String)])
    func harmless(_ behind: [UInt8], _ name: String) throws {
        // A name in an old code page: one byte for each character.
        let stored = name.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } + Array(".npy".utf8)
        let placeholder = String(repeating: "n", count: name.unicodeScalars.count) + ".npy"
        var bytes = archive(name: placeholder, data: array) + behind
        for place in bytes.indices where bytes[place...].starts(with: placeholder.utf8) {
            bytes.replaceSubrange(place..<(place + stored.count), with: stored)
        }
        #expect(try decode(bytes).count == 1)
        #expect(throws: ArrayError.self) { try decode(Array(bytes.dropLast(behind.count + 1))) }
    }

    /// As numpy does: `np.load(FILE)["readings"]` finds it.
    @Test func aWantedArrayNeedsNoSuffix() throws {
        let storage = TensorStorage(copying: archive(name: "readings", data: array))
        guard case .named(let arrays, let others) = try ArrayFile.decode(storage, name: "in.npz", wanting: ["readings"]) else {
            Issue.record("an archive holds named arrays")
            return
        }
        #expect(arrays.map(\.name) == ["readings"] && others.isEmpty)
    }

    @Test func whatHasTheSuffixIsTheArrayOfThatName() throws {
        var (files, directory) = ([UInt8](), [UInt8]())
        for (name, data) in [("readings", Array("no array".utf8)), ("readings.npy", array)] {
            let common = header(name, data: data)
            directory +=
                little(UInt32(0x0201_4b50)) + little(UInt16(20)) + common + [UInt8](repeating: 0, count: 10)
                + little(UInt32(files.count)) + Array(name.utf8)
            files += little(UInt32(0x0403_4b50)) + common + Array(name.utf8) + data
        }
        let end =
            little(UInt32(0x0605_4b50)) + little(UInt32(0)) + little(UInt16(2)) + little(UInt16(2))
            + little(UInt32(directory.count))
            + little(UInt32(files.count)) + little(UInt16(0))
        let read = try NPZ.decode(TensorStorage(copying: files + directory + end), name: "in.npz", wanting: ["readings"])
        #expect(read.map(\.name) == ["readings"])
    }

    @Test func aFileOfTorchSaveIsNamed() throws {
        let storage = TensorStorage(copying: archive(name: "in/data.pkl", data: Array("a pickle".utf8)))
        let error = try #require(throws: ArrayError.self) { try ArrayFile.decode(storage, name: "in.pt", wanting: ["x"]) }
        #expect(error.description.hasPrefix("in.pt: it is a file of torch.save, which holds no numpy arrays; write arrays instead"))
    }

    /// What nobody reads may be anything that leaves the archive whole.
    @Test(
        "entries that are not wanted are left alone",
        arguments: ["encrypted", "method", "no array", "checksum", "inner array", "absurd size"])
    func unwanted(_ kind: String) throws {
        let bytes =
            switch kind {
            case "encrypted": archive(flags: 1, data: array)
            case "method": archive(method: 12, data: array)
            case "no array": archive(name: "a.txt", data: Array("no array".utf8))
            case "checksum": archive(data: array, crc: 1)
            case "inner array": archive(data: Array("not an array".utf8))
            default: archive(method: 8, data: array, declared: 4_000_000_000)
            }
        #expect(throws: ArrayError.self) { try decode(bytes) }
        let storage = TensorStorage(copying: bytes)
        guard case .named(let arrays, let others) = try ArrayFile.decode(storage, name: "in.npz", wanting: ["x", "a.txt"]) else {
            Issue.record("an archive holds named arrays")
            return
        }
        #expect(arrays.isEmpty && others == [kind == "no array" ? "a.txt" : "a"])
    }

    @Test func whatIsWantedIsRead() throws {
        let read = try NPZ.decode(NumPyFixture.stored.storage, name: "in.npz", wanting: ["ids"], limit: 144)
        #expect(read.map(\.name) == ["ids"] && read[0].tensor.shape == [2, 1])
        #expect(try NPZ.decode(NumPyFixture.deflated.storage, name: "in.npz", wanting: ["idle"]).isEmpty)
    }

    @Test func aDeflateBombStopsAtItsDeclaredSize() throws {
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var packed = [UInt8](repeating: 0, count: 1 << 16)
        var length = UInt(packed.count)
        #expect(compress2(&packed, &length, zeros, UInt(zeros.count), 9) == Z_OK)
        // Without zlib's two-byte header and its checksum at the end, as zip stores it.
        let raw = Array(packed[2..<(Int(length) - 4)])
        let error = try #require(throws: ArrayError.self) { try decode(archive(method: 8, data: raw, declared: 1_000)) }
        #expect(error.description.contains("is not the declared 1000 bytes"), "\(error)")
    }

    @Test func theLimitHoldsForAllArraysTogether() throws {
        for fixture in [NumPyFixture.stored, .deflated] {
            let total = 428 + 144
            #expect(try decode(fixture.bytes, limit: total).count == 2)
            let error = try #require(throws: ArrayError.self) { try decode(fixture.bytes, limit: total - 1) }
            #expect(error.code == .tooLarge && error.field == "array \"ids\"")
        }
    }

    @Test("seeded mutations never trap", arguments: [NumPyFixture.float32, .fortran, .uint8v2, .stored, .deflated])
    func mutations(_ fixture: NumPyFixture) {
        let good = fixture.bytes
        var generator = SeededGenerator(state: 2_026)
        let isArchive = fixture == .stored || fixture == .deflated
        var refused = 0
        for _ in 0..<4_000 {
            var bytes = good
            for _ in 0...Int.random(in: 0..<3, using: &generator) {
                let position = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[position] = UInt8.random(in: 0 ... .max, using: &generator)
                case 1: bytes[position] = [0, 0xff, 0x7f, 0x80].randomElement(using: &generator) ?? 0
                case 2: bytes.insert(UInt8.random(in: 0 ... .max, using: &generator), at: position)
                default: bytes.remove(at: position)
                }
            }
            do throws(ArrayError) {
                if isArchive {
                    _ = try decode(bytes, limit: 1 << 20)
                } else {
                    _ = try NPY.decode(TensorStorage(copying: bytes), name: "a")
                }
            } catch {
                refused += 1
                // Of bytes that are there a user is told which file, what is wrong and what helps; to read them was no problem.
                #expect(error.code != .unreadable && error.file.hasPrefix(isArchive ? "in.npz" : "a"), "\(error)")
                #expect(!error.problem.isEmpty && !error.fix.isEmpty, "\(error)")
            }
        }
        #expect((1...4_000).contains(refused))
    }
}

/// A small seeded generator (SplitMix64), so that a failing case can be run again.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
