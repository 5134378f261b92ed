internal import Base
internal import Cluster
internal import Wire

/// What travels: a message, and the stand-in for its payload (one number for each item).
struct Packet: Sendable {
    var message: Message
    var values: [UInt64] = []
    /// Bytes that it takes on the wire.
    var bytes: Int = 200

    /// Comes all the time and says nothing new.
    var isRoutine: Bool {
        switch message {
        case .heartbeat, .ping, .pong: true
        default: false
        }
    }

    /// For a trace.
    var summary: String {
        switch message {
        case .work(let work): "work \(work.key) for \(work.route.map(\.node.name).joined(separator: " → "))"
        case .workResult(let result): "result \(result.key)"
        case .hello(let hello): "hello of \(hello.name), \(hello.channel)"
        case .peerTable(let table): "peer table \(table.version): \(table.peers.map(\.name.name).joined(separator: " "))"
        default: String("\(message)".replacing("Wire.", with: "").prefix(160))
        }
    }

    /// Whether a worker takes it for a sign that its coordinator lives. An archive goes to the store without a word, and a hello is a word
    /// only once it is obeyed.
    var countsAsWord: Bool {
        switch message {
        case .partitionData, .hello: false
        default: true
        }
    }
}

/// A connection between two processes, as the network and its two ends know it.
struct SimulatedConnection: Sendable {
    /// One of its two ends.
    struct End: Sendable {
        /// The process knows that it is over.
        var knowsEnd = false
        /// Its machine was told that it is over.
        var wasTold = false
        /// When what this end sends next can begin to leave (bytes go one after another).
        var free: Instant = .zero
        /// When the last of what was sent to this end arrives.
        var lastArrival: Instant = .zero
        var sentBytes: UInt64 = 0
        var receivedBytes: UInt64 = 0
    }

    let dialer: Process
    let acceptor: Process
    let dialerLife: Int
    let acceptorLife: Int
    let hello: Hello
    let dialledNode: NodeID
    /// What a worker dialled.
    let peer: PeerTable.Peer?
    var isOpen = true
    /// Bytes that had not left their sender by then are lost.
    var brokenAt: Instant?
    var isWelcomed = false
    private var dialerEnd = End()
    private var acceptorEnd = End()

    init(
        dialer: Process, dialerLife: Int, acceptor: Process, acceptorLife: Int, hello: Hello, dialledNode: NodeID,
        peer: PeerTable.Peer?
    ) {
        self.dialer = dialer
        self.acceptor = acceptor
        self.dialerLife = dialerLife
        self.acceptorLife = acceptorLife
        self.hello = hello
        self.dialledNode = dialledNode
        self.peer = peer
    }

    func other(than process: Process) -> Process { process == dialer ? acceptor : dialer }
    func life(of process: Process) -> Int { process == dialer ? dialerLife : acceptorLife }
    func joins(_ first: Process, _ second: Process) -> Bool {
        (dialer == first && acceptor == second) || (dialer == second && acceptor == first)
    }

    subscript(process: Process) -> End {
        get { process == dialer ? dialerEnd : acceptorEnd }
        set { if process == dialer { dialerEnd = newValue } else { acceptorEnd = newValue } }
    }
}
