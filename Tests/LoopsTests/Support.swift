import Base
import Glibc
import Loops
import Testing

/// Runs the loop until `condition` holds.
///
/// The limit is generous, as test machines are slow and shared; it is reached only where something is broken. Under a sanitizer, which slows
/// everything down, `scripts/sanitize` multiplies it (`AMP4EC_TEST_PATIENCE`).
func run(
    _ loop: EventLoop, within limit: Duration = .seconds(60), _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
    until condition: () -> Bool
) throws {
    let limit = limit * patience
    let deadline = Instant.current() + limit
    while !condition() {
        try #require(Instant.current() < deadline, "\(what) did not happen within \(limit)", sourceLocation: sourceLocation)
        try loop.runOnce(maximumWait: .milliseconds(100))
    }
}

private let patience = getenv("AMP4EC_TEST_PATIENCE").flatMap { Int(String(cString: $0)) } ?? 1

final class Box<Value> {
    var value: Value?
}
