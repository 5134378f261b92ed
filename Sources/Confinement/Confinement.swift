internal import CLinux
internal import Glibc

/// What threads that run a model's code may do: compute, read files, write in the folders that are named, and start threads.
///
/// No sockets, no other programs, no signals to other processes, no writing elsewhere; ``SystemCall`` has the list. It is done by the kernel's
/// Landlock and seccomp, each where the kernel has it, and holds for a thread and for those that it starts later. Threads of one process share
/// its memory and open files, so this stops careless and simple malicious code, not native code that takes over the process.
public struct Confinement: Sendable {
    /// Folders in which files may be written, made and removed. Also `/dev/null` may be written.
    public var writableFolders: [String]

    public init(writableFolders: [String]) { self.writableFolders = writableFolders }

    /// What came of it.
    public struct Outcome: Sendable, Hashable {
        /// What confines, in words: "landlock v3".
        public internal(set) var parts: [String] = []
        /// What does not, and why: "landlock: the kernel has none".
        public internal(set) var missing: [String] = []

        /// Of nothing yet.
        public init() {}

        public var summary: String { parts.isEmpty ? "none" : parts.joined(separator: " + ") }
    }

    /// Confines the calling thread, for good, as far as the kernel allows it.
    public func confineThread() -> Outcome {
        var outcome = Outcome()
        guard amp_thread_keep_privileges() == 0 else {
            outcome.missing = ["landlock and seccomp: this thread cannot give up privileges (\(Self.text(errno)))"]
            return outcome
        }
        // Landlock first: the filter might not let its calls through in a later version.
        switch landlock() {
        case .success(let part): outcome.parts.append(part)
        case .failure(let why): outcome.missing.append("landlock: \(why.text)")
        }
        switch Self.filter() {
        case .success(let part): outcome.parts.append(part)
        case .failure(let why): outcome.missing.append("seccomp: \(why.text)")
        }
        return outcome
    }

    private struct Absence: Error { let text: String }

    private func landlock() -> Result<String, Absence> {
        let version = amp_landlock_version()
        guard version > 0 else { return .failure(Absence(text: Self.landlockAbsence(errno))) }
        let rights = LandlockRights(version: Int(version))
        let rules = amp_landlock_rules(rights.files, rights.network)
        guard rules >= 0 else { return .failure(Absence(text: Self.landlockAbsence(errno))) }
        defer { close(rules) }
        for folder in writableFolders {
            let place = open(folder, AMP_O_PATH | O_DIRECTORY | O_CLOEXEC)
            guard place >= 0 else { return .failure(Absence(text: "\(folder) cannot be opened (\(Self.text(errno)))")) }
            defer { close(place) }
            guard amp_landlock_allow(rules, place, rights.inFolder) == 0 else {
                return .failure(Absence(text: "no rule for \(folder) (\(Self.text(errno)))"))
            }
        }
        let null = open("/dev/null", AMP_O_PATH | O_CLOEXEC)
        if null >= 0 {
            // Where the system has none, nobody can write it.
            _ = amp_landlock_allow(rules, null, rights.inFile)
            close(null)
        }
        guard amp_landlock_restrict(rules) == 0 else { return .failure(Absence(text: Self.landlockAbsence(errno))) }
        return .success("landlock v\(version)")
    }

    private static func filter() -> Result<String, Absence> {
        guard let machine = FilteredMachine.current else {
            return .failure(Absence(text: "the system calls of this kind of processor are not known here"))
        }
        let program = SystemCallFilter(machine: machine, process: UInt32(bitPattern: getpid())).instructions.map {
            amp_filter_instruction(code: $0.code, jump_true: $0.jumpTrue, jump_false: $0.jumpFalse, value: $0.value)
        }
        guard amp_thread_filter(program, UInt16(program.count)) == 0 else {
            return .failure(Absence(text: filterAbsence(errno)))
        }
        return .success("seccomp")
    }

    static func landlockAbsence(_ code: Int32) -> String {
        switch code {
        case ENOSYS: "the kernel has none"
        case EOPNOTSUPP: "it is switched off at this kernel's start (lsm=…)"
        case EPERM: "it is not permitted in this container"
        default: text(code)
        }
    }

    static func filterAbsence(_ code: Int32) -> String {
        switch code {
        case ENOSYS, EINVAL: "the kernel has no filters"
        case EPERM, EACCES: "it is not permitted in this container"
        default: text(code)
        }
    }

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
