internal import Base
internal import Planning
internal import Wire

/// One worker at several addresses (two networks, A and AAAA, a name and its address, listed and registered): one process is one node with
/// one connection of each kind, and every other target that leads to it is an alias, which is not dialled while that stands.
extension CoordinatorMachine {
    /// When its node is lost, an alias is dialled this much later than the node: it comes into its own where the node's address is dead.
    static let aliasDelay: Duration = .milliseconds(250)
    /// A worker that answers under a name which it may not have is dialled again after this: it has to be configured anew.
    static let misnamedPause: Duration = .seconds(2)

    func makeNode(_ target: NodeID, _ addresses: [String], pinnedStage: Int? = nil, dialledAt due: Instant) -> Node {
        Node(
            target: target, addresses: addresses, pinnedStage: pinnedStage, holder: holderToken(target),
            dial: Dial(at: due, backoff: configuration.redialFirst))
    }

    /// The node's target leads to the process that is connected as `main`.
    mutating func becomeAlias(_ id: NodeID, of main: NodeID, _ step: inout Step) {
        guard let node = roster[id], node.control == nil, roster[main] != nil else { return }
        let isNew = node.aliasOf != main
        remove(id, because: "it is \(main) at another address", &step)
        roster.addAlias(node.target, Alias(node: main, addresses: node.addresses, pinnedStage: node.pinnedStage))
        if isNew {
            step.log(
                .info, "a worker has another address",
                ["node": main.description, "address": node.addresses.first ?? "?", "listed_as": node.target.description])
        }
        reviewAliases(&step)
    }

    /// A process has connected: those that met it before are its aliases.
    mutating func gatherAliases(of id: NodeID, _ step: inout Step) {
        guard let incarnation = roster[id]?.incarnation else { return }
        // What is being dialled is told by how the dial ends.
        let met = roster.all.filter { $0.id != id && $0.dial.met == incarnation && $0.control == nil && !$0.dial.isUnderWay }
        for node in met.sorted(by: { $0.id < $1.id }) { becomeAlias(node.id, of: id, &step) }
    }

    /// The node is lost: whoever answers at its other addresses now may be somebody else.
    mutating func releaseAliases(of id: NodeID, _ now: Instant) {
        guard !roster.aliases.isEmpty else { return }
        for (target, alias) in roster.aliases.filter({ $0.value.node == id }).sorted(by: { $0.key < $1.key }) {
            roster.removeAlias(target)
            guard roster[target] == nil else { continue }
            var node = makeNode(
                target, alias.addresses, pinnedStage: alias.pinnedStage,
                dialledAt: now + configuration.redialFirst + Self.aliasDelay)
            node.dial.met = roster[id]?.incarnation
            node.aliasOf = id
            node.cause = "\(id), whose other address it was, is lost"
            roster.add(node)
        }
    }

    /// Aliases that nobody lists any more end; a node that only an alias is still listed for goes on as that.
    mutating func reviewAliases(_ step: inout Step) {
        for (target, alias) in roster.aliases.sorted(by: { $0.key < $1.key }) {
            guard roster.listed.contains(target) else {
                if roster.registrations[target] == nil { roster.removeAlias(target) }
                continue
            }
            guard let node = roster[alias.node], !roster.listed.contains(node.target), !isRegistered(target: node.target) else {
                continue
            }
            roster.removeAlias(target)
            roster.unlist(node.id)
            guard node.id != node.target else {
                rename(node, by: target, alias, &step)
                continue
            }
            roster.relist(node.id, as: target)
            roster[node.id]?.addresses = alias.addresses
            listAgain(node.id, &step)
        }
    }

    /// The topology gives another name to a worker that is called by it (it has no `--name`): the same process under a new name.
    ///
    /// Routes, reservations and the other workers' links know it by the old one, so it leaves under that and is dialled at once by the new:
    /// what was under way on it is run again, its partitions stay loaded, and nothing of the old name stays but an operator's drain.
    private mutating func rename(_ old: Node, by target: NodeID, _ alias: Alias, _ step: inout Step) {
        let why = "the topology calls it \(target) now"
        step.log(.info, "a worker is renamed", ["node": target.description, "was": old.id.description])
        lose(old.id, why, as: .departure, &step)
        remove(old.id, because: why, &step)
        guard roster[target] == nil else { return }
        var node = makeNode(target, alias.addresses, pinnedStage: alias.pinnedStage, dialledAt: step.now)
        node.cause = "it was called \(old.id)"
        roster.add(node)
    }

    /// Why a worker cannot have the name that it says; `nil` where it can.
    /// - Parameter dialled: as which it was dialled.
    func objection(to name: NodeID, of dialled: NodeID) -> String? {
        if name.description.isEmpty { return "it has an empty name; give it a --name" }
        if name == .coordinator {
            return "the name \"\(name)\" is the coordinator's; give the worker another --name"
        }
        // The name of the target at which it was dialled is its own, also where it was called something else there before.
        let isTaken = roster.node(at: name).map { $0 != dialled } ?? (roster.aliases[name] != nil)
        guard name != dialled, roster[name] == nil, isTaken else { return nil }
        return "the name \"\(name)\" is listed for another worker; give each worker a --name of its own"
    }

    func aliasAddresses() -> [NodeID: [String]] {
        Dictionary(grouping: roster.aliases.sorted { $0.key < $1.key }.map(\.value), by: \.node).mapValues {
            $0.compactMap(\.addresses.first)
        }
    }
}
