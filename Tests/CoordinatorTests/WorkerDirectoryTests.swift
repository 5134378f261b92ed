import Base
import Cluster
import Coordinator
import Planning
import Testing

/// Which workers stand behind the services' names.
@Suite struct WorkerDirectoryTests {
    typealias Service = WorkerDirectory.Service

    static func service(
        _ name: String = "worker", published: [String] = [], fixed: [String] = [], numbered: Bool = false
    ) -> Service {
        Service(
            name: name, host: name, port: 9_000, published: published, fixed: fixed, isExpanded: true, isNumbered: numbered)
    }

    static func directory(_ services: [Service], _ found: [String: [String]] = [:]) -> WorkerDirectory {
        var directory = WorkerDirectory()
        directory.replace(services)
        for (name, addresses) in found { directory.resolved(name, addresses) }
        return directory
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let service: Service
        let found: [String]
        let targets: [String]
    }

    static let rows = [
        Row(
            testDescription: "a name that does not resolve: its published port", service: service(published: ["localhost:9001"]),
            found: [], targets: ["worker: worker:9000 localhost:9001"]),
        Row(
            testDescription: "one address: the plain name, dialled by its name", service: service(published: ["localhost:9001"]),
            found: ["10.0.0.1:9000"], targets: ["worker: worker:9000 localhost:9001"]),
        Row(
            testDescription: "what the project gives to its container: tried last",
            service: service(published: ["localhost:9001"], fixed: ["10.5.0.7:9000"]),
            found: [], targets: ["worker: worker:9000 localhost:9001 10.5.0.7:9000"]),
        Row(
            testDescription: "several addresses: each is a worker", service: service(),
            found: ["10.0.0.2:9000", "10.0.0.1:9000"],
            targets: ["worker@10.0.0.1:9000: 10.0.0.1:9000", "worker@10.0.0.2:9000: 10.0.0.2:9000"]),
        Row(
            testDescription: "both families: one worker for each IPv4 address", service: service(),
            found: ["[fd00::1]:9000", "10.0.0.1:9000"], targets: ["worker: worker:9000"]),
        Row(
            testDescription: "numbered: also a single one is called by its address", service: service(numbered: true),
            found: ["10.0.0.1:9000"], targets: ["worker@10.0.0.1:9000: 10.0.0.1:9000"]),
        Row(
            testDescription: "replicas at published ports, where the name means nothing",
            service: service(published: ["localhost:9001", "localhost:9002"], numbered: true), found: [],
            targets: ["worker@localhost:9001: localhost:9001", "worker@localhost:9002: localhost:9002"]),
        Row(
            testDescription: "an entry of --workers is one worker, however many addresses it has",
            service: Service(name: "box:9000", host: "box", port: 9_000, isExpanded: false),
            found: ["10.0.0.1:9000", "10.0.0.2:9000"], targets: ["box:9000: box:9000"]),
    ]

    @Test(arguments: rows) func workers(_ row: Row) {
        var directory = Self.directory([row.service], row.found.isEmpty ? [:] : [row.service.name: row.found])
        #expect(directory.targets().map { "\($0.name): \($0.addresses.joined(separator: " "))" } == row.targets)
    }

    @Test("a name of several workers is not dialled before their addresses are known, so that none of them has it alone")
    func awaiting() {
        func awaits(_ service: Service, _ found: [String] = []) -> Bool {
            Self.directory([service], [service.name: found]).awaitingAddresses("worker") != nil
        }
        #expect(awaits(Self.service(numbered: true)))
        #expect(!awaits(Self.service(numbered: true), ["10.0.0.1:9000"]))
        #expect(!awaits(Self.service(published: ["localhost:9001"], numbered: true)))
        #expect(!awaits(Self.service()))
        #expect(!awaits(Self.service("other", numbered: true)))
    }

    @Test("scaled up and down: the first keeps its name, the others come and go under theirs")
    func scaling() {
        var directory = Self.directory([Self.service()], ["worker": ["10.0.0.1:9000"]])
        #expect(directory.targets().map(\.name) == ["worker"])
        let living: [NodeID: String] = ["worker": "10.0.0.1:9000"]
        directory.resolved("worker", ["10.0.0.3:9000", "10.0.0.1:9000"])
        let scaled = directory.targets(living: living)
        #expect(scaled.map(\.name) == ["worker", "worker@10.0.0.3:9000"])
        #expect(scaled.first?.addresses == ["10.0.0.1:9000"])
        directory.resolved("worker", ["10.0.0.1:9000"])
        #expect(directory.targets(living: living).map(\.name) == ["worker"])
    }

    @Test("an address that has gone from its name stays while its worker answers")
    func vanished() {
        var directory = Self.directory([Self.service(numbered: true)], ["worker": ["10.0.0.1:9000", "10.0.0.2:9000"]])
        _ = directory.targets()
        directory.resolved("worker", ["10.0.0.2:9000"])
        let living: [NodeID: String] = ["worker@10.0.0.1:9000": "10.0.0.1:9000"]
        #expect(directory.targets(living: living).map(\.name) == ["worker@10.0.0.1:9000", "worker@10.0.0.2:9000"])
        #expect(directory.targets().map(\.name) == ["worker@10.0.0.2:9000"])
    }

    @Test("a container that was made again at another address takes its name over")
    func moved() {
        var directory = Self.directory([Self.service()], ["worker": ["10.0.0.1:9000"]])
        _ = directory.targets()
        directory.resolved("worker", ["10.0.0.9:9000"])
        #expect(directory.targets().map(\.name) == ["worker"])
    }

    @Test("what was learnt of a name before it resolved into several stays with the one that answers")
    func lateAnswer() {
        var directory = Self.directory([Self.service()])
        #expect(directory.targets().map(\.name) == ["worker"])
        directory.resolved("worker", ["10.0.0.1:9000", "10.0.0.2:9000"])
        #expect(
            directory.targets(living: ["worker": "10.0.0.2:9000"]).map(\.name) == ["worker", "worker@10.0.0.1:9000"])
    }

    @Test("services that are not listed any more leave nothing behind")
    func removed() {
        var directory = Self.directory([Self.service("a"), Self.service("b")], ["a": ["10.0.0.1:9000", "10.0.0.2:9000"]])
        _ = directory.targets()
        directory.replace([Self.service("b")])
        #expect(directory.targets().map(\.name) == ["b"])
        directory.replace([Self.service("a")])
        #expect(directory.targets().map(\.name) == ["a"])
    }
}
