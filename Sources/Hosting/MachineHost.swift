public import Base
public import Cluster
public import Loops

/// A process around a machine: its resources (sockets, tensors, threads), and what each directive does with them.
public protocol MachineShell: AnyObject {
    associatedtype Machine: Cluster.Machine
    var host: MachineHost<Machine> { get }
    /// Acts. Events that arise meanwhile go through ``step(_:)`` as all others do.
    func carryOut(_ directive: Machine.Directive)
}

extension MachineShell {
    /// Feeds the machine; events that arise while its directives are carried out come after them.
    @inlinable public func step(_ event: Machine.Event) { host.step(event, for: self) }
}

/// Steps one machine on a loop: events one after another, the directives of each before the next, and a timer for when the machine wants
/// to be woken.
///
/// Inlinable, so that each shell has it made for its own machine: no directive goes through a closure, an existential or a witness. And public
/// for that, as all of this module: what is `package` is not compiled into other modules.
///
/// ## Concurrency model
/// Lives on the loop's thread.
public final class MachineHost<Machine: Cluster.Machine> {
    /// To be asked at any time; it decides in ``step(_:for:)`` only.
    public var machine: Machine
    @usableFromInline let loop: EventLoop
    /// What arose while directives were being carried out.
    @usableFromInline var pending: [Machine.Event] = []
    @usableFromInline var isStepping = false
    @usableFromInline var wakeTimer: Timer?

    @inlinable public init(loop: EventLoop, machine: Machine) {
        self.loop = loop
        self.machine = machine
    }

    @inlinable public func step<Shell: MachineShell>(_ event: Machine.Event, for shell: Shell) where Shell.Machine == Machine {
        guard !isStepping else { return pending.append(event) }
        isStepping = true
        advance(event, shell)
        var next = 0
        while next < pending.count {
            advance(pending[next], shell)
            next += 1
        }
        if next > 0 { pending.removeAll(keepingCapacity: true) }
        isStepping = false
        armWakeTimer(shell)
    }

    @inlinable func advance<Shell: MachineShell>(_ event: Machine.Event, _ shell: Shell) where Shell.Machine == Machine {
        let now = Instant.current()
        for directive in machine.step(event, now: now) { shell.carryOut(directive) }
    }

    @inlinable func armWakeTimer<Shell: MachineShell>(_ shell: Shell) where Shell.Machine == Machine {
        guard let wake = machine.nextWake, wake < .distantFuture else { return }
        if let wakeTimer, wakeTimer.isPending {
            // A timer that fires too early only costs a step.
            if wakeTimer.deadline <= wake { return }
            wakeTimer.cancel()
        }
        wakeTimer = loop.schedule(at: wake) { [weak shell] in shell?.step(Machine.wake) }
    }
}
