import Testing
import Resources

@Suite("kernel texts")
struct ResourceParserTests {
    @Test(
        "memory limits: numbers, none, nonsense",
        arguments: [
            ("536870912\n", 536_870_912), ("max\n", nil), ("9223372036854771712\n", nil), ("18446744073709551615\n", nil),
            ("", nil),
            ("-1\n", nil), ("0\n", 0),
        ] as [(String, UInt64?)])
    func memoryLimit(text: String, bytes: UInt64?) { #expect(ResourceParsers.memoryLimit(text) == bytes) }

    @Test(
        "cpu.max in cores",
        arguments: [
            ("40000 100000\n", 0.4), ("max 100000\n", nil), ("150000 50000\n", 3), ("100000\n", nil), ("", nil), ("5 0\n", nil),
        ] as [(String, Double?)])
    func cpuMax(text: String, cores: Double?) { #expect(ResourceParsers.cpuMax(text) == cores) }

    @Test(
        "cpu.cfs_quota_us in cores",
        arguments: [("60000\n", "100000\n", 0.6), ("-1\n", "100000\n", nil), ("60000\n", "\n", nil)] as [(String, String, Double?)])
    func cfsQuota(quota: String, period: String, cores: Double?) {
        #expect(ResourceParsers.cfsQuota(quota: quota, period: period) == cores)
    }

    @Test(
        "processor lists",
        arguments: [
            ("0-3,8,10-11\n", [0, 1, 2, 3, 8, 10, 11]), ("0\n", [0]), ("\n", []), ("3-1\n", nil), ("a\n", nil),
            ("0-99999999\n", nil),
            ("1-2-3\n", nil),
        ] as [(String, Set<Int>?)])
    func cpuList(text: String, cpus: Set<Int>?) { #expect(ResourceParsers.cpuList(text) == cpus) }

    @Test("allowed processors out of a status file")
    func allowed() {
        let status = "Name:\tamp4ec-worker\nThreads:\t4\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\nMems_allowed:\t1\n"
        #expect(ResourceParsers.allowedCPUs(status: status) == Set(0...7))
        #expect(ResourceParsers.allowedCPUs(status: "Name:\tx\n") == nil)
    }

    @Test("values by name: whole names only")
    func values() {
        let statistics = "usage_usec 81236\nuser_usec 70000\nnr_periods 40\nnr_throttled 12\nthrottled_usec 9\n"
        #expect(ResourceParsers.value("usage_usec", in: statistics) == 81236)
        #expect(ResourceParsers.value("nr_throttled", in: statistics) == 12)
        #expect(ResourceParsers.value("throttled_usec", in: statistics) == 9)
        #expect(ResourceParsers.value("nr", in: statistics) == nil)
        #expect(ResourceParsers.value("inactive_file", in: "total_inactive_file 7\ninactive_file 5\n") == 5)
        #expect(ResourceParsers.value("inactive_file", in: "inactive_file") == nil)
        #expect(ResourceParsers.value("x", in: "") == nil)
    }

    @Test("busy ticks leave idle and iowait out, and guest time is not counted twice")
    func busyTicks() {
        #expect(ResourceParsers.busyTicks(stat: "cpu  100 20 30 5000 400 5 6 7 90 8\ncpu0 1 1 1 1\n") == 168)
        #expect(ResourceParsers.busyTicks(stat: "cpu  1 2 3 4\n") == 6)
        #expect(ResourceParsers.busyTicks(stat: "cpu0 1 2 3 4\n") == nil)
        #expect(ResourceParsers.busyTicks(stat: "cpu  1 b 3 4\n") == nil)
        // An emulated /proc may say anything.
        let most = UInt64.max
        #expect(ResourceParsers.busyTicks(stat: "cpu  \(most) \(most) 3 4\n") == most)
        #expect(ResourceParsers.meminfo("MemTotal", in: "MemTotal: \(most) kB\n") == most)
        let line = ": \(most) 0 0 0 0 0 0 0 \(most) 0\n"
        #expect(ResourceParsers.network("eth0" + line + "eth1" + line)?.receivedBytes == most)
    }

    @Test("meminfo, statm")
    func process() {
        let meminfo = "MemTotal:       24689680 kB\nMemFree:        100 kB\nMemAvailable:   20000000 kB\n"
        #expect(ResourceParsers.meminfo("MemTotal", in: meminfo) == 24_689_680 << 10)
        #expect(ResourceParsers.meminfo("MemAvailable", in: meminfo) == 20_000_000 << 10)
        #expect(ResourceParsers.meminfo("Swap", in: meminfo) == nil)
        #expect(ResourceParsers.residentPages(statm: "90000 25123 3000 10 0 5000 0\n") == 25123)
        #expect(ResourceParsers.residentPages(statm: "1\n") == nil)
    }

    static let header =
        "Inter-|   Receive                                                |  Transmit\n"
        + " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"

    @Test("network totals: loopback apart, a name glued to its number, several interfaces")
    func network() throws {
        let text =
            Self.header
            + "    lo:    3245      30    0    0    0     0          0         0     3246      30    0    0    0     0       0          0\n"
            + "  eth0:1000 1 0 0 0 0 0 0 2000 1 0 0 0 0 0 0\n  eth1: 5 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n"
        let totals = try #require(ResourceParsers.network(text))
        #expect(totals.receivedBytes == 1005)
        #expect(totals.sentBytes == 2007)
        #expect(totals.loopbackReceivedBytes == 3245)
        #expect(totals.loopbackSentBytes == 3246)
        #expect(!totals.hasOnlyLoopback)
        #expect(ResourceParsers.network(Self.header) == nil)
    }
}

@Suite("where the control groups are")
struct CgroupLocationTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var controller: String
        var cgroup: String
        var mountinfo: String
        /// Directories that exist; nil for all.
        var existing: Set<String>?
        var directories: [String]?
        var version = CgroupLocation.Version.v2
        var testDescription: String { name }
    }

    static let v2Mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    static let v1Mounts =
        "33 32 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 master:3 - cgroup cgroup rw,cpu,cpuacct\n"
        + "34 32 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"

    static let cases: [Case] = [
        Case(
            name: "v2 on a host: a service below a slice", controller: "cpu", cgroup: "0::/system.slice/amp4ec.service\n",
            mountinfo: v2Mount,
            directories: ["/sys/fs/cgroup/system.slice/amp4ec.service", "/sys/fs/cgroup/system.slice", "/sys/fs/cgroup"]),
        Case(
            name: "v2 in a container with its own namespace", controller: "memory", cgroup: "0::/\n", mountinfo: v2Mount,
            directories: ["/sys/fs/cgroup"]),
        Case(
            name: "v2 in a container, the host's path shown but not mounted", controller: "cpu", cgroup: "0::/docker/0123abcd\n",
            mountinfo: v2Mount,
            existing: ["/sys/fs/cgroup"], directories: ["/sys/fs/cgroup"]),
        Case(
            name: "v1 in a container without its own namespace: the mount's root is the group", controller: "cpu",
            cgroup: "4:cpu,cpuacct:/docker/0123abcd\n2:memory:/docker/0123abcd\n",
            mountinfo: "40 39 0:29 /docker/0123abcd /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct\n",
            directories: ["/sys/fs/cgroup/cpu,cpuacct"], version: .v1),
        Case(
            name: "v1 nested below the mount's root", controller: "cpu", cgroup: "4:cpu,cpuacct:/docker/0123abcd/inner\n",
            mountinfo: "40 39 0:29 /docker/0123abcd /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n",
            directories: ["/sys/fs/cgroup/cpu,cpuacct/inner", "/sys/fs/cgroup/cpu,cpuacct"], version: .v1),
        Case(
            name: "a name that only begins like the mount's root is not below it", controller: "cpu",
            cgroup: "4:cpu,cpuacct:/docker/0123abcdef\n",
            mountinfo: "40 39 0:29 /docker/0123abcd /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n",
            directories: ["/sys/fs/cgroup/cpu,cpuacct"], version: .v1),
        Case(
            name: "hybrid: the controller's own v1 hierarchy wins over the empty v2 one", controller: "memory",
            cgroup: "4:memory:/user.slice\n0::/user.slice\n", mountinfo: v2Mount + v1Mounts,
            directories: ["/sys/fs/cgroup/memory/user.slice", "/sys/fs/cgroup/memory"], version: .v1),
        Case(
            name: "hybrid: a controller that v1 does not have is v2's", controller: "cpu",
            cgroup: "4:memory:/user.slice\n0::/user.slice\n",
            mountinfo: v2Mount + v1Mounts, directories: ["/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"]),
        Case(
            name: "a namespace's path above its own root", controller: "cpu", cgroup: "0::/../sibling\n", mountinfo: v2Mount,
            directories: ["/sys/fs/cgroup"]),
        Case(
            name: "a mount point with a blank", controller: "cpu", cgroup: "0::/a\n",
            mountinfo: "30 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n", directories: ["/my groups/a", "/my groups"]),
        Case(
            name: "no control groups at all", controller: "cpu", cgroup: "", mountinfo: "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
            directories: nil),
        Case(name: "a group but no mount", controller: "cpu", cgroup: "0::/x\n", mountinfo: "", directories: nil),
        Case(name: "nonsense", controller: "cpu", cgroup: "a:b\n::\n0:x\n", mountinfo: "- - -\n1 2 3\n", directories: nil),
    ]

    @Test(arguments: cases)
    func locate(_ test: Case) {
        let location = CgroupLocation.locate(
            controller: test.controller, memberships: CgroupLocation.memberships(test.cgroup),
            mounts: CgroupLocation.mounts(test.mountinfo),
            isDirectory: { test.existing?.contains($0) ?? true })
        #expect(location?.directories == test.directories)
        if test.directories != nil { #expect(location?.version == test.version) }
    }

    @Test("a hierarchy of a thousand levels is cut off at the bound")
    func depth() throws {
        let deep = String(repeating: "/a", count: 1000)
        let location = try #require(
            CgroupLocation.locate(
                controller: "cpu", memberships: CgroupLocation.memberships("0::\(deep)\n"),
                mounts: CgroupLocation.mounts(Self.v2Mount),
                isDirectory: { _ in true }))
        #expect(location.directories.count == CgroupLocation.maximumDepth)
    }
}
