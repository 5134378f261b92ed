internal import Shell
internal import Tensors

/// What `infer` and `reference` say of pictures.
struct PictureReport: Codable {
    var model: String
    var results: [ImageResult]

    func write(asJSON: Bool) throws {
        if asJSON { return try JSONOutput.print(self) }
        for result in results { StandardStream.output.writeLine(result.line) }
    }
}

/// What `infer` and `reference` say of arrays.
struct ArrayReport: Codable {
    struct Output: Codable {
        var name: String
        var dtype: String
        var shape: [Int]
    }

    var model: String
    var outputs: [Output]
    /// Where they were written.
    var file: String?

    init(model: String, names: [String], outputs: [Tensor], file: String?) {
        self.model = model
        self.outputs = zip(names, outputs).map { Output(name: $0, dtype: $1.dtype.name, shape: $1.shape) }
        self.file = file
    }

    func write(asJSON: Bool) throws {
        if asJSON { return try JSONOutput.print(self) }
        for output in outputs { StandardStream.output.writeLine("\(output.name): \(output.dtype)\(output.shape)") }
        if let file { StandardStream.output.writeLine("written to \(file)") }
    }
}
