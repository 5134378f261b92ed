import Gateway
import Testing

@Suite struct ConnectionTableTests {
    @Test func anAddressLosesItsOwnOldestThatHasNotAsked() {
        var table = ConnectionTable(perAddress: 2, total: 10)
        #expect(table.add(1, from: "a", atMs: 0) == nil && table.add(2, from: "a", atMs: 0) == nil)
        #expect(table.add(3, from: "b", atMs: 0) == nil)
        table.enter(.answering, 1, atMs: 0)
        #expect(table.add(4, from: "a", atMs: 0) == nil)
        #expect(table.add(5, from: "a", atMs: 0) == 2)
        #expect(table.count == 4)
    }

    @Test func aFullTableLosesWhoIsNotBeingAnswered() {
        var table = ConnectionTable(perAddress: 10, total: 3)
        for id in 1...3 { #expect(table.add(UInt64(id), from: "\(id)", atMs: 0) == nil) }
        table.enter(.answering, 1, atMs: 0)
        table.enter(.idle, 2, atMs: 0)
        // 3 has been as it is for longer than 2.
        #expect(table.add(4, from: "x", atMs: 0) == 3)
        #expect(table.add(5, from: "x", atMs: 0) == 2)
        table.enter(.answering, 4, atMs: 0)
        table.enter(.replying, 5, atMs: 100)
        // Nobody may go yet: the table is over its size, and the server's own limit makes the next ones wait.
        #expect(table.add(6, from: "x", atMs: 200) == nil)
        table.enter(.answering, 6, atMs: 200)
        #expect(table.add(7, from: "x", atMs: 1_100) == 5)
        table.remove(7)
        #expect(table.count == 3)
    }
}
