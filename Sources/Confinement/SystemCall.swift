/// A system call that a confined thread may not make, or only so, with its numbers. A call that an architecture does not have has no number.
///
/// The numbers are the kernel's for ever: `asm/unistd_64.h` and `asm-generic/unistd.h`, which arm64 uses.
package struct SystemCall: Sendable, Hashable {
    package let name: String
    private let x86_64: UInt32?
    private let arm64: UInt32?

    package init(_ name: String, _ x86_64: UInt32?, _ arm64: UInt32?) {
        self.name = name
        self.x86_64 = x86_64
        self.arm64 = arm64
    }

    /// Since Linux 5.1 a new call has one number everywhere.
    private init(_ name: String, _ number: UInt32) { self.init(name, number, number) }

    package func number(on machine: FilteredMachine) -> UInt32? {
        switch machine {
        case .x86_64: x86_64
        case .arm64: arm64
        }
    }

    /// Sockets, also those that are open: the process's are not the model's.
    private static let network = [
        SystemCall("socket", 41, 198), SystemCall("socketpair", 53, 199), SystemCall("bind", 49, 200),
        SystemCall("listen", 50, 201),
        SystemCall("accept", 43, 202), SystemCall("accept4", 288, 242), SystemCall("connect", 42, 203),
        SystemCall("sendto", 44, 206),
        SystemCall("recvfrom", 45, 207), SystemCall("setsockopt", 54, 208), SystemCall("shutdown", 48, 210),
        SystemCall("sendmsg", 46, 211), SystemCall("recvmsg", 47, 212), SystemCall("recvmmsg", 299, 243),
        SystemCall("sendmmsg", 307, 269),
    ]

    /// Other programs, and other processes.
    private static let processes = [
        SystemCall("execve", 59, 221), SystemCall("execveat", 322, 281), SystemCall("fork", 57, nil), SystemCall("vfork", 58, nil),
        SystemCall("ptrace", 101, 117), SystemCall("process_vm_readv", 310, 270), SystemCall("process_vm_writev", 311, 271),
        SystemCall("kcmp", 312, 272), SystemCall("process_madvise", 440), SystemCall("process_mrelease", 448),
        SystemCall("tkill", 200, 130), SystemCall("pidfd_send_signal", 424), SystemCall("pidfd_open", 434),
        SystemCall("pidfd_getfd", 438), SystemCall("unshare", 272, 97), SystemCall("setns", 308, 268),
    ]

    /// What files are and whose, of which Landlock says nothing; and `truncate`, of which its first two versions do not.
    private static let files = [
        SystemCall("chmod", 90, nil), SystemCall("fchmod", 91, 52), SystemCall("fchmodat", 268, 53), SystemCall("fchmodat2", 452),
        SystemCall("chown", 92, nil), SystemCall("lchown", 94, nil), SystemCall("fchown", 93, 55), SystemCall("fchownat", 260, 54),
        SystemCall("setxattr", 188, 5), SystemCall("lsetxattr", 189, 6), SystemCall("fsetxattr", 190, 7),
        SystemCall("removexattr", 197, 14), SystemCall("lremovexattr", 198, 15), SystemCall("fremovexattr", 199, 16),
        SystemCall("truncate", 76, 45), SystemCall("open_by_handle_at", 304, 265), SystemCall("fanotify_init", 300, 262),
    ]

    /// The system itself.
    private static let system = [
        SystemCall("mount", 165, 40), SystemCall("umount2", 166, 39), SystemCall("pivot_root", 155, 41),
        SystemCall("chroot", 161, 51),
        SystemCall("open_tree", 428), SystemCall("move_mount", 429), SystemCall("fsopen", 430), SystemCall("fsconfig", 431),
        SystemCall("fsmount", 432), SystemCall("fspick", 433), SystemCall("mount_setattr", 442), SystemCall("swapon", 167, 224),
        SystemCall("swapoff", 168, 225), SystemCall("init_module", 175, 105), SystemCall("finit_module", 313, 273),
        SystemCall("delete_module", 176, 106), SystemCall("kexec_load", 246, 104), SystemCall("kexec_file_load", 320, 294),
        SystemCall("reboot", 169, 142), SystemCall("acct", 163, 89), SystemCall("quotactl", 179, 60),
        SystemCall("settimeofday", 164, 170), SystemCall("clock_settime", 227, 112), SystemCall("sethostname", 170, 161),
        SystemCall("setdomainname", 171, 162), SystemCall("iopl", 172, nil), SystemCall("ioperm", 173, nil),
        SystemCall("add_key", 248, 217), SystemCall("request_key", 249, 218), SystemCall("keyctl", 250, 219),
        SystemCall("bpf", 321, 280), SystemCall("perf_event_open", 298, 241), SystemCall("userfaultfd", 323, 282),
        SystemCall("io_uring_setup", 425), SystemCall("io_uring_enter", 426), SystemCall("io_uring_register", 427),
    ]

    package static let denied = network + processes + files + system

    /// Whose first argument is a process: allowed for the own one, which is how a program ends itself.
    package static let signals = [
        SystemCall("kill", 62, 129), SystemCall("tgkill", 234, 131), SystemCall("rt_sigqueueinfo", 129, 138),
        SystemCall("rt_tgsigqueueinfo", 297, 240),
    ]
    /// Makes threads and processes, with the flags in its first argument: threads are allowed.
    package static let clone = SystemCall("clone", 56, 220)
    /// The same with the flags in memory, where a filter cannot look. The C library takes `clone` where the kernel has no `clone3`.
    package static let clone3 = SystemCall("clone3", 435)
}
