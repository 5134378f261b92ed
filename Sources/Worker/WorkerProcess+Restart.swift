internal import Base
internal import Cluster
internal import Glibc
internal import Hosting
internal import Logging
internal import Shell
internal import Transport

/// Ends that no running library can hold up.
extension WorkerProcess {
    /// A fresh process in this one's place: the same program with the same arguments, the same port and, for whoever started it, the same
    /// process. All threads end with it, and so does the run that could not be ended otherwise; every socket closes.
    func startAnew() {
        logger.warning("starting anew: a run does not end", metadata: ["written_off": "\(host.machine.executingCount)"])
        var arguments = CommandLine.arguments
        // A free port was taken: others know it by now. Of an option that is given twice the last one counts.
        if options.listen.port == 0, let listener { arguments += ["--listen", "\(listener.address)"] }
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        pointers.append(nil)
        StandardStream.flush()
        execv("/proc/self/exe", &pointers)
        logger.error("this process cannot be started anew and ends", metadata: ["cause": "\(String(cString: strerror(errno)))"])
        StandardStream.flush()
        _exit(ExitStatus.failure.rawValue)
    }

    /// Told to end, with a run that goes on: nothing is left to wait for.
    func leaveRunsBehind() {
        logger.warning("ending with runs that do not end", metadata: ["executing": "\(host.machine.executingCount)"])
        StandardStream.flush()
        _exit(ExitStatus.success.rawValue)
    }
}
