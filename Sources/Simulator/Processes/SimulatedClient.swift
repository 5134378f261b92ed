internal import Base
internal import Cluster

/// A client: the machine of the client library, and its one connection. What it was promised is the oracle's to know.
struct SimulatedClient {
    let index: Int
    var machine = ClientMachine()
    var connection: ConnectionID?
    var hasLeft = false
    var wakeAt: Instant?

    init(index: Int) { self.index = index }
}
