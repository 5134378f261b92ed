internal import Glibc
internal import Loops

/// What a process asks of the system before it begins, so that it goes on when its readers and disks do not.
public enum ProcessSurroundings {
    /// Swift's runtime reads this when the process starts. A user who sets it decides about backtraces.
    public static let backtraceVariable = "SWIFT_BACKTRACE"

    /// For the servers, first thing in `main` after the signals are blocked.
    ///
    /// Readers of stdout and stderr may stall or go away; as many descriptors are open as are allowed; and a crash closes the sockets at once.
    public static func prepareServer() {
        fillStandardDescriptors()
        ignoreClosedPipes()
        endAtOnceOnCrash()
        raiseDescriptorLimit()
        StandardStream.detach()
    }

    /// For the commands: a closed socket or pipe is an error of its call, not the end of the process.
    public static func prepareCommand() {
        fillStandardDescriptors()
        ignoreClosedPipes()
    }

    /// Whoever starts the process may have closed stdin, stdout or stderr (`2>&-`, some tools for daemons). The next socket or file would
    /// get that number, and log lines would be written into it.
    private static func fillStandardDescriptors() {
        for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) < 0 {
            // The system gives the lowest free number, which is this one.
            guard open("/dev/null", O_RDWR) == descriptor else { return }
        }
    }

    private static func ignoreClosedPipes() { signal(SIGPIPE, SIG_IGN) }

    /// Swift's runtime catches fatal signals to print a backtrace, which takes seconds with libtorch's symbols. Until it ends, every peer
    /// believes that this process is alive. The system's own way ends it at once, and its message (`Illegal instruction`, a core file) is enough.
    private static func endAtOnceOnCrash() {
        guard ProcessEnvironment.current[backtraceVariable] == nil else { return }
        for fatal in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGQUIT] { signal(fatal, SIG_DFL) }
    }

    /// Shells and service managers set a soft limit of 1,024 for programs that use `select`; what the process may have is the hard one.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        // Where it is refused the process lives with what it has, and says so when that is used up.
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// The last steps of a normal end (joining threads, closing files) take no longer than this, so that a model that is being analysed, or a
    /// disk that hangs, does not keep alive a process that has nothing more to do.
    public static let endLimit: Duration = .seconds(5)

    /// From now on the process ends within ``endLimit``, with `status` where it has not ended by itself.
    public static func limitEnd(status: ExitStatus) {
        guard let watch = try? TaskQueue(name: "end", threadCount: 1, capacity: 1) else { return }
        watch.submit {
            poll(nil, 0, Int32(endLimit.components.seconds * 1_000))
            StandardStream.flush()
            _exit(status.rawValue)
        }
    }

    /// stdout cannot be written (the disk is full): a script must not take what is there for all of it.
    static func endByFailedOutput(_ reason: Int32) -> Never {
        let why = String(cString: strerror(reason))
        StandardStream.error.writeLine("error: stdout cannot be written: \(why); the output is not complete: write it elsewhere")
        exit(ExitStatus.failure.rawValue)
    }

    /// The reader of stdout has gone away: ends as every filter does, without a message and by the signal that the shell expects.
    static func endByClosedPipe() -> Never {
        signal(SIGPIPE, SIG_DFL)
        var pipe = sigset_t()
        sigemptyset(&pipe)
        sigaddset(&pipe, SIGPIPE)
        pthread_sigmask(SIG_UNBLOCK, &pipe, nil)
        raise(SIGPIPE)
        exit(128 + SIGPIPE)
    }
}
