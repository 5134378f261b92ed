internal import Base
internal import Cluster
internal import Wire

/// Workers that make themselves known, and operators that take some out: what the shells do beside the machines.
extension Simulation {
    /// Before a worker whose registration failed tries again, at most.
    static let registrationPause: Duration = .seconds(2)
    /// Before an operator whose command was not answered types it again.
    static let commandPause: Duration = .milliseconds(500)

    mutating func register(_ worker: Int, _ life: Int) {
        guard workers[worker].isRunning(life), workers[worker].downAfterDrain == nil, workers[worker].registration == nil else {
            return
        }
        let hello = Hello(
            role: .worker, channel: .control, name: workers[worker].name, software: "sim", incarnation: workers[worker].incarnation)
        workers[worker].registration = connect(
            from: .worker(worker), to: .coordinator(0), hello: hello, dialledNode: .coordinator)
    }

    /// What comes on the connection of a worker's registration.
    mutating func deliverRegistration(_ worker: Int, _ id: ConnectionID, _ message: Message) {
        let name = workers[worker].name
        switch message {
        case .welcome:
            world.connections[Int(id.number)].isWelcomed = true
            world.transmit(
                Packet(message: .register(Register(name: NodeID(name), addresses: [workers[worker].address]))), on: id,
                from: .worker(worker))
        case .refused(let refused): world.close(id, by: .worker(worker), refused.message)
        default: break
        }
    }

    /// The connection of a registration is over, or was never made.
    mutating func registrationEnded(_ worker: Int) {
        workers[worker].registration = nil
        world.schedule(
            .register(worker, life: workers[worker].life),
            at: now + world.random.duration(.milliseconds(250), Self.registrationPause))
    }

    // MARK: Commands

    mutating func send(_ command: Command) {
        let hello = Hello(
            role: .client, channel: .data, name: "operator", software: "sim", incarnation: IncarnationID(bits: 8_000))
        let id = connect(from: .person, to: .coordinator(0), hello: hello, dialledNode: .coordinator)
        commands[id] = command
    }

    /// What comes on an operator's connection.
    mutating func deliverToOperator(_ id: ConnectionID, _ command: Command, _ message: Message) {
        switch message {
        case .welcome:
            world.connections[Int(id.number)].isWelcomed = true
            let request = DrainRequest(id: 1, node: NodeID(workers[command.worker].name), undo: command.undo, force: false)
            world.transmit(Packet(message: .drainRequest(request)), on: id, from: .person)
        default:
            note("operator: \(message)")
            commands[id] = nil
            world.close(id, by: .person, "the command is answered")
            ended(command)
        }
    }

    /// What takes a node out may be lost; what brings it back is said until it is heard.
    mutating func commandEnded(_ id: ConnectionID) {
        guard let command = commands.removeValue(forKey: id) else { return }
        guard command.undo else { return ended(command) }
        world.schedule(.command(command), at: now + Self.commandPause)
        world.faultLasts(Self.commandPause)
    }

    private mutating func ended(_ command: Command) {
        let pause = command.undoAfter ?? .zero
        world.faultLasts(pause)
        if !command.undo { world.schedule(.command(Command(worker: command.worker)), at: now + pause) }
    }
}
