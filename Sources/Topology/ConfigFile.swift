/// The coordinator's `--config FILE.yaml`: a flat mapping of the same names as its options, without dashes in front.
public enum ConfigFile {
    /// Reads and checks a file; relative paths in it start from its folder.
    public static func read(path: String, knownOptions: [KnownOption]) throws(TopologyError) -> OptionValues {
        try parse(
            text: try BoundedFile.text(path: path), file: path,
            directory: FilePath.folder(of: FilePath.joined(BoundedFile.workingDirectory, path)), knownOptions: knownOptions)
    }

    /// As ``read(path:knownOptions:)`` for text that is there already.
    /// - Parameter directory: absolute.
    public static func parse(
        text: String, file: String, directory: String, knownOptions: [KnownOption]
    ) throws(TopologyError) -> OptionValues {
        let source = YAMLSource(file: file, directory: directory, base: directory, variables: nil)
        let root = try YAMLReader.read(text, source: source)
        if root.isNull { return OptionValues() }
        return try OptionValues(
            reading: root, prefix: "", knownOptions: knownOptions, fields: FieldReader(file: file))
    }
}
