internal import Base

/// CPU accounting and limits of the process's groups, versions 1 and 2.
struct CgroupCPU {
    private struct Level {
        /// Version 2: `cpu.max`. Version 1: `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
        var quota: PseudoFile?
        var period: PseudoFile?
        var statistics: PseudoFile?
        /// Version 1: `cpuacct.usage`, in ns. Version 2 has it in `cpu.stat`, in µs.
        var usage: PseudoFile?
    }

    struct Reading {
        /// The smallest quota of all levels, with the figures of the group that it binds.
        var quotaCores: Double
        var usedNanoseconds: UInt64
        var periods: UInt64
        var throttledPeriods: UInt64
        /// Which level binds; when it changes, counters belong to another group.
        var level: Int
    }

    private let levels: [Level]

    /// - Parameter accounting: version 1 counts usage in a hierarchy of its own, often mounted with `cpu`.
    init(_ location: CgroupLocation, accounting: CgroupLocation?, root: String) {
        levels = location.directories.indices.map { index in
            let directory = root + location.directories[index]
            switch location.version {
            case .v2:
                return Level(quota: PseudoFile(directory + "/cpu.max"), statistics: PseudoFile(directory + "/cpu.stat"))
            case .v1:
                // The same level, counted from the mount point: the two hierarchies need not be equally deep.
                let height = location.directories.count - 1 - index
                let usage = accounting.flatMap { accounting -> PseudoFile? in
                    let match = accounting.directories.count - 1 - height
                    return PseudoFile(root + accounting.directories[max(0, match)] + "/cpuacct.usage")
                }
                return Level(
                    quota: PseudoFile(directory + "/cpu.cfs_quota_us"), period: PseudoFile(directory + "/cpu.cfs_period_us"),
                    statistics: PseudoFile(directory + "/cpu.stat"), usage: usage)
            }
        }
    }

    /// Nil where no level has a quota, or its usage cannot be read: then the host is what there is.
    func read() -> Reading? {
        var tightest: (cores: Double, level: Int)?
        for (index, level) in levels.enumerated() {
            guard let quota = level.quota?.text() else { continue }
            let cores =
                level.period.map { $0.text().flatMap { ResourceParsers.cfsQuota(quota: quota, period: $0) } }
                ?? ResourceParsers.cpuMax(quota)
            if let cores, cores < tightest?.cores ?? .infinity { tightest = (cores, index) }
        }
        guard let tightest else { return nil }
        let level = levels[tightest.level]
        let statistics = level.statistics?.text() ?? ""
        let used: UInt64?
        if let usage = level.usage?.text() {
            used = ResourceParsers.number(usage).flatMap { UInt64(exactly: $0) }
        } else {
            used = ResourceParsers.value("usage_usec", in: statistics).map { $0.multipliedSaturating(by: 1_000) }
        }
        guard let used else { return nil }
        return Reading(
            quotaCores: tightest.cores, usedNanoseconds: used, periods: ResourceParsers.value("nr_periods", in: statistics) ?? 0,
            throttledPeriods: ResourceParsers.value("nr_throttled", in: statistics) ?? 0, level: tightest.level)
    }
}

/// Memory use and limits of the process's groups, versions 1 and 2.
struct CgroupMemory {
    private struct Level {
        var limit: PseudoFile?
        var usage: PseudoFile?
        var statistics: PseudoFile?
    }

    struct Reading {
        var usedBytes: UInt64
        var limitBytes: UInt64
        var availableBytes: UInt64 { limitBytes > usedBytes ? limitBytes - usedBytes : 0 }
    }

    private let levels: [Level]
    private let inactiveName: String

    init(_ location: CgroupLocation, root: String) {
        let isV2 = location.version == .v2
        // Version 1's plain `inactive_file` leaves child groups out, whose pages its usage counts.
        inactiveName = isV2 ? "inactive_file" : "total_inactive_file"
        levels = location.directories.map { directory in
            let base = root + directory
            return Level(
                limit: PseudoFile(base + (isV2 ? "/memory.max" : "/memory.limit_in_bytes"), expecting: 64),
                usage: PseudoFile(base + (isV2 ? "/memory.current" : "/memory.usage_in_bytes"), expecting: 64),
                statistics: PseudoFile(base + "/memory.stat"))
        }
    }

    /// The level that leaves the least, or nil where none has a limit.
    func read() -> Reading? {
        var tightest: Reading?
        for level in levels {
            guard let limit = level.limit?.text().flatMap({ ResourceParsers.memoryLimit($0) }),
                let usage = level.usage?.text().flatMap({ ResourceParsers.number($0) }).flatMap({ UInt64(exactly: $0) })
            else { continue }
            let inactive = level.statistics?.text().flatMap { ResourceParsers.value(inactiveName, in: $0) } ?? 0
            let reading = Reading(usedBytes: usage > inactive ? usage - inactive : 0, limitBytes: limit)
            if reading.availableBytes < tightest?.availableBytes ?? .max { tightest = reading }
        }
        return tightest
    }
}
