internal import Planning
internal import Wire

/// One worker at several addresses (two networks, A and AAAA, a name and its address, listed and registered): one process is one node with
/// one connection of each kind, and every other target that leads to it is an alias, which is not dialled while that stands.
extension CoordinatorMachine {
    /// When its node is lost, an alias is dialled this much later than the node: it comes into its own where the node's address is dead.
    static let aliasDelay: Duration = .milliseconds(250)
    /// A worker that answers under a name which it may not have is dialled again after this: it has to be configured anew.
    static let misnamedPause: Duration = .seconds(2)

    struct Alias: Sendable {
        var node: NodeID
        var addresses: [String]
        var pinnedStage: Int?
    }

    func makeNode(_ target: NodeID, _ addresses: [String], _ now: Instant) -> Node {
        Node(
            id: target, target: target, addresses: addresses, holder: holderToken(target), redialAt: now,
            backoff: configuration.redialFirst)
    }

    /// The other node as which the process is connected.
    func connectedNode(_ incarnation: IncarnationID?, besides id: NodeID) -> NodeID? {
        guard let incarnation else { return nil }
        return nodes.values.first { $0.control != nil && $0.incarnation == incarnation && $0.id != id }?.id
    }

    /// The node's target leads to the process that is connected as `main`.
    mutating func becomeAlias(_ id: NodeID, of main: NodeID, _ step: inout Step) {
        guard let node = nodes[id], node.control == nil, nodes[main] != nil else { return }
        let isNew = node.aliasOf != main
        remove(id, because: "it is \(main) at another address", &step)
        aliases[node.target] = Alias(node: main, addresses: node.addresses, pinnedStage: node.pinnedStage)
        if isNew {
            step.log(
                .info, "a worker has another address",
                ["node": main.description, "address": node.addresses.first ?? "?", "listed_as": node.target.description])
        }
        reviewAliases(&step)
    }

    /// A process has connected: those that met it before are its aliases.
    mutating func gatherAliases(of id: NodeID, _ step: inout Step) {
        guard let incarnation = nodes[id]?.incarnation else { return }
        // What is being dialled is told by how the dial ends.
        let met = nodes.values.filter { $0.id != id && $0.met == incarnation && $0.control == nil && !$0.isDialing }
        for node in met.sorted(by: { $0.id < $1.id }) { becomeAlias(node.id, of: id, &step) }
    }

    /// The node is lost: whoever answers at its other addresses now may be somebody else.
    mutating func releaseAliases(of id: NodeID, _ now: Instant) {
        guard !aliases.isEmpty else { return }
        for (target, alias) in aliases.filter({ $0.value.node == id }).sorted(by: { $0.key < $1.key }) {
            aliases[target] = nil
            guard nodes[target] == nil else { continue }
            var node = makeNode(target, alias.addresses, now + configuration.redialFirst + Self.aliasDelay)
            node.pinnedStage = alias.pinnedStage
            node.met = nodes[id]?.incarnation
            node.aliasOf = id
            node.cause = "\(id), whose other address it was, is lost"
            nodeOfTarget[target] = target
            nodes[target] = node
            rearm(target)
        }
    }

    /// Aliases that nobody lists any more end; a node that only an alias is still listed for goes on as that.
    mutating func reviewAliases(_ step: inout Step) {
        for (target, alias) in aliases.sorted(by: { $0.key < $1.key }) {
            guard listedTargets.contains(target) else {
                if registrations[target] == nil { aliases[target] = nil }
                continue
            }
            guard let node = nodes[alias.node], !listedTargets.contains(node.target), !isRegistered(target: node.target) else {
                continue
            }
            aliases[target] = nil
            nodeOfTarget[node.target] = nil
            guard node.id != node.target else {
                rename(node, by: target, alias, &step)
                continue
            }
            nodeOfTarget[target] = node.id
            nodes[node.id]?.target = target
            nodes[node.id]?.addresses = alias.addresses
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
        guard nodes[target] == nil else { return }
        var node = makeNode(target, alias.addresses, step.now)
        node.pinnedStage = alias.pinnedStage
        node.cause = "it was called \(old.id)"
        nodeOfTarget[target] = target
        nodes[target] = node
        rearm(target)
    }

    /// Why a worker cannot have the name that it says; `nil` where it can.
    /// - Parameter dialled: as which it was dialled.
    func objection(to name: NodeID, of dialled: NodeID) -> String? {
        if name.description.isEmpty { return "it has an empty name; give it a --name" }
        if name.description == Self.ownLinkName {
            return "the name \"\(name)\" is the coordinator's; give the worker another --name"
        }
        guard name != dialled, nodes[name] == nil, nodeOfTarget[name] != nil || aliases[name] != nil else { return nil }
        return "the name \"\(name)\" is listed for another worker; give each worker a --name of its own"
    }

    /// What the coordinator is called in the figures of links.
    static let ownLinkName = "coordinator"

    func aliasAddresses() -> [NodeID: [String]] {
        Dictionary(grouping: aliases.sorted { $0.key < $1.key }.map(\.value), by: \.node).mapValues {
            $0.compactMap(\.addresses.first)
        }
    }
}
