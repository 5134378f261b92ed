import Glibc
import Shell
import Testing

@Suite("Progress of long work")
struct ProgressTests {
    /// What comes out at the other end, until it is as long as expected or nothing comes.
    private func text(_ descriptor: Int32, atLeast byteCount: Int = 1) -> String {
        var text: [UInt8] = []
        while text.count < byteCount {
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            var bytes = [UInt8](repeating: 0, count: 4_096)
            guard poll(&wait, 1, 5_000) > 0 else { break }
            let count = read(descriptor, &bytes, bytes.count)
            guard count > 0 else { break }
            text += bytes[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }

    @Test("a terminal has a line that is written over, and erased in the end") func terminal() throws {
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        try #require(master >= 0)
        defer { close(master) }
        // What unlockpt and ptsname do, which Swift does not see: TIOCSPTLCK, TIOCGPTN.
        var (isLocked, number): (Int32, Int32) = (0, -1)
        try #require(ioctl(master, 0x4004_5431, &isLocked) == 0 && ioctl(master, 0x8004_5430, &number) == 0)
        let slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        try #require(slave >= 0)
        defer { close(slave) }
        let progress = ProgressLine(descriptor: slave)
        progress.end()
        progress.show("timing the layers")
        progress.update("1 of 2, a moment later")
        progress.show(String(repeating: "x", count: 200))
        progress.end()
        progress.end()
        let erase = "\r\u{1B}[K"
        let expected = "\(erase)timing the layers\(erase)\(String(repeating: "x", count: 79))\(erase)"
        #expect(text(master, atLeast: expected.utf8.count) == expected)
    }

    @Test("a pipe has nothing") func pipeline() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let progress = ProgressLine(descriptor: ends[1])
        progress.show("timing the layers")
        progress.update("1 of 2")
        progress.end()
        close(ends[1])
        #expect(text(ends[0]).isEmpty)
        close(ends[0])
    }
}
