public import Base

/// Decisions as a value: it takes what happened and the time, answers with what is to be done, and never acts.
///
/// A shell carries the directives out, in order, before it feeds the next event (`MachineHost` in the programs, the simulator in its own way).
public protocol Machine: Sendable {
    associatedtype Event: Sendable
    associatedtype Directive: Sendable

    mutating func step(_ event: Event, now: Instant) -> [Directive]

    /// When it wants to be stepped with ``wake`` if nothing happens before; `nil`: it waits for no time of its own.
    var nextWake: Instant? { get }
    /// The event that nothing but time brings.
    static var wake: Event { get }
}

extension CoordinatorMachine: Machine {
    @inlinable public static var wake: Event { .tick }
}

extension ClientMachine: Machine {
    @inlinable public static var wake: Event { .tick }
}

extension WorkerMachine: Machine {
    /// Its shell ticks with each heartbeat.
    @inlinable public var nextWake: Instant? { nil }
    @inlinable public static var wake: Event { .tick }
}
