import Base
import Glibc
import Loops
import Synchronization
import Testing

/// Lines that a reader does not take must cost nothing but themselves.
@Suite struct LineQueueTests {
    /// A pipe whose end for reading is the test's.
    final class Pipe {
        let reading: Int32
        private(set) var writing: Int32

        init() throws {
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            (reading, writing) = (ends[0], ends[1])
        }

        deinit {
            close(reading)
            close(writing)
        }

        /// Reads until the text so far is as wanted.
        func read(_ what: String, until isEnough: (String) -> Bool) throws -> String {
            var bytes: [UInt8] = []
            let end = Instant.current() + .seconds(20)
            while !isEnough(String(decoding: bytes, as: UTF8.self)) {
                try #require(Instant.current() < end, "\(what): only \(bytes.count) bytes came")
                var wait = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
                guard poll(&wait, 1, 100) > 0 else { continue }
                var buffer = [UInt8](repeating: 0, count: 65_536)
                let count = Glibc.read(reading, &buffer, buffer.count)
                bytes += buffer.prefix(max(0, count))
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    @Test func linesComeInOrderAndFlushWaitsForThem() throws {
        let pipe = try Pipe()
        let queue = LineQueue(descriptor: pipe.writing)
        for number in 0..<100 { queue.add("line \(number)\n") }
        #expect(queue.flush(within: .seconds(10)))
        let text = try pipe.read("all lines") { $0.hasSuffix("line 99\n") }
        #expect(text == (0..<100).map { "line \($0)\n" }.joined())
        #expect(queue.droppedCount == 0)
    }

    @Test func aReaderThatStallsCostsALineAndNoTimeAndIsToldHowMany() throws {
        let pipe = try Pipe()
        let queue = LineQueue(descriptor: pipe.writing, lineLimit: 10_000, byteLimit: 256 << 10) { "dropped \($0)\n" }
        let line = String(repeating: "x", count: 1_023) + "\n"
        let start = Instant.current()
        // The pipe takes 64 of them, the queue 256.
        for _ in 0..<2_000 { queue.add(line) }
        #expect(Instant.current() - start < .seconds(2))
        #expect(!queue.flush(within: .milliseconds(20)))
        // A deadline before the clock's start has passed as well.
        #expect(!queue.flush(within: .seconds(Int64.min)))
        // Whole lines, whatever was dropped between them; every other one is counted in a notice, of which there may be several.
        func told(_ text: String) -> Int {
            text.split(separator: "\n").reduce(0) { $0 + (Int($1.dropFirst("dropped ".count)) ?? ($1.count == 1_023 ? 1 : 0)) }
        }
        let text = try pipe.read("what was kept, and the notices") { $0.hasSuffix("\n") && told($0) >= 2_000 }
        #expect(told(text) == 2_000)
        #expect(text.split(separator: "\n").allSatisfy { $0.count == 1_023 || $0.hasPrefix("dropped ") })
        #expect(text.contains("dropped "))
        // The pipe's, the queue's, and one in hand.
        #expect(text.split(separator: "\n").count { $0.count == 1_023 } <= 64 + 256 + 1)
        #expect(queue.flush(within: .seconds(10)) && queue.droppedCount == 0)
    }

    @Test func aReaderThatIsGoneAndADiskThatIsFullAreCounted() async {
        await #expect(processExitsWith: .success) {
            signal(SIGPIPE, SIG_IGN)
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            close(ends[0])
            let queue = LineQueue(descriptor: ends[1])
            for _ in 0..<10 { queue.add("nobody reads this\n") }
            #expect(queue.flush(within: .seconds(10)))
            // What cannot be told of is not told of twice: with a notice they stay counted.
            let full = open("/dev/full", O_WRONLY)
            try #require(full >= 0)
            let disk = LineQueue(descriptor: full) { "dropped \($0)\n" }
            for _ in 0..<10 { disk.add("there is no room\n") }
            #expect(disk.flush(within: .seconds(10)))
            #expect(disk.droppedCount == 10)
            // Room again.
            try #require(pipe(&ends) == 0)
            try #require(dup2(ends[1], full) == full)
            disk.add("here I am\n")
            #expect(disk.flush(within: .seconds(10)))
            var buffer = [UInt8](repeating: 0, count: 1_000)
            let count = read(ends[0], &buffer, buffer.count)
            #expect(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self) == "dropped 10\nhere I am\n")
            exit(0)
        }
    }
}
