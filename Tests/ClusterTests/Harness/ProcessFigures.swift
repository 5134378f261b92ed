import Foundation
import Glibc

/// What the kernel says of a process.
enum ProcessFigures {
    struct Failure: Error, CustomStringConvertible { let description: String }

    static func residentBytes(_ process: ProcessUnderTest) throws -> Int { try status("VmRSS", process) }

    /// The most that was resident since ``resetPeak(_:)``.
    static func peakResidentBytes(_ process: ProcessUnderTest) throws -> Int { try status("VmHWM", process) }

    static func resetPeak(_ process: ProcessUnderTest) throws {
        // 5 resets the peak to what is resident now (proc_pid_clear_refs).
        try Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/\(process.pid)/clear_refs"))
    }

    static func openDescriptors(_ process: ProcessUnderTest) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process.pid)/fd").count
    }

    /// Lets the tests themselves, who have the other end of every connection, open as many descriptors as they may.
    /// - Returns: how many that are.
    @discardableResult static func raiseDescriptorLimit() -> Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }

    private static func status(_ field: String, _ process: ProcessUnderTest) throws -> Int {
        let text = String(decoding: FileManager.default.contents(atPath: "/proc/\(process.pid)/status") ?? Data(), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("\(field):") }
        guard let kibibytes = line?.split(separator: " ").dropLast().last.flatMap({ Int($0.filter(\.isNumber)) }) else {
            throw Failure(description: "\(process.name) has no \(field): it has ended")
        }
        return kibibytes << 10
    }
}
