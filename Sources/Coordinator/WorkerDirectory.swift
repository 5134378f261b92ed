package import Base
package import Cluster
internal import Planning
internal import Shell
package import Topology

/// From services and what their names resolve to, the workers: every address behind a service's name is one, with a name that stays its
/// own while the others come and go.
package struct WorkerDirectory: Sendable {
    package struct Service: Sendable, Hashable {
        package var name: String
        package var host: String
        package var port: UInt16
        /// Where the host publishes the port.
        package var published: [String] = []
        /// What the project itself gives to its container: tried last, for a coordinator outside of its networks may not reach it.
        package var fixed: [String] = []
        /// Every address behind the name is a worker (of a compose file or `dns:`); otherwise they are ways to one and the same.
        package var isExpanded: Bool
        /// There are several by declaration, so that none bears the plain name.
        package var isNumbered = false
        package var pinnedStage: Int?

        package init(
            name: String, host: String, port: UInt16, published: [String] = [], fixed: [String] = [], isExpanded: Bool,
            isNumbered: Bool = false
        ) {
            self.name = name
            self.host = host
            self.port = port
            self.published = published
            self.fixed = fixed
            self.isExpanded = isExpanded
            self.isNumbered = isNumbered
        }

        /// - Parameter isListed: an entry of `--workers`: one worker, however many addresses its host has.
        package init(_ worker: WorkerService, isListed: Bool) {
            self.init(
                name: worker.declaredNodeName.flatMap { $0.isEmpty ? nil : $0 } ?? worker.name, host: worker.host,
                port: worker.port,
                published: worker.publishedAddresses.map(\.description), fixed: worker.fixedAddresses.map(\.description),
                isExpanded: !isListed,
                isNumbered: !isListed && (worker.replicas ?? 1) > 1)
            pinnedStage = worker.annotation.stage
        }

        var address: String { HostPort(host: host, port: port).description }
        /// Only names have several addresses, and only some need to be known.
        package var needsLookup: Bool { isExpanded && IPAddress(host) == nil }
    }

    package private(set) var services: [Service] = []
    /// What each name resolved to last, `address:port`.
    private var found: [String: [String]] = [:]
    /// The names given to addresses, for each service.
    private var names: [String: [String: NodeID]] = [:]

    package init() {}

    package mutating func replace(_ services: [Service]) {
        self.services = services
        let kept = Set(services.map(\.name))
        found = found.filter { kept.contains($0.key) }
        names = names.filter { kept.contains($0.key) }
    }

    /// A name has resolved. Of a name with addresses of both families only IPv4 counts: each of its workers has one of either.
    package mutating func resolved(_ service: String, _ addresses: [String]) {
        let version4 = addresses.filter { !$0.hasPrefix("[") }
        found[service] = version4.isEmpty ? addresses : version4
    }

    /// The service that a target stands for until one of its workers' addresses is known: dialled by its name, one of them would bear
    /// the service's name for good, whichever answers first.
    package func awaitingAddresses(_ target: NodeID) -> Service? {
        services.first {
            NodeID($0.name) == target && $0.isNumbered && $0.needsLookup && $0.published.isEmpty && (found[$0.name] ?? []).isEmpty
        }
    }

    /// The workers as they stand now.
    /// - Parameter living: targets that answer, with the address at which they do. One whose address has gone from its name stays until
    ///   it does not answer any more.
    package mutating func targets(living: [NodeID: String] = [:]) -> [CoordinatorMachine.Target] {
        services.flatMap { service in
            targets(of: service, living).map { .init(name: $0.name, addresses: $0.addresses, pinnedStage: service.pinnedStage) }
        }
    }

    private mutating func targets(of service: Service, _ living: [NodeID: String]) -> [CoordinatorMachine.Target] {
        let plain = NodeID(service.name)
        let whole = CoordinatorMachine.Target(name: plain, addresses: [service.address] + service.published + service.fixed)
        guard service.isExpanded else { return [whole] }
        var addresses = found[service.name] ?? []
        // Outside the containers' network the name means nothing, and each replica is at a published port of its own.
        if addresses.isEmpty, service.isNumbered, service.published.count > 1 { addresses = service.published }
        guard !addresses.isEmpty else { return [whole] }
        let present = Set(addresses)
        var given = names[service.name] ?? [:]
        given = given.filter { present.contains($0.key) || living[$0.value] != nil }
        if let address = living[plain], present.contains(address), !given.values.contains(plain) { given[address] = plain }
        for address in addresses where given[address] == nil {
            let isPlain = !service.isNumbered && addresses.count == 1 && !given.values.contains(plain)
            given[address] = isPlain ? plain : NodeID("\(service.name)@\(address)")
        }
        names[service.name] = given
        return given.sorted { $0.value < $1.value }.map { address, name in
            // The one worker of a name is dialled by its name, which may mean another address by then.
            name == plain && present == [address] ? whole : .init(name: name, addresses: [address])
        }
    }
}
