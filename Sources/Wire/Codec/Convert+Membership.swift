internal import Base
internal import CWire

extension Register: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Register>) { amp4ec__register__init(pointer) }

    func write(to c: inout Amp4ec__Register, in arena: WireArena) throws(WireError) {
        c.name = try arena.node(name, "register.name")
        (c.n_addresses, c.addresses) = try arena.addresses(addresses, "register.addresses")
        try checkAddresses()
    }

    init(reading c: Amp4ec__Register) throws(WireError) {
        self.init(
            name: try Field.node(c.name, "register.name"),
            addresses: try Field.addresses(c.n_addresses, c.addresses, "register.addresses"))
        try checkAddresses()
    }

    private func checkAddresses() throws(WireError) {
        guard !addresses.isEmpty else {
            throw WireError(.invalidValue, "register.addresses is empty: a registration says where the worker can be reached")
        }
    }
}

extension Registered: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Registered>) { amp4ec__registered__init(pointer) }
    func write(to c: inout Amp4ec__Registered, in arena: WireArena) throws(WireError) {
        c.name = try arena.node(name, "registered.name")
    }
    init(reading c: Amp4ec__Registered) throws(WireError) { self.init(name: try Field.node(c.name, "registered.name")) }
}

extension Leaving: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Leaving>) { amp4ec__leaving__init(pointer) }
    func write(to c: inout Amp4ec__Leaving, in arena: WireArena) throws(WireError) { c.message = try arena.text(message) }
    init(reading c: Amp4ec__Leaving) throws(WireError) { self.init(message: try Field.text(c.message, "leaving.message")) }
}

extension Released: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__Released>) { amp4ec__released__init(pointer) }
    func write(to c: inout Amp4ec__Released, in arena: WireArena) {}
    init(reading c: Amp4ec__Released) { self.init() }
}

extension DrainRequest: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__DrainRequest>) { amp4ec__drain_request__init(pointer) }

    func write(to c: inout Amp4ec__DrainRequest, in arena: WireArena) throws(WireError) {
        c.id = id
        c.node = try arena.name(node.name, "drain_request.node")
        c.undo = undo ? 1 : 0
        c.force = force ? 1 : 0
    }

    init(reading c: Amp4ec__DrainRequest) throws(WireError) {
        self.init(id: c.id, node: NodeID(try Field.name(c.node, "drain_request.node")), undo: c.undo != 0, force: c.force != 0)
    }
}

extension DrainReply: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__DrainReply>) { amp4ec__drain_reply__init(pointer) }

    func write(to c: inout Amp4ec__DrainReply, in arena: WireArena) throws(WireError) {
        c.id = id
        c.message = try arena.text(message)
    }

    init(reading c: Amp4ec__DrainReply) throws(WireError) {
        self.init(id: c.id, message: try Field.text(c.message, "drain_reply.message"))
    }
}
