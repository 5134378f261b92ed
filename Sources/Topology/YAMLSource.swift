/// The variables that `${NAME}` in a file means.
final class Variables: Sendable {
    let values: [String: String]

    init(_ values: [String: String]) { self.values = values }
}

/// A file of YAML, and what variables and relative paths in it mean.
final class YAMLSource: Sendable {
    /// As messages name it.
    let file: String
    /// The file's folder, absolute: where relative paths of the coordinator's options start.
    let directory: String
    /// Where relative paths of services start. Compose: the folder of the project's first file, or of an included project.
    let base: String
    /// `nil`: variables are not replaced (`--config` files).
    let variables: Variables?

    init(file: String, directory: String, base: String, variables: Variables?) {
        self.file = file
        self.directory = directory
        self.base = base
        self.variables = variables
    }
}
