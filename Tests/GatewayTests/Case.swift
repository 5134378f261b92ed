import Testing

/// One named row of a table.
struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let run: @Sendable () async throws -> Void

    init(_ name: String, _ run: @escaping @Sendable () async throws -> Void) {
        self.name = name
        self.run = run
    }

    var testDescription: String { name }
}
