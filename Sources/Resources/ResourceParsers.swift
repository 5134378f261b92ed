internal import Base

/// The texts that the kernel offers, parsed. Each returns nil for what it does not understand: a file of another kernel is no crash.
public enum ResourceParsers {
    /// From here on a version 1 memory limit means "none": the kernel prints the largest multiple of a page.
    public static let unlimitedMemory: UInt64 = 1 << 60

    /// A file that holds one number.
    public static func number(_ text: String) -> Int64? { Int64(trimmed(text)) }

    /// `memory.limit_in_bytes`, `memory.max`: nil also for "max" and for the huge number that stands for it.
    public static func memoryLimit(_ text: String) -> UInt64? {
        guard let bytes = UInt64(trimmed(text)), bytes < unlimitedMemory else { return nil }
        return bytes
    }

    /// `cpu.max`: `quota period` or `max period`, in µs. In cores.
    public static func cpuMax(_ text: String) -> Double? {
        let fields = text.split(whereSeparator: \.isWhitespace)
        guard fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]) else { return nil }
        return cores(quota: quota, period: period)
    }

    /// `cpu.cfs_quota_us` (−1 for none) and `cpu.cfs_period_us`. In cores.
    public static func cfsQuota(quota: String, period: String) -> Double? {
        guard let quota = Double(trimmed(quota)), let period = Double(trimmed(period)) else { return nil }
        return cores(quota: quota, period: period)
    }

    private static func cores(quota: Double, period: Double) -> Double? {
        quota > 0 && period > 0 && quota.isFinite && period.isFinite ? quota / period : nil
    }

    /// The value of `name` in a file of `name value` lines (`cpu.stat`, `memory.stat`).
    public static func value(_ name: String, in text: String) -> UInt64? {
        var rest = text.utf8[...]
        while !rest.isEmpty {
            let line = rest.prefix { $0 != 0x0a }
            rest = rest[line.endIndex...].dropFirst()
            guard line.starts(with: name.utf8) else { continue }
            let value = line.dropFirst(name.utf8.count)
            if value.first == 0x20 { return UInt64(String(decoding: value.dropFirst(), as: UTF8.self)) }
        }
        return nil
    }

    /// A list such as `0-3,8,10-11`.
    public static func cpuList(_ text: String) -> Set<Int>? {
        var cpus: Set<Int> = []
        for part in trimmed(text).split(separator: ",") {
            let ends = part.split(separator: "-").map { Int($0) }
            // 8,192 is the kernel's own largest number of processors.
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first >= 0, first <= last,
                last < 8192
            else {
                return nil
            }
            cpus.formUnion(first...last)
        }
        return cpus
    }

    /// `Cpus_allowed_list:` of `/proc/self/status`: what affinity and all cpusets leave.
    public static func allowedCPUs(status: String) -> Set<Int>? {
        field("Cpus_allowed_list:", in: status).flatMap { cpuList(String($0)) }
    }

    /// Busy ticks of all processors, from the first line of `/proc/stat`: all columns but idle and iowait. Guest time is inside user time.
    public static func busyTicks(stat: String) -> UInt64? {
        guard let line = field("cpu ", in: stat) else { return nil }
        let columns = numbers(line)
        guard columns.count >= 4, !columns.contains(nil) else { return nil }
        let values = columns.compactMap { $0 }
        return [0, 1, 2, 5, 6, 7].reduce(0) { $0.addedSaturating(to: $1 < values.count ? values[$1] : 0) }
    }

    /// `name:   value kB` of `/proc/meminfo`, in bytes.
    public static func meminfo(_ name: String, in text: String) -> UInt64? {
        guard let line = field(name + ":", in: text), let kibibytes = numbers(line).first ?? nil else { return nil }
        return kibibytes.multipliedSaturating(by: 1_024)
    }

    /// Resident pages: the second number of `/proc/self/statm`.
    public static func residentPages(statm: String) -> UInt64? {
        let fields = numbers(statm[...])
        return fields.count >= 2 ? fields[1] : nil
    }

    /// Totals of `/proc/self/net/dev`; nil where no interface is listed.
    public static func network(_ text: String) -> NetworkTotals? {
        var totals = NetworkTotals()
        var count = 0
        for line in text.utf8.split(separator: 0x0a) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let name = line[..<colon].drop { $0 == 0x20 }
            let columns = numbers(Substring(line[colon...].dropFirst()))
            guard columns.count >= 9, let received = columns[0], let sent = columns[8] else { continue }
            count += 1
            if name.elementsEqual("lo".utf8) {
                totals.loopbackReceivedBytes = totals.loopbackReceivedBytes.addedSaturating(to: received)
                totals.loopbackSentBytes = totals.loopbackSentBytes.addedSaturating(to: sent)
            } else {
                totals.hasOnlyLoopback = false
                totals.receivedBytes = totals.receivedBytes.addedSaturating(to: received)
                totals.sentBytes = totals.sentBytes.addedSaturating(to: sent)
            }
        }
        return count > 0 ? totals : nil
    }

    /// What follows `name` on the first line that begins with it. By bytes: a String's characters cost ten times as much.
    private static func field(_ name: String, in text: String) -> Substring? {
        var rest = text.utf8[...]
        while !rest.isEmpty {
            let line = rest.prefix { $0 != 0x0a }
            rest = rest[line.endIndex...].dropFirst()
            if line.starts(with: name.utf8) { return Substring(line.dropFirst(name.utf8.count).drop { $0 == 0x20 || $0 == 0x09 }) }
        }
        return nil
    }

    /// The numbers of a line; nil for each that is none.
    private static func numbers(_ line: Substring) -> [UInt64?] {
        line.utf8.split(whereSeparator: { $0 == 0x20 || $0 == 0x0a }).map { UInt64(Substring($0)) }
    }

    private static func trimmed(_ text: String) -> Substring {
        var rest = text[...]
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return rest.drop { $0.isWhitespace }
    }
}

/// Bytes since the interfaces came up.
public struct NetworkTotals: Sendable, Hashable {
    /// All interfaces but loopback.
    public var receivedBytes: UInt64 = 0
    public var sentBytes: UInt64 = 0
    public var loopbackReceivedBytes: UInt64 = 0
    public var loopbackSentBytes: UInt64 = 0
    public var hasOnlyLoopback = true
    public init() {}
}
