import Arrays
import Glibc
import Tensors
import Testing

/// A folder that is gone after the test.
final class ScratchFolder {
    let path: String
    init() {
        var template = Array("/tmp/amp4ec-test-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? "/nonexistent"
        }
    }
    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }
    var names: [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
    func write(_ name: String, _ bytes: [UInt8]) -> String {
        let file = fopen("\(path)/\(name)", "w")
        if let file {
            fwrite(bytes, 1, bytes.count, file)
            fclose(file)
        }
        return "\(path)/\(name)"
    }
    func read(_ name: String) -> [UInt8] {
        guard let file = fopen("\(path)/\(name)", "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes.prefix(count))
    }
}

@Suite("Array files")
struct ArraysTests {
    static func tensor<T: TensorElement>(_ shape: [Int], _ values: [T]) throws -> Tensor {
        try Tensor(shape: shape, values: values)
    }

    static let expected: [(NumPyFixture, @Sendable () throws -> Tensor)] = [
        (.float32, { try tensor([2, 3], [1.5, -2, 3, 4, 5, Float.infinity]) }),
        (.float16v3, { try tensor([2], [Float16(0.5), 65_504]) }),
        (.uint8v2, { try tensor([1, 2], [UInt8(0), 255]) }),
        (.int32, { try tensor([2], [Int32(-1), .max]) }),
        (.int64, { try tensor([], [Int64.min]) }),
        (.bool, { try tensor([3], [true, false, true]) }),
        (.empty, { try tensor([0, 3], [Float]()) }),
        (.fortran, { try tensor([2, 3, 4], (0..<24).map { Int32($0) }) }),
    ]

    @Test("what numpy wrote", arguments: expected.indices)
    func reads(_ row: Int) throws {
        let (fixture, expected) = ArraysTests.expected[row]
        #expect(try NPY.decode(fixture.storage, name: "a.npy").isBitIdentical(to: expected()), "\(fixture)")
    }

    @Test("what was written is read back, byte for byte as numpy writes it", arguments: expected.indices)
    func writes(_ row: Int) throws {
        let (fixture, make) = ArraysTests.expected[row]
        let tensor = try make()
        let folder = ScratchFolder()
        try NPY.write("\(folder.path)/a.npy", tensor)
        #expect(try NPY.read("\(folder.path)/a.npy").isBitIdentical(to: tensor))
        let isVersion1 = fixture.bytes[6] == 1
        if isVersion1 && fixture != .fortran { #expect(folder.read("a.npy") == fixture.bytes) }
        #expect(folder.names == ["a.npy"])
        guard case .single(let read) = try ArrayFile.read("\(folder.path)/a.npy") else {
            Issue.record("a .npy is a single array")
            return
        }
        #expect(read.isBitIdentical(to: tensor))
    }

    @Test("archives of numpy", arguments: [NumPyFixture.stored, .deflated])
    func readsArchive(_ fixture: NumPyFixture) throws {
        let arrays = try NPZ.decode(fixture.storage, name: "a.npz")
        #expect(arrays.map(\.name) == ["pixels", "ids"])
        #expect(
            try arrays[0].tensor.isBitIdentical(
                to: Tensor(shape: [3, 100], values: (0..<300).map { UInt8(truncatingIfNeeded: $0) % 7 })))
        #expect(try arrays[1].tensor.isBitIdentical(to: Tensor(shape: [2, 1], values: [Int64(1), -5])))
    }

    @Test("archives round trip, narrow and as zip64", arguments: [UInt64(UInt32.max), 1, 200])
    func archiveRoundTrip(_ wideFrom: UInt64) throws {
        let folder = ScratchFolder()
        let path = "\(folder.path)/a.npz"
        let arrays: [(name: String, tensor: Tensor)] = [
            ("first", try Tensor(shape: [2, 2], values: [Float(1), 2, 3, 4])),
            ("größe/x", try Tensor(shape: [0], values: [Int64]())),
            ("third", try Tensor(shape: [], values: [true])),
        ]
        try NPZ.write(path, arrays, wideFrom: wideFrom)
        let read = try NPZ.read(path)
        #expect(read.map(\.name) == arrays.map(\.name))
        for (old, new) in zip(arrays, read) { #expect(old.tensor.isBitIdentical(to: new.tensor)) }
        try NPZ.write(path, [])
        #expect(try NPZ.read(path).isEmpty)
        guard case .named(let none, _) = try ArrayFile.read(path) else {
            Issue.record("a .npz holds named arrays")
            return
        }
        #expect(none.isEmpty)
        #expect(folder.names == ["a.npz"])
    }

    struct Choosing: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var names = ["a", "b"]
        var takesUnnamed = true
        /// What the file holds, each array with its position as its value.
        let holds: [String]
        /// The values that are chosen; empty where it is refused.
        var chosen: [Int64] = []
        var says = ""
    }

    static let choosing = [
        Choosing(testDescription: "by name, beside others", holds: ["x", "b", "a"], chosen: [2, 1]),
        Choosing(testDescription: "in order, without names", holds: ["arr_0", "arr_1"], chosen: [0, 1]),
        Choosing(
            testDescription: "several without names, where names are asked for", takesUnnamed: false, holds: ["arr_0", "arr_1"],
            says:
                "in.npz has no array \"a\", an input of model \"m\"; it has arr_0, arr_1: write it with numpy.savez(FILE, a=…, b=…)"
        ),
        Choosing(
            testDescription: "one without a name too many", holds: ["arr_0", "arr_1", "arr_2"], says: "it has arr_0, arr_1, arr_2"),
        Choosing(testDescription: "one without a name", names: ["a"], takesUnnamed: false, holds: ["arr_0"], chosen: [0]),
        Choosing(testDescription: "a name goes before none", names: ["a"], holds: ["arr_0", "a"], chosen: [1]),
        Choosing(testDescription: "an array that is called so", names: ["b", "arr_0"], holds: ["arr_0", "b"], chosen: [1, 0]),
        Choosing(
            testDescription: "many others", names: ["a"], holds: (0..<11).map { "x\($0)" },
            says: "it has x0, x1, x2, x3, x4, x5, x6, x7 and 3 more"),
        Choosing(testDescription: "nothing", names: ["a"], holds: [], says: "it has none"),
    ]

    @Test("a model's arrays are chosen", arguments: choosing) func chooses(_ row: Choosing) throws {
        let folder = ScratchFolder()
        let path = "\(folder.path)/in.npz"
        try NPZ.write(path, row.holds.enumerated().map { (name: $1, tensor: try Tensor(shape: [1], values: [Int64($0)])) })
        let choice = ArrayChoice(row.names, kind: "input", of: "model \"m\"", takesUnnamed: row.takesUnnamed)
        let file = try ArrayFile.read(path, wanting: choice.wanted)
        guard row.says.isEmpty else {
            let error = try #require(throws: ArrayChoice.Refusal.self) { try choice.tensors(in: file, from: "in.npz") }
            #expect(error.message.contains(row.says), "\(error)")
            return
        }
        #expect(try choice.tensors(in: file, from: "in.npz").compactMap { $0.values(as: Int64.self)?.first } == row.chosen)
    }

    @Test("a .npy is the one array that is asked for") func choosesSingle() throws {
        let tensor = try Tensor(shape: [1], values: [Int64(7)])
        #expect(try ArrayChoice(["a"], kind: "input", of: "it").tensors(in: .single(tensor), from: "a.npy").count == 1)
        let error = try #require(throws: ArrayChoice.Refusal.self) {
            try ArrayChoice(["a", "b"], kind: "output", of: "it").tensors(in: .single(tensor), from: "a.npy")
        }
        #expect(error.message.hasPrefix("a.npy holds one array, but it has 2 outputs (a, b): write them"), "\(error)")
    }

    @Test(
        "dtypes that are not supported name the fix",
        arguments: [
            (.float64, "astype(numpy.float32)"), (.int16, "astype(numpy.int32)"),
            (.objects, "Python objects"),
            (.fields, "structured"), (.text, "<U2"),
        ] as [(NumPyFixture, String)])
    func unsupported(_ fixture: NumPyFixture, _ says: String) throws {
        let error = try #require(throws: ArrayError.self) { try NPY.decode(fixture.storage, name: "in.npy") }
        #expect(error.code == .unsupported && error.description.hasPrefix("in.npy: dtype: "), "\(error)")
        #expect(error.description.contains(says), "\(error)")
    }

    @Test(
        "headers that are refused",
        arguments: [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,) }", nil),
            ("{'shape':(2,),'descr':\"<f4\",'fortran_order':False}", nil),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }", nil),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 2L)}", nil),
            ("{'descr': 'f4', 'fortran_order': True, 'shape': (2L,1 L)}", nil),
            ("{'descr': '=f4', 'fortran_order': False, 'shape': (2,)}", nil),
            ("{'descr': 'float32', 'fortran_order': False, 'shape': (2,)}", nil),
            ("{'descr':\t'<f4',\t'fortran_order': False, 'shape': (2,)}\r\n", nil),
            ("{u'descr': u'<f4', u'fortran_order': False, u'shape': (2L,)}", nil),
            ("{ur'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "dictionary"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2LL,)}", "dictionary"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (L,)}", "dictionary"),
            ("{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (1,)}", "structured"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2)}", "dictionary"),
            ("{'descr': '<f4', 'fortran_order': False}", "dictionary"), ("{'descr': '<f4', 'shape': (2,)}", "dictionary"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", "dictionary"),
            ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "dictionary"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "dictionary"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", "dictionary"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "dictionary"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}", "dictionary"), ("", "dictionary"), ("{", "dictionary"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999,)}", "dictionary"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,)}", "over the limit"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (0,9223372036854775807,9223372036854775807)}", "over the limit"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", "9 dimensions"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "takes 12 bytes, but 8 are there"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "takes 4 bytes, but 8 are there"),
        ] as [(String, String?)])
    func header(_ text: String, _ says: String?) throws {
        let length = UInt16(text.utf8.count)
        let bytes = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xff), UInt8(length >> 8)] + Array(text.utf8)
        let storage = TensorStorage(copying: bytes + [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40])
        guard let says else {
            #expect(try NPY.decode(storage, name: "a.npy").values(as: Float.self) == [1, 2])
            return
        }
        let error = try #require(throws: ArrayError.self) { try NPY.decode(storage, name: "a.npy") }
        #expect(error.description.contains(says), "\(error)")
    }

    /// numpy writes the order of the machine that it runs on.
    @Test(
        "the other order of bytes",
        arguments: [
            (">f4", [0x3f, 0x80, 0, 0, 0x40, 0, 0, 0], .float32), (">i2", [0, 1, 0, 2, 0, 3, 0, 4], nil),
            (">i4", [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe], .int32), (">i8", [0xff, 0, 0, 0, 0, 0, 0, 1], .int64),
            (">f2", [0x3c, 0, 0x40, 0, 0x42, 0, 0x44, 0], .float16), (">u1", [1, 2, 3, 4, 5, 6, 7, 8], .uint8),
        ] as [(String, [UInt8], DType?)])
    func bigEndian(_ descr: String, _ data: [UInt8], _ dtype: DType?) throws {
        let width = dtype?.byteWidth ?? 2
        let text = "{'descr': '\(descr)', 'fortran_order': False, 'shape': (\(8 / width),)}"
        let bytes = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count), 0] + Array(text.utf8) + data
        guard let dtype else {
            #expect(throws: ArrayError.self) { try NPY.decode(TensorStorage(copying: bytes), name: "a") }
            return
        }
        let tensor = try NPY.decode(TensorStorage(copying: bytes), name: "a")
        #expect(tensor.dtype == dtype && tensor.shape == [8 / width])
        switch dtype {
        case .float32: #expect(tensor.values(as: Float.self) == [1, 2])
        case .float16: #expect(tensor.values(as: Float16.self) == [1, 2, 3, 4])
        case .int32: #expect(tensor.values(as: Int32.self) == [1, -2])
        case .int64: #expect(tensor.values(as: Int64.self) == [Int64.min + (127 << 56) + 1])
        default: #expect(tensor.values(as: UInt8.self) == data)
        }
    }

    @Test func eachTruncationIsRefused() throws {
        for fixture in [NumPyFixture.float32, .uint8v2, .stored, .deflated] {
            let bytes = fixture.bytes
            for count in 0..<bytes.count {
                let storage = TensorStorage(copying: Array(bytes[..<count]))
                #expect(throws: ArrayError.self, "\(fixture) cut to \(count)") {
                    if fixture == .stored || fixture == .deflated {
                        _ = try NPZ.decode(storage, name: "a")
                    } else {
                        _ = try NPY.decode(storage, name: "a")
                    }
                }
            }
        }
    }

    @Test func aVersionOfTomorrowAndALongHeaderAreRefused() throws {
        var bytes = NumPyFixture.float32.bytes
        bytes[6] = 4
        let version = try #require(throws: ArrayError.self) { try NPY.decode(TensorStorage(copying: bytes), name: "a") }
        #expect(version.field == "version" && version.problem.contains("4.0"))
        var long = NumPyFixture.uint8v2.bytes
        long.replaceSubrange(8..<12, with: [0x11, 0x27, 0, 0])
        let header = try #require(throws: ArrayError.self) { try NPY.decode(TensorStorage(copying: long), name: "a") }
        #expect(header.code == .tooLarge && header.problem.contains("10001"))
    }

    @Test func aBoolIsZeroOrOne() throws {
        var bytes = NumPyFixture.bool.bytes
        bytes[bytes.count - 1] = 2
        let error = try #require(throws: ArrayError.self) { try NPY.decode(TensorStorage(copying: bytes), name: "a") }
        #expect(error.description.contains("a bool has the value 2"))
        #expect(error.description.contains("array.view(numpy.uint8) != 0"))
    }

    @Test func filesThatAreNone() throws {
        let folder = ScratchFolder()
        let error = try #require(throws: ArrayError.self) { try ArrayFile.read(folder.write("x.npy", Array("hello".utf8))) }
        #expect(error.description.contains("x.npy: it is neither a .npy nor a .npz file"))
        for path in ["\(folder.path)/missing.npy", folder.path, "/dev/null"] {
            let error = try #require(throws: ArrayError.self) { try ArrayFile.read(path) }
            #expect(error.code == .unreadable && error.file == path)
        }
        let tensor = try Tensor(shape: [1], values: [Float(1)])
        #expect(throws: ArrayError.self) { try NPY.write("\(folder.path)/no/such/folder.npy", tensor) }
        #expect(throws: ArrayError.self) { try NPZ.write("\(folder.path)/y.npz", [("a", tensor), ("a", tensor)]) }
        #expect(folder.names == ["x.npy"])
        #expect(throws: Never.self) { try NPY.write("/dev/null", tensor) }
    }

    @Test func aSymbolicLinkAndTheModeStay() throws {
        let folder = ScratchFolder()
        let real = folder.write("real.npy", [1])
        chmod(real, 0o640)
        symlink("real.npy", "\(folder.path)/link.npy")
        let tensor = try Tensor(shape: [1], values: [Float(7)])
        try NPY.write("\(folder.path)/link.npy", tensor)
        #expect(try NPY.read(real).isBitIdentical(to: tensor))
        var status = stat()
        #expect(lstat("\(folder.path)/link.npy", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
        #expect(stat(real, &status) == 0 && status.st_mode & 0o777 == 0o640)
    }
}
