import Base
import Glibc
import Testing
import Resources

@Suite("resource probe")
struct ResourceProbeTests {
    /// A machine with four processors, 8 GiB of memory and no control groups.
    static func host() -> TemporaryFolder {
        let tree = TemporaryFolder()
        tree.write("cpu  1000 0 0 9000 0 0 0 0 0 0\ncpu0 1000 0 0 9000 0 0 0 0 0 0\n", to: "proc/stat")
        tree.write("MemTotal:        8388608 kB\nMemFree:         1000 kB\nMemAvailable:    6291456 kB\n", to: "proc/meminfo")
        tree.write("Name:\tx\nCpus_allowed_list:\t0-127\n", to: "proc/self/status")
        tree.write("90000 25000 3000 10 0 5000 0\n", to: "proc/self/statm")
        tree.write("0-3\n", to: "sys/devices/system/cpu/online")
        tree.write(
            ResourceParserTests.header
                + "    lo: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n  eth0: 1000 1 0 0 0 0 0 0 2000 1 0 0 0 0 0 0\n",
            to: "proc/self/net/dev")
        return tree
    }

    /// The same with version 2 groups: a pod limited to 2 cores and 2 GiB, the container inside to 0.6 cores and 3 GiB.
    static func v2() -> TemporaryFolder {
        let tree = host()
        tree.write("0::/pod/worker\n", to: "proc/self/cgroup")
        tree.write(CgroupLocationTests.v2Mount, to: "proc/self/mountinfo")
        let base = "sys/fs/cgroup"
        tree.write("usage_usec 99000000\n", to: base + "/cpu.stat")
        tree.write("200000 100000\n", to: base + "/pod/cpu.max")
        tree.write("usage_usec 50000000\nnr_periods 0\nnr_throttled 0\n", to: base + "/pod/cpu.stat")
        tree.write("60000 100000\n", to: base + "/pod/worker/cpu.max")
        tree.write("usage_usec 1000000\nnr_periods 100\nnr_throttled 10\n", to: base + "/pod/worker/cpu.stat")
        tree.write("2147483648\n", to: base + "/pod/memory.max")
        tree.write("1073741824\n", to: base + "/pod/memory.current")
        tree.write("anon 1\ninactive_file 268435456\n", to: base + "/pod/memory.stat")
        tree.write("3221225472\n", to: base + "/pod/worker/memory.max")
        tree.write("536870912\n", to: base + "/pod/worker/memory.current")
        tree.write("inactive_file 0\n", to: base + "/pod/worker/memory.stat")
        return tree
    }

    /// Version 1, `cpu` and `cpuacct` mounted apart, limits of 0.4 cores and 512 MiB.
    static func v1() -> TemporaryFolder {
        let tree = host()
        tree.write("4:memory:/w\n2:cpuacct:/w\n1:cpu:/w\n0::/\n", to: "proc/self/cgroup")
        tree.write(
            "31 23 0:27 / /cg/cpu rw - cgroup cgroup rw,cpu\n32 23 0:28 / /cg/cpuacct rw - cgroup cgroup rw,cpuacct\n"
                + "33 23 0:29 / /cg/memory rw - cgroup cgroup rw,memory\n34 23 0:30 / /cg/unified rw - cgroup2 cgroup2 rw\n",
            to: "proc/self/mountinfo")
        tree.write("40000\n", to: "cg/cpu/w/cpu.cfs_quota_us")
        tree.write("100000\n", to: "cg/cpu/w/cpu.cfs_period_us")
        tree.write("nr_periods 50\nnr_throttled 5\nthrottled_time 1\n", to: "cg/cpu/w/cpu.stat")
        tree.write("-1\n", to: "cg/cpu/cpu.cfs_quota_us")
        tree.write("100000\n", to: "cg/cpu/cpu.cfs_period_us")
        tree.write("3000000000\n", to: "cg/cpuacct/w/cpuacct.usage")
        tree.write("999000000000\n", to: "cg/cpuacct/cpuacct.usage")
        tree.write("536870912\n", to: "cg/memory/w/memory.limit_in_bytes")
        tree.write("209715200\n", to: "cg/memory/w/memory.usage_in_bytes")
        tree.write("inactive_file 1\ntotal_inactive_file 104857600\n", to: "cg/memory/w/memory.stat")
        tree.write("9223372036854771712\n", to: "cg/memory/memory.limit_in_bytes")
        tree.write("5000000000\n", to: "cg/memory/memory.usage_in_bytes")
        return tree
    }

    static let second: UInt64 = 1_000_000_000
    static func at(_ nanoseconds: UInt64) -> Instant { Instant(nanoseconds: Int64(nanoseconds)) }

    @Test("a host without control groups: /proc")
    func hostFigures() throws {
        let tree = Self.host()
        var ticking: UInt64 = 0
        var probe = try ResourceProbe(root: tree.path, processNanoseconds: { ticking })
        let first = probe.sample(at: Self.at(Self.second))
        #expect(first.cpuUsedCores == 0)
        #expect(first.quotaCores == 4)
        #expect(first.memoryLimitBytes == 8 << 30)
        #expect(first.memoryAvailableBytes == 6 << 30)
        #expect(first.memoryUsedBytes == 2 << 30)
        #expect(first.processResidentBytes == 25000 * UInt64(sysconf(Int32(_SC_PAGESIZE))))
        #expect(first.networkReceivedBytes == 1000)
        #expect(first.networkSentBytes == 2000)
        #expect(first.loopbackReceivedBytes == 10)
        #expect(first.loopbackSentBytes == 20)
        #expect(probe.cpuScope == .host)

        // 300 ticks of 10 ms in 2 s: 1.5 cores; 0.5 s of it ours.
        tree.write("cpu  1200 0 100 9500 0 0 0 0 0 0\n", to: "proc/stat")
        ticking = Self.second / 2
        let next = probe.sample(at: Self.at(3 * Self.second))
        #expect(abs(next.cpuUsedCores - 1.5) < 1e-9)
        #expect(next.processCPUCores == 0.25)
        #expect(next.throttledShare == 0)
    }

    @Test("version 2: the smallest quota, the tightest memory, whatever level they are at")
    func v2Figures() throws {
        let tree = Self.v2()
        var probe = try ResourceProbe(root: tree.path)
        let first = probe.sample(at: .zero)
        #expect(probe.cpuScope == .cgroupV2)
        #expect(abs(first.quotaCores - 0.6) < 1e-9)
        // The pod leaves 2 GiB − (1 GiB − 256 MiB) = 1.25 GiB, the container 2.5 GiB.
        #expect(first.memoryLimitBytes == 2 << 30)
        #expect(first.memoryUsedBytes == 768 << 20)
        #expect(first.memoryAvailableBytes == 1280 << 20)
        tree.write("usage_usec 1300000\nnr_periods 110\nnr_throttled 14\n", to: "sys/fs/cgroup/pod/worker/cpu.stat")
        let next = probe.sample(at: Self.at(Self.second))
        #expect(abs(next.cpuUsedCores - 0.3) < 1e-9)
        #expect(abs(next.throttledShare - 0.4) < 1e-9)
    }

    @Test("pages that another group is charged for are no room beyond the limit")
    func sharedPages() {
        var sample = ResourceSample()
        sample.memoryAvailableBytes = 360 << 20
        // 150 MiB of them charged to this group.
        sample.processResidentBytes = 214 << 20
        sample.memoryLimitBytes = 512 << 20
        #expect(sample.memoryForProcessBytes == 512 << 20)
        sample.memoryAvailableBytes = 100 << 20
        #expect(sample.memoryForProcessBytes == 314 << 20)
    }

    @Test("version 1 with cpu and cpuacct mounted apart")
    func v1Figures() throws {
        let tree = Self.v1()
        var probe = try ResourceProbe(root: tree.path)
        let first = probe.sample(at: .zero)
        #expect(probe.cpuScope == .cgroupV1)
        #expect(probe.memoryScope == .cgroupV1)
        #expect(abs(first.quotaCores - 0.4) < 1e-9)
        #expect(first.memoryLimitBytes == 512 << 20)
        #expect(first.memoryUsedBytes == 100 << 20)
        #expect(first.memoryAvailableBytes == 412 << 20)
        tree.write("3200000000\n", to: "cg/cpuacct/w/cpuacct.usage")
        tree.write("nr_periods 60\nnr_throttled 15\nthrottled_time 1\n", to: "cg/cpu/w/cpu.stat")
        let next = probe.sample(at: Self.at(Self.second))
        #expect(abs(next.cpuUsedCores - 0.2) < 1e-9)
        #expect(next.throttledShare == 1)
    }

    @Test("a quota changed under way is seen at once; when another group binds, its counters make no rate")
    func changedQuota() throws {
        let tree = Self.v2()
        var probe = try ResourceProbe(root: tree.path)
        _ = probe.sample(at: .zero)
        tree.write("30000 100000\n", to: "sys/fs/cgroup/pod/worker/cpu.max")
        #expect(abs(probe.sample(at: Self.at(Self.second)).quotaCores - 0.3) < 1e-9)
        tree.write("max 100000\n", to: "sys/fs/cgroup/pod/worker/cpu.max")
        let other = probe.sample(at: Self.at(2 * Self.second))
        #expect(other.quotaCores == 2)
        #expect(other.cpuUsedCores == 0)
        tree.write("usage_usec 50500000\n", to: "sys/fs/cgroup/pod/cpu.stat")
        #expect(abs(probe.sample(at: Self.at(3 * Self.second)).cpuUsedCores - 0.5) < 1e-9)
    }

    @Test("no limits in the groups: the host's figures; affinity below the quota wins")
    func unlimitedGroups() throws {
        let tree = Self.v2()
        tree.write("max 100000\n", to: "sys/fs/cgroup/pod/cpu.max")
        tree.write("max 100000\n", to: "sys/fs/cgroup/pod/worker/cpu.max")
        tree.write("max\n", to: "sys/fs/cgroup/pod/memory.max")
        tree.write("max\n", to: "sys/fs/cgroup/pod/worker/memory.max")
        var probe = try ResourceProbe(root: tree.path)
        let sample = probe.sample(at: .zero)
        #expect(sample.quotaCores == 4)
        #expect(sample.memoryLimitBytes == 8 << 30)
        tree.write("300000 100000\n", to: "sys/fs/cgroup/pod/cpu.max")
        tree.write("Name:\tx\nCpus_allowed_list:\t1-2\n", to: "proc/self/status")
        tree.write("1099511627776\n", to: "sys/fs/cgroup/pod/memory.max")
        let narrower = probe.sample(at: Self.at(Self.second))
        #expect(narrower.quotaCores == 2)
        #expect(narrower.memoryLimitBytes == 8 << 30, "a limit of 1 TiB limits nothing on 8 GiB")
    }

    @Test("a clock that stands still, counters that fall, files that vanish or hold nonsense: no trap, no rate")
    func oddities() throws {
        let tree = Self.v2()
        var probe = try ResourceProbe(root: tree.path)
        _ = probe.sample(at: Self.at(Self.second))
        #expect(probe.sample(at: Self.at(Self.second)).cpuUsedCores == 0)
        tree.write("usage_usec 5\nnr_periods 1\nnr_throttled 0\n", to: "sys/fs/cgroup/pod/worker/cpu.stat")
        #expect(probe.sample(at: Self.at(2 * Self.second)).cpuUsedCores == 0)
        for file in ["proc/stat", "proc/meminfo", "proc/self/status", "proc/self/statm", "proc/self/net/dev"] {
            tree.write([0xff, 0x00, 0x80], to: file)
        }
        tree.write("", to: "sys/fs/cgroup/pod/worker/cpu.stat")
        let sample = probe.sample(at: Self.at(3 * Self.second))
        #expect(sample.cpuUsedCores == 0)
        #expect(sample.quotaCores >= 1)
        #expect(sample.networkReceivedBytes == 0)
    }

    @Test("a sample that follows at once has the rates of the one before, and its time counts for the next")
    func closeSamples() throws {
        let tree = Self.v2()
        var probe = try ResourceProbe(root: tree.path)
        _ = probe.sample(at: .zero)
        func use(_ microseconds: Int, ofMemory bytes: Int) {
            tree.write(
                "usage_usec \(microseconds)\nnr_periods 100\nnr_throttled 10\n", to: "sys/fs/cgroup/pod/worker/cpu.stat")
            tree.write("\(bytes)\n", to: "sys/fs/cgroup/pod/memory.current")
        }
        use(1_500_000, ofMemory: 1 << 30)
        #expect(abs(probe.sample(at: Self.at(Self.second)).cpuUsedCores - 0.5) < 1e-9)
        use(1_505_000, ofMemory: 1 << 29)
        let close = probe.sample(at: Self.at(Self.second + 5_000_000))
        #expect(abs(close.cpuUsedCores - 0.5) < 1e-9, "5 ms of a core in 5 ms are no core")
        #expect(close.memoryUsedBytes == 256 << 20, "what is no rate is read again")
        use(1_600_000, ofMemory: 1 << 29)
        #expect(abs(probe.sample(at: Self.at(2 * Self.second)).cpuUsedCores - 0.1) < 1e-9)
    }

    @Test("without /proc it says what to do")
    func noProc() {
        let empty = TemporaryFolder()
        do {
            _ = try ResourceProbe(root: empty.path)
            Issue.record("it started")
        } catch {
            #expect(error.message.contains("/proc/stat"))
            #expect(error.message.contains("No such file or directory; mount /proc"))
        }
    }

    @Test("this machine: a thread that burns 300 ms of CPU is in the process's figure, which agrees with the kernel's ticks")
    func reality() throws {
        var probe = try ResourceProbe()
        let begin = Self.monotonic()
        let ticksBefore = Self.processTicks()
        _ = probe.sample(at: Self.at(begin))
        let until = SpeedProbe.threadNanoseconds() + 300_000_000
        while SpeedProbe.threadNanoseconds() < until {}
        let end = Self.monotonic()
        let sample = probe.sample(at: Self.at(end))
        let seconds = Double(end - begin) / 1e9
        let burned = sample.processCPUCores * seconds
        let counted = Double(Self.processTicks() - ticksBefore) / Double(sysconf(Int32(_SC_CLK_TCK)))
        #expect(burned >= 0.299)
        // Other tests run beside it in this process, so both see more; two ticks at either end are the kernel's rounding.
        #expect(abs(burned - counted) < 0.04 + 0.02 * counted, "probe \(burned) s, ticks \(counted) s")
        #expect(sample.cpuUsedCores * seconds >= 0.25, "the machine or group is at least as busy as we are")
        #expect(sample.quotaCores > 0)
        #expect(sample.processResidentBytes > 1 << 20)
        #expect(sample.memoryAvailableBytes > 0)
        #expect(sample.memoryLimitBytes >= sample.memoryUsedBytes)
    }

    @Test("memory that is touched shows in the resident set")
    func touchedMemory() throws {
        var probe = try ResourceProbe()
        let before = probe.sample(at: .zero).processResidentBytes
        let block = UnsafeMutableRawPointer.allocate(byteCount: 200 << 20, alignment: 4096)
        memset(block, 1, 200 << 20)
        let after = probe.sample(at: Self.at(1)).processResidentBytes
        block.deallocate()
        #expect(after > before + 150 << 20)
    }

    @Test("one sample costs less than a thousandth of a core at 1 Hz")
    func cost() throws {
        var probe = try ResourceProbe()
        _ = probe.sample(at: .zero)
        let count = 1_000
        let begin = SpeedProbe.threadNanoseconds()
        for index in 1...count { _ = probe.sample(at: Self.at(UInt64(index) * Self.second)) }
        let microseconds = Double(SpeedProbe.threadNanoseconds() - begin) / 1000 / Double(count)
        print(
            "one resource sample: \(microseconds) µs of CPU (\(probe.cpuScope.rawValue)), \(microseconds / 10_000) % of a core at 1 Hz"
        )
        #expect(microseconds < 1000)
    }

    static func monotonic() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// User and system ticks of `/proc/self/stat`, behind the program's name in brackets.
    static func processTicks() -> UInt64 {
        guard let file = fopen("/proc/self/stat", "r") else { return 0 }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = fread(&buffer, 1, buffer.count, file)
        let fields = String(decoding: buffer[..<count], as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
        return fields.count > 12 ? (UInt64(fields[11]) ?? 0) + (UInt64(fields[12]) ?? 0) : 0
    }
}

@Suite("speed probe", .serialized)
struct SpeedProbeTests {
    @Test("it is quick, positive and repeats itself")
    func repeats() {
        let begin = SpeedProbe.threadNanoseconds()
        let first = SpeedProbe.measure()
        let took = Double(SpeedProbe.threadNanoseconds() - begin) / 1e6
        let second = SpeedProbe.measure()
        print(
            "speed probe: \(first.gigaflops) and \(second.gigaflops) GFLOP/s, \(first.relativeSpeed) of the reference, \(took) ms")
        #expect(first.gigaflops > 0.1)
        #expect(took < 100)
        #expect(abs(first.gigaflops / second.gigaflops - 1) < 0.5)
        #expect(abs(first.relativeSpeed * SpeedProbe.referenceGigaflops - first.gigaflops) < 1e-9)
    }
}
