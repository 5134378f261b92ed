internal import Base

/// One call of ``CoordinatorMachine/step(_:now:)`` on its way through the machine: the time, which is the same for all that follows from one
/// event, and what is to be done, in order.
///
/// One value in place of two parameters, so that nobody can pass the one without the other. Always passed `inout`: the directives are
/// never copied.
struct Step: Sendable {
    let now: Instant
    private(set) var directives: [CoordinatorMachine.Directive] = []

    init(now: Instant) { self.now = now }

    mutating func emit(_ directive: CoordinatorMachine.Directive) { directives.append(directive) }

    mutating func log(_ level: LogLine.Level, _ message: String, _ metadata: [String: String]) {
        emit(.log(LogLine(level, message, metadata)))
    }
}
