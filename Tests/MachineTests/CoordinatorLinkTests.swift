import Base
import Cluster
import Planning
import Testing
import Wire

/// Links that are out: what is replayed, and what no plan and no route uses.
@Suite struct CoordinatorLinkTests {
    @Test(arguments: linkCases) func links(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    static let linkCases: [Case] = [
        Case("a lost link is no lost node: its work is replayed, nothing more goes over it, and a plan is made around it") {
            var driver = D.serving()
            let sent = driver.submit(1).dispatched
            let lost = PeerLost(from: "a", to: "b", message: "refused", keys: [sent[0].key])
            let out = driver.says("a", .peerLost(lost))
            #expect(driver.machine.state(of: "a") == .ready && driver.machine.state(of: "b") == .ready)
            // What never left holds no place: nobody's word is waited for.
            #expect(driver.machine.flightCount == 0)
            #expect(out.orders.map(\.brokenLinks) == [[NodeLink(from: "a", to: "b")]])
            // The plan that serves knows no other way: attempts are not wasted on this one.
            #expect(out.dispatched.isEmpty && driver.submit(2).dispatched.isEmpty)
            #expect(driver.deploy([["b"], ["a"]]).dispatched.map(\.key.attempt) == [2, 1])
        },
        Case("another replica behind a working link takes over at once") {
            var driver = D.serving([["a"], ["b", "c"]])
            let sent = driver.submit(1).dispatched
            #expect(sent[0].route[1].node == "b")
            let out = driver.says("a", .peerLost(PeerLost(from: "a", to: "b", message: "", keys: [sent[0].key])))
            #expect(out.dispatched.map { $0.route.map(\.node) } == [["a", "c"]])
        },
        Case("no replica is chosen from which there is no way on") {
            var driver = D.serving([["a", "b"], ["c"]])
            _ = driver.says("a", .peerLost(PeerLost(from: "a", to: "c", message: "", keys: [])))
            #expect(Set(driver.submit(1, items: 8).dispatched.map { $0.route[0].node }) == ["b"])
        },
        Case("a worker speaks for itself only") {
            var driver = D.serving()
            let out = driver.says("b", .peerLost(PeerLost(from: "a", to: "b", message: "", keys: [])))
            #expect(out.orders.map(\.brokenLinks) == [[NodeLink(from: "b", to: "b")]] || out.orders.isEmpty)
            #expect(driver.submit(1).dispatched.count == 1)
        },
        Case("an address that a topology lists and no message takes does not keep the table of peers from anybody") {
            let long = String(repeating: "x", count: WireLimits.addressByteCount) + ":1"
            let odd = ["1:9000", "127.1:9000", "010.0.0.1:9000", "a b:9000", "9000", "a:70000", "", long, "a\u{A0}:1"]
            var driver = D([])
            driver.step(.modelReady(D.model()))
            driver.step(.targets([.init(name: "a", addresses: odd + ["localhost:9001"]), .init(name: "b", addresses: ["b:9000"])]))
            driver.join("a")
            driver.join("b")
            let table = try #require(driver.wait(.milliseconds(100)).tables.last)
            #expect(table.peers.map(\.addresses) == [["localhost:9001"], ["b:9000"]])
            _ = try MessageCodec.encode(.peerTable(table))
        },
        Case("a link is tried again after a while: the worker is asked to dial, and without complaint it counts as mended") {
            var driver = D.serving()
            _ = driver.says("a", .peerLost(PeerLost(from: "a", to: "b", message: "", keys: [])))
            driver.answerPlan([["a"], ["b"]])
            #expect(driver.wait(.milliseconds(4_900)).tables.isEmpty)
            #expect(driver.wait(.milliseconds(200)).tables.count == 1)
            #expect(driver.submit(1).dispatched.isEmpty)
            let out = driver.wait(.seconds(7))
            #expect(out.orders.map(\.brokenLinks) == [[]] && out.dispatched.count == 1)
        },
        Case("a link that fails again stays out twice as long") {
            var driver = D.serving()
            let lost = Message.peerLost(PeerLost(from: "a", to: "b", message: "", keys: []))
            _ = driver.says("a", lost)
            _ = driver.says("a", lost)
            driver.wait(.milliseconds(5_100))
            _ = driver.says("a", lost)
            #expect(driver.wait(.milliseconds(9_900)).tables.isEmpty)
            #expect(driver.wait(.milliseconds(200)).tables.count == 1)
        },
        Case("a node that comes back has no link held against it") {
            var driver = D.serving()
            _ = driver.says("a", .peerLost(PeerLost(from: "a", to: "b", message: "", keys: [])))
            driver.answerPlan([["a"]])
            _ = driver.close("b")
            driver.join("b", incarnation: 2)
            driver.answerPlan([["a"]])
            driver.wait(.milliseconds(300))
            #expect(driver.lastOrder?.brokenLinks == [])
        },
        Case("a link to a node that is gone is not held against it") {
            var driver = D.serving()
            _ = driver.close("b")
            let generation = driver.lastOrder?.generation
            _ = driver.says("a", .peerLost(PeerLost(from: "a", to: "b", message: "", keys: [])))
            #expect(driver.lastOrder?.generation == generation)
        },
    ]
}
