import FoundationEssentials
import Tensors
import Testing

@Suite("Declared inputs and outputs")
struct SpecTests {
    @Test(
        "specifications that are read",
        arguments: [
            (
                "image:uint8[N,224,224,3]",
                TensorSpec(name: "image", dtype: .uint8, shape: [.batch, .fixed(224), .fixed(224), .fixed(3)])
            ),
            ("x:float32[]", TensorSpec(name: "x", dtype: .float32, shape: [])),
            ("ids:int64[T,N]", TensorSpec(name: "ids", dtype: .int64, shape: [.free("T"), .batch])),
            ("a:bool[seq_1, 2]", TensorSpec(name: "a", dtype: .bool, shape: [.free("seq_1"), .fixed(2)])),
            ("z:float16[0]", TensorSpec(name: "z", dtype: .float16, shape: [.fixed(0)])),
            ("n:int32[n]", TensorSpec(name: "n", dtype: .int32, shape: [.free("n")])),
            ("x:float32[ ]", TensorSpec(name: "x", dtype: .float32, shape: [])),
        ])
    func reads(_ text: String, _ spec: TensorSpec) throws {
        let parsed = try TensorSpec(parsing: text)
        #expect(parsed == spec)
        #expect(try TensorSpec(parsing: parsed.description) == spec)
    }

    @Test(
        "specifications that are refused",
        arguments: [
            ("", "no name"), ("float32[N]", "no name"), (":float32[N]", "no name"), ("x:float32", "no [shape]"),
            ("x:float32[N", "no [shape]"),
            ("x:float32]N[", "no [shape]"), ("x:float64[N]", "float64"), ("x:[N]", "dtype \"\""),
            ("x:float32[N,N]", "N stands twice"),
            ("x:float32[N,]", "not a dimension"), ("x:float32[,]", "not a dimension"), ("x:float32[-1]", "not a dimension"),
            ("x:float32[1.5]", "not a dimension"), ("x:float32[99999999999999999999]", "not a dimension"),
            ("x:float32[+1]", "not a dimension"),
            ("x:float32[a b]", "not a dimension"), ("x:float32[1,1,1,1,1,1,1,1,1]", "9 dimensions"),
            (" :float32[N]", "holds a blank"),
            ("x:float32[N]]", "not a dimension"), ("x y:float32[N]", "holds a blank"),
            (String(repeating: "x", count: 256) + ":float32[N]", "256 bytes"), ("x\u{1B}2J:float32[N]", "control character"),
        ])
    func refuses(_ text: String, _ says: String) throws {
        let error = try #require(throws: TensorError.self) { try TensorSpec(parsing: text) }
        #expect(error.code == .malformedSpec)
        #expect(error.message.contains(says) && error.message.contains("name:float32[N,3,224,224]"), "\(error)")
    }

    @Test func checking() throws {
        let spec = try TensorSpec(parsing: "x:float32[T,N,3]")
        #expect(spec.batchDimension == 1)
        #expect(try spec.check(dtype: .float32, shape: [9, 4, 3]) == 4)
        #expect(try spec.check(dtype: .float32, shape: [0, 1, 3]) == 1)
        #expect(try TensorSpec(parsing: "x:int64[2]").check(dtype: .int64, shape: [2]) == nil)
        #expect(try TensorSpec(parsing: "x:int64[]").check(Tensor(shape: [], values: [Int64(1)])) == nil)
        let rows: [(DType, [Int], String)] = [
            (.float16, [9, 4, 3], "takes float32, but float16"), (.float32, [9, 4], "takes shape [T,N,3]"),
            (.float32, [9, 4, 2], "[9,4,2] was given"),
            (.float32, [9, 0, 3], "batch of 0"), (.float32, [], "takes shape"), (.float32, [1, 9, 4, 3], "takes shape"),
        ]
        for (type, shape, says) in rows {
            let error = try #require(throws: TensorError.self) { try spec.check(dtype: type, shape: shape) }
            #expect(error.code == .specMismatch && error.message.contains(says) && error.message.contains("\"x\""), "\(error)")
        }
        #expect(spec.concreteShape(batch: 5) { $0 == "T" ? 7 : 0 } == [7, 5, 3])
    }

    @Test("inputs have as many items as each other, those without a batch aside") func itemCounts() throws {
        let specs = try ["x:float32[N,2]", "table:float32[3]", "k:int64[3,N]"].map { try TensorSpec(parsing: $0) }
        let table = try Tensor(shape: [3], values: [Float](repeating: 0, count: 3))
        func given(_ x: Int, _ k: Int) throws -> [Tensor] {
            [
                try Tensor(shape: [x, 2], values: [Float](repeating: 0, count: x * 2)), table,
                try Tensor(shape: [3, k], values: [Int64](repeating: 0, count: 3 * k)),
            ]
        }
        #expect(try TensorSpec.itemCount(specs, of: given(4, 4)) == 4)
        #expect(try TensorSpec.itemCount([specs[1]], of: [table]) == 1)
        let error = try #require(throws: TensorError.self) { try TensorSpec.itemCount(specs, of: given(2, 5)) }
        #expect(error.code == .specMismatch)
        #expect(
            error.message == "the inputs disagree about the batch: \"k\" has 5 items, another has 2; give each as many", "\(error)")
        let wrong = try #require(throws: TensorError.self) {
            try TensorSpec.itemCount(specs, of: [table] + given(2, 2).dropFirst())
        }
        #expect(wrong.message.contains("takes shape [N,2]"))
    }

    @Test func aManifestGoesThroughJSON() throws {
        let manifest = ModelManifest(
            name: "efficientnet", inputs: [try TensorSpec(parsing: "image:uint8[N,224,224,3]")],
            outputs: [try TensorSpec(parsing: "probabilities:float32[N,1000]"), try TensorSpec(parsing: "s:int64[T]")],
            preprocessing: ImagePreprocessing(
                resizeShorterSide: 256, cropSize: 224, interpolation: .bicubic, layout: .hwc, mean: [0.485, 0.456, 0.406],
                std: [1, 2, 3]),
            labels: ["tench", "größe"])
        let data = try JSONEncoder().encode(manifest)
        #expect(try JSONDecoder().decode(ModelManifest.self, from: data) == manifest)
        let bare = ModelManifest(name: "m", inputs: [], outputs: [])
        #expect(try JSONDecoder().decode(ModelManifest.self, from: JSONEncoder().encode(bare)) == bare)
    }

    @Test func theJSONOfTheExporterIsRead() throws {
        let text = """
            {"name": "m", "inputs": [{"name": "x", "dtype": "uint8", "shape": ["N", 3, "T"]}], "outputs": [], "extra": 1,
             "preprocessing": {"resizeShorterSide": 256, "cropSize": 224, "interpolation": "bilinear", "layout": "CHW"}}
            """
        let manifest = try JSONDecoder().decode(ModelManifest.self, from: Data(text.utf8))
        #expect(manifest.inputs == [TensorSpec(name: "x", dtype: .uint8, shape: [.batch, .fixed(3), .free("T")])])
        #expect(manifest.preprocessing?.layout == .chw && manifest.preprocessing?.mean == nil && manifest.labels == nil)
    }

    @Test(
        "manifests that are refused",
        arguments: [
            #"{"inputs": [], "outputs": []}"#,
            #"{"name": "m", "inputs": [{"name": "x", "dtype": "float64", "shape": []}], "outputs": []}"#,
            #"{"name": "m", "inputs": [{"name": "x", "dtype": "uint8", "shape": [-1]}], "outputs": []}"#,
            #"{"name": "m", "inputs": [{"name": "x", "dtype": "uint8", "shape": ["a-b"]}], "outputs": []}"#,
            #"{"name": "m", "inputs": [{"name": "x", "dtype": "uint8", "shape": ["N", "N"]}], "outputs": []}"#,
            #"{"name": "m", "inputs": [{"name": "x", "dtype": "uint8", "shape": [1,1,1,1,1,1,1,1,1]}], "outputs": []}"#,
            #"{"name": "m", "inputs": [{"name": "", "dtype": "uint8", "shape": []}], "outputs": []}"#, "[]", "",
        ])
    func badManifest(_ text: String) {
        #expect(throws: (any Error).self) { try JSONDecoder().decode(ModelManifest.self, from: Data(text.utf8)) }
    }
}
