public import Base
internal import Glibc

/// Reads what this process may use and what is in use: its control groups (versions 1 and 2), else the host.
///
/// Quotas are read again with each sample, because they may be changed under a running worker. Meant for 1 Hz: `/proc/stat` counts
/// in hundredths of a second, which a faster clock would see as noise. Files stay open and are read with `pread`.
///
/// ## Concurrency model
/// Used by one thread at a time.
public struct ResourceProbe {
    /// Where the figures come from, for the log.
    public enum Scope: String, Sendable, Hashable { case cgroupV1 = "cgroup v1", cgroupV2 = "cgroup v2", host }

    /// Samples that follow one another faster have the rates of the one before: over a few milliseconds a counter of 10 ms steps says
    /// nothing, and the quota's periods are 100 ms long.
    public static let shortestRateNanoseconds: UInt64 = 200_000_000

    private struct Counters {
        var atNanoseconds: UInt64
        var usedNanoseconds: UInt64
        /// The group that was counted; nil for the host.
        var level: Int?
        var periods: UInt64
        var throttledPeriods: UInt64
        var processNanoseconds: UInt64
    }

    /// Which version each figure comes from while a limit is set; ``Scope/host`` where the process has no group of that kind.
    public let cpuScope: Scope
    public let memoryScope: Scope

    private let cpu: CgroupCPU?
    private let memory: CgroupMemory?
    private let hostStat: PseudoFile
    private let meminfo: PseudoFile
    private let status: PseudoFile
    private let statm: PseudoFile
    private let online: PseudoFile?
    private let networkDevices: PseudoFile?
    private let processNanoseconds: () -> UInt64
    private let nanosecondsPerTick: UInt64
    private let pageByteCount: UInt64
    private var before: Counters?
    private var latest = ResourceSample()

    /// - Parameters:
    ///   - root: what stands before `/proc` and `/sys`; a test's own tree.
    ///   - processNanoseconds: the process's CPU time; the kernel's clock unless a test says otherwise.
    /// - Throws: where `/proc` is not there: nothing can be measured then.
    public init(root: String = "/", processNanoseconds: @escaping () -> UInt64 = Self.processClock) throws(ResourceProbeError) {
        let base = root.hasSuffix("/") ? String(root.dropLast()) : root
        func file(_ path: String, expecting byteCount: Int) throws(ResourceProbeError) -> PseudoFile {
            if let file = PseudoFile(base + path, expecting: byteCount) { return file }
            let reason = errno
            let fix = reason == EMFILE ? "raise the limit of open files (ulimit -n)" : "mount /proc where the process runs"
            throw ResourceProbeError(message: "cannot read \(base + path): \(String(cString: strerror(reason))); \(fix)")
        }
        hostStat = try file("/proc/stat", expecting: 1024)
        meminfo = try file("/proc/meminfo", expecting: 4096)
        status = try file("/proc/self/status", expecting: 4096)
        statm = try file("/proc/self/statm", expecting: 128)
        online = PseudoFile(base + "/sys/devices/system/cpu/online", expecting: 256)
        networkDevices = PseudoFile(base + "/proc/self/net/dev", expecting: 16 << 10)

        let memberships = CgroupLocation.memberships(PseudoFile(base + "/proc/self/cgroup")?.text() ?? "")
        let mounts = CgroupLocation.mounts(PseudoFile(base + "/proc/self/mountinfo", expecting: 64 << 10)?.text() ?? "")
        func locate(_ controller: String) -> CgroupLocation? {
            CgroupLocation.locate(controller: controller, memberships: memberships, mounts: mounts) { Self.isDirectory(base + $0) }
        }
        let cpuLocation = locate("cpu")
        let memoryLocation = locate("memory")
        cpu = cpuLocation.map { CgroupCPU($0, accounting: locate("cpuacct"), root: base) }
        memory = memoryLocation.map { CgroupMemory($0, root: base) }
        cpuScope = Self.scope(cpuLocation)
        memoryScope = Self.scope(memoryLocation)
        self.processNanoseconds = processNanoseconds
        nanosecondsPerTick = 1_000_000_000 / UInt64(max(sysconf(Int32(_SC_CLK_TCK)), 1))
        pageByteCount = UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1))
    }

    /// The resources now. `now` is the caller's monotonic clock; rates are over the time since the sample before.
    public mutating func sample(at now: Instant) -> ResourceSample {
        let now = UInt64(clamping: now.nanoseconds)
        var sample = ResourceSample()
        let group = cpu?.read()
        sample.isQuotaBound = group != nil
        let allowed = allowedCores()
        sample.quotaCores = min(group?.quotaCores ?? .infinity, Double(allowed))
        let ticks = group == nil ? hostStat.text().flatMap { ResourceParsers.busyTicks(stat: $0) } ?? 0 : 0
        let counters = Counters(
            atNanoseconds: now, usedNanoseconds: group?.usedNanoseconds ?? ticks.multipliedSaturating(by: nanosecondsPerTick),
            level: group?.level,
            periods: group?.periods ?? 0, throttledPeriods: group?.throttledPeriods ?? 0, processNanoseconds: processNanoseconds())
        if let before, now < before.atNanoseconds.addedSaturating(to: Self.shortestRateNanoseconds), before.level == counters.level
        {
            sample.takeRates(of: latest)
        } else {
            if let before { Self.fillRates(&sample, from: before, to: counters) }
            before = counters
        }
        fillMemory(&sample)
        fillNetwork(&sample)
        latest = sample
        return sample
    }

    /// CPU time of all threads of this process, in ns.
    public static func processClock() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    // MARK: - Parts

    private static func fillRates(_ sample: inout ResourceSample, from before: Counters, to after: Counters) {
        func rise(_ old: UInt64, _ new: UInt64) -> Double { new > old ? Double(new - old) : 0 }
        let elapsed = rise(before.atNanoseconds, after.atNanoseconds)
        guard elapsed > 0 else { return }
        sample.processCPUCores = rise(before.processNanoseconds, after.processNanoseconds) / elapsed
        // After a change of the binding group the counters are another's: no rate until the next sample.
        guard before.level == after.level else { return }
        sample.cpuUsedCores = rise(before.usedNanoseconds, after.usedNanoseconds) / elapsed
        let periods = rise(before.periods, after.periods)
        if periods > 0 { sample.throttledShare = min(1, rise(before.throttledPeriods, after.throttledPeriods) / periods) }
    }

    /// At least 1: the process runs somewhere.
    private func allowedCores() -> Int {
        let allowed = status.text().flatMap { ResourceParsers.allowedCPUs(status: $0) }
        let running = online?.text().flatMap { ResourceParsers.cpuList($0) }
        switch (allowed, running) {
        case (let allowed?, let running?): return max(1, allowed.intersection(running).count)
        case (let some?, nil), (nil, let some?): return max(1, some.count)
        case (nil, nil): return max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        }
    }

    private func fillMemory(_ sample: inout ResourceSample) {
        let host = meminfo.text() ?? ""
        let total = ResourceParsers.meminfo("MemTotal", in: host) ?? 0
        let available = ResourceParsers.meminfo("MemAvailable", in: host) ?? ResourceParsers.meminfo("MemFree", in: host) ?? 0
        sample.processResidentBytes = (statm.text().flatMap { ResourceParsers.residentPages(statm: $0) } ?? 0).multipliedSaturating(
            by: pageByteCount)
        // A limit above the machine's memory limits nothing.
        if let group = memory?.read(), group.limitBytes <= total || total == 0 {
            sample.memoryUsedBytes = group.usedBytes
            sample.memoryLimitBytes = group.limitBytes
            sample.memoryAvailableBytes = total == 0 ? group.availableBytes : min(group.availableBytes, available)
        } else {
            sample.memoryUsedBytes = total > available ? total - available : 0
            sample.memoryLimitBytes = total
            sample.memoryAvailableBytes = available
        }
    }

    private func fillNetwork(_ sample: inout ResourceSample) {
        guard let totals = networkDevices?.text().flatMap({ ResourceParsers.network($0) }) else { return }
        sample.networkReceivedBytes = totals.hasOnlyLoopback ? totals.loopbackReceivedBytes : totals.receivedBytes
        sample.networkSentBytes = totals.hasOnlyLoopback ? totals.loopbackSentBytes : totals.sentBytes
        sample.loopbackReceivedBytes = totals.loopbackReceivedBytes
        sample.loopbackSentBytes = totals.loopbackSentBytes
    }

    private static func scope(_ location: CgroupLocation?) -> Scope {
        switch location?.version {
        case .v1: .cgroupV1
        case .v2: .cgroupV2
        case nil: .host
        }
    }

    private static func isDirectory(_ path: String) -> Bool {
        var information = stat()
        return stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
    }
}
