import Gateway
import Testing

@Suite struct ConnectionTableTests {
    @Test func whereThereIsRoomNobodyGoes() {
        var table = ConnectionTable(perAddress: 2, total: 10)
        for id in 1...10 as ClosedRange<UInt64> { #expect(table.add(id, from: "a", atMs: id * 1_000) == nil) }
        #expect(table.count == 10)
    }

    @Test func requestsThatTakeLongLeavePlacesForProbes() {
        var table = ConnectionTable(perAddress: 10, total: 8)
        func takes(_ ids: UInt64...) -> [Bool] { ids.map { table.takePlace($0, atMs: 1) } }
        for id in 1...8 as ClosedRange<UInt64> { #expect(table.add(id, from: "a", atMs: 0) == nil) }
        #expect(takes(1, 2, 3, 4, 5, 6, 6, 7) == [true, true, true, true, true, true, true, false])
        // A probe takes the place of who has none.
        #expect(table.add(9, from: "probe", atMs: 0) == 7)
        table.enter(.replying, 1, atMs: 1)
        #expect(takes(8) == [false])
        table.enter(.idle, 1, atMs: 1)
        #expect(takes(8, 9) == [true, false])
        table.remove(8)
        table.remove(2)
        #expect(takes(9, 1, 10) == [true, true, false])
    }

    @Test func aFullTableLosesTheSilentOnesOfACrowdFirst() {
        var table = ConnectionTable(perAddress: 2, total: 5)
        #expect(table.add(1, from: "lone", atMs: 0) == nil)
        for id in 2...5 { #expect(table.add(UInt64(id), from: "crowd", atMs: UInt64(id)) == nil) }
        #expect(table.add(6, from: "other", atMs: 10) == 2)
        #expect(table.add(7, from: "crowd", atMs: 10) == 3)
        for id in [4, 5, 7] as [UInt64] { table.enter(.answering, id, atMs: 11) }
        // Nobody has too many of them now: the oldest goes.
        #expect(table.add(8, from: "crowd", atMs: 12) == 1)
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
