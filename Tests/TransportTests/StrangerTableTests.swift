import Testing
import Transport

@Suite struct StrangerTableTests {
    @Test func anAddressLosesItsOwnOldestAndNobodyElses() {
        var table = StrangerTable(room: 80)
        #expect(table.perAddress == 10 && table.total == 20)
        for id in 1...10 { #expect(table.add(UInt64(id), from: 1) == nil) }
        #expect(table.add(11, from: 2) == nil)
        #expect(table.add(12, from: 1) == 1)
        #expect(table.add(13, from: 1) == 2)
        #expect(table.add(14, from: 2) == nil)
        #expect(table.count == 12)
    }

    @Test func manyAddressesLoseTheOldestOfAll() {
        var table = StrangerTable(room: 80)
        for id in 1...20 { #expect(table.add(UInt64(id), from: UInt128(id)) == nil) }
        table.remove(1)
        #expect(table.add(21, from: 21) == nil)
        #expect(table.oldest == 2 && table.add(22, from: 22) == 2)
        #expect(table.count == 20)
    }

    @Test func churnLeavesNothing() {
        var table = StrangerTable(room: 1 << 20)
        #expect(table.perAddress == StrangerTable.usualPerAddress && table.total == StrangerTable.usualTotal)
        for id in 0..<10_000 {
            _ = table.add(UInt64(id), from: UInt128(id))
            table.remove(UInt64(id))
        }
        #expect(table.count == 0 && table.oldest == nil)
    }

    @Test func aHostIsCountedOnceHoweverItIsWritten() throws {
        func key(_ text: String) throws -> UInt128 { try #require(SocketAddress(text)).countingKey }
        #expect(try key("10.0.0.1:1") == key("[::ffff:10.0.0.1]:2"))
        #expect(try key("10.0.0.1:1") != key("10.0.0.2:1"))
        #expect(try key("[2001:db8::1]:1") == key("[2001:db8::ffff:2]:1"))
        #expect(try key("[2001:db8::1]:1") != key("[2001:db8:0:1::1]:1"))
        #expect(try key("[::1]:1") != key("0.0.0.0:1"))
    }
}
