import Cluster
import Testing

/// One named row of a table: what happens, event by event, and what must come of it.
struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let run: @Sendable () throws -> Void

    init(_ name: String, _ run: @escaping @Sendable () throws -> Void) {
        self.name = name
        self.run = run
    }

    var testDescription: String { name }
}
