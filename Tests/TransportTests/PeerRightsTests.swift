import Base
import Foundation
import Testing
import Transport
import Wire

/// Who may send what: the table against the one in docs/security.md, cell by cell.
@Suite struct PeerRightsTests {
    private static let identities: [PeerIdentity.Kind] = [.health, .client, .operator, .cluster]

    /// Message, then a cell for each identity, of the table below a heading.
    private static func documented(_ server: PeerRights.Server) throws -> [String: [String]] {
        var folder = URL(filePath: #filePath)
        while folder.lastPathComponent != "Tests" { folder.deleteLastPathComponent() }
        let page = try String(contentsOf: folder.deletingLastPathComponent().appending(path: "docs/security.md"), encoding: .utf8)
        var rows: [String: [String]] = [:]
        var isBelow = false
        for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("#") { isBelow = line.hasSuffix("What a \(server.rawValue) takes") }
            guard isBelow, line.hasPrefix("| `") else { continue }
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            rows[cells[0].trimmingCharacters(in: ["`"])] = Array(cells.dropFirst())
        }
        return rows
    }

    @Test(arguments: PeerRights.Server.allCases)
    func asDocumented(_ server: PeerRights.Server) throws {
        let rows = try Self.documented(server)
        #expect(!rows.isEmpty)
        for kind in Message.Kind.allCases {
            let cells = rows["\(kind)"] ?? ["–", "–", "–", "–"]
            for (index, identity) in Self.identities.enumerated() {
                let isAllowed = PeerRights.messages(of: identity, at: server).contains(kind)
                #expect((cells[index] != "–") == isAllowed, "\(kind) by \(identity) at a \(server)")
            }
        }
        #expect(Set(rows.keys).isSubset(of: Message.Kind.allCases.map { "\($0)" }))
    }

    @Test(
        arguments: [
            (.coordinator, .health, [.client]), (.coordinator, .client, [.client]), (.coordinator, .operator, [.client]),
            (.coordinator, .cluster, [.worker, .coordinator]),
            (.worker, .health, [.worker]), (.worker, .client, []), (.worker, .operator, []),
            (.worker, .cluster, [.worker, .coordinator]),
        ] as [(PeerRights.Server, PeerIdentity.Kind, Set<Role>)])
    func roles(_ server: PeerRights.Server, _ identity: PeerIdentity.Kind, _ expected: Set<Role>) {
        for role in [Role.coordinator, .worker, .client] {
            let hello = Message.hello(
                Hello(role: role, channel: .data, name: "a", software: "test", incarnation: IncarnationID(bits: 1)))
            let objection = PeerRights.objection(to: hello, by: PeerIdentity(identity, label: "ann"), at: server)
            #expect((objection == nil) == expected.contains(role), "\(role)")
            #expect(objection.map { $0.contains("\(identity.rawValue):ann") } ?? true)
            // A health check at the wrong door reads which one it is.
            #expect(objection.map { $0.hasPrefix("this is a \(server.rawValue):") } ?? true)
        }
    }

    @Test func anObjectionNamesTheKeyThatIsNeeded() throws {
        let drain = Message.drainRequest(DrainRequest(id: 1, node: "w1", undo: false, force: false))
        let text = try #require(PeerRights.objection(to: drain, by: PeerIdentity(.client, label: "cam"), at: .coordinator))
        #expect(text.contains("client:cam") && text.contains("drainRequest") && text.contains("--derive operator"))
        #expect(PeerRights.objection(to: drain, by: PeerIdentity(.operator), at: .coordinator) == nil)
    }
}
