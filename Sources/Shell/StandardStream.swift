internal import Glibc

/// stdout (results) and stderr (logs), written with plain `write(2)`: nothing stays in a buffer, so a script that waits for the ready
/// line sees it, and lines of several threads never mix.
public struct StandardStream: Sendable {
    public static let output = StandardStream(descriptor: 1)
    public static let error = StandardStream(descriptor: 2)

    private let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// Writes `line` and a line feed with one call.
    public func writeLine(_ line: String) { write(line + "\n") }

    /// Writes all of `text`, usually with one call. A closed stream is not an error here: nobody is left to tell.
    public func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)[...]
            while !rest.isEmpty {
                let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if written < 0 && errno == EINTR { continue }
                guard written > 0 else { return }
                rest = rest.dropFirst(written)
            }
        }
    }
}
