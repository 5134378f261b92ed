internal import Base
internal import Glibc
internal import Resources
internal import Shell

/// How much memory a file that is given to a command may take.
///
/// The whole file is in memory, and so is what it holds, unpacked. When both together are more than this process may have, the kernel ends it
/// without a message. So each of them may take a third of that, and a third is left for the model and the rest.
enum FileRoom {
    private static let share = 1.0 / 3

    /// Computed from what this process's control groups and the host allow it; practically no limit when neither gives one.
    static let byteCount: Int = {
        // Rates are over the time between two samples; there is one.
        guard var probe = try? ResourceProbe() else { return .max }
        return Int(clamping: UInt64(Double(probe.sample(at: .zero).memoryForProcessBytes) * share))
    }()

    /// - Throws: ``CommandFailure`` (bad data) for a file that is larger; a file that cannot be read is an error of the reader that comes next.
    static func check(_ path: String) throws(CommandFailure) {
        var information = stat()
        guard stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFREG, information.st_size > byteCount else {
            return
        }
        throw CommandFailure(
            .badData,
            "\(path) has \(information.st_size) bytes, but one file may take \(byteCount) here, a third of the memory that this process "
                + "may have; split it, or give the command more memory")
    }
}
