internal import FoundationEssentials

/// What `--json` prints: one object on one line, keys sorted, so that scripts and differences stay simple.
public enum JSONOutput {
    /// The JSON text. Numbers that JSON cannot write (NaN, infinities) become the strings `nan`, `inf` and `-inf`.
    /// - Parameter convertsKeys: whether keys are brought into snake_case: for types whose fields are not named for JSON alone.
    public static func text(_ value: some Encodable, convertsKeys: Bool = false) throws -> String {
        let encoder = JSONEncoder()
        if convertsKeys { encoder.keyEncodingStrategy = .convertToSnakeCase }
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// Prints the JSON text as one line of stdout.
    public static func print(_ value: some Encodable, convertsKeys: Bool = false) throws {
        StandardStream.output.writeLine(try text(value, convertsKeys: convertsKeys))
    }
}
