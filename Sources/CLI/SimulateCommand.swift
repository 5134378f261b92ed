public import ArgumentParser
internal import Base
internal import Cluster
internal import Glibc
internal import Shell
public import Simulator

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Runs the cluster's decisions over a virtual network with faults, and checks every promise.",
        discussion: """
            One seed is one run, always the same one: --seed N shows its faults, plans, replays and replies. --seeds COUNT and --duration \
            TIME run many, from fresh seeds unless --seed gives the first; a seed that fails is printed with how to see it again.

            Exit: 0 all promises held, 1 one was broken.
            """)

    @Option(help: "The run to show, or the first of many.")
    var seed: UInt64?

    @Option(help: "How many runs.")
    var seeds: Int?

    @Option(help: ArgumentHelp("How long to run fresh seeds.", valueName: "time"))
    var duration: Duration?

    @Option(help: "Workers of each run; drawn from the seed without it.")
    var nodes: Int?

    @Option(help: "Clients of each run; drawn from the seed without it.")
    var clients: Int?

    @Option(help: "Which faults there are.")
    var profile = Simulation.Profile.everything

    @Flag(help: "Show everything that the processes say and notice.")
    var trace = false

    @Flag(help: "Print one JSON object.")
    var json = false

    private func checkOptions() throws {
        guard seeds == nil || duration == nil else { throw ValidationError("give one of --seeds and --duration") }
        if let duration, duration <= .zero { throw ValidationError("--duration must be above 0") }
        if let seeds, seeds < 1 { throw ValidationError("--seeds must be at least 1") }
        if let nodes, !(1...64).contains(nodes) { throw ValidationError("--nodes takes 1 to 64") }
        if let clients, !(1...64).contains(clients) { throw ValidationError("--clients takes 1 to 64") }
        if trace, seeds != nil || duration != nil || json {
            throw ValidationError("--trace shows one run in words: give --seed, without --seeds, --duration and --json")
        }
        guard seed != nil || seeds != nil || duration != nil else {
            throw ValidationError("say which run to show (--seed), or how many (--seeds or --duration)")
        }
    }

    private var options: Simulation.Options {
        var options = profile.options
        if let nodes { options.workers = nodes...nodes }
        if let clients { options.clients = clients...clients }
        return options
    }

    func run() throws {
        try checkUsage(checkOptions)
        let isShown = seeds == nil && duration == nil
        let first = seed ?? UInt64(truncatingIfNeeded: RandomBits.next128())
        let summary = isShown ? show(first) : runMany(from: first)
        if json { try JSONOutput.print(summary.document, convertsKeys: true) } else { StandardStream.output.write(summary.text) }
        guard summary.failures.isEmpty else {
            throw CommandFailure(.failure, "\(summary.failures.count) of \(summary.seeds) seeds failed")
        }
    }

    private func show(_ seed: UInt64) -> SimulationSummary {
        var simulation = Simulation(seed: seed, options: options)
        let showsAll = trace
        if !json {
            simulation.trace = { detail, line in if showsAll || detail == .event { StandardStream.output.writeLine(line) } }
        }
        var summary = SimulationSummary(first: seed)
        summary.count(seed, again: commandLine(seed), &simulation)
        return summary
    }

    private func runMany(from first: UInt64) -> SimulationSummary {
        let clock = ContinuousClock()
        let began = clock.now
        let computedBefore = SimulationSummary.processorSeconds
        var summary = SimulationSummary(first: first)
        let options = options
        var seed = first
        let progress = ProgressLine()
        defer { progress.end() }
        while seeds.map({ summary.seeds < $0 }) ?? true, duration.map({ clock.now - began < $0 }) ?? true,
            summary.failures.count < SimulationSummary.failureLimit
        {
            var simulation = Simulation(seed: seed, options: options)
            summary.count(seed, again: commandLine(seed), &simulation)
            if let failure = summary.failures.last, failure.seed == seed {
                progress.end()
                StandardStream.error.writeLine(failure.text)
            }
            progress.update("\(summary.seeds) seeds, \(summary.failures.count) failed")
            seed &+= 1
        }
        summary.seconds = (clock.now - began).milliseconds / 1_000
        summary.computedSeconds = SimulationSummary.processorSeconds - computedBefore
        return summary
    }

    private func commandLine(_ seed: UInt64) -> String {
        var words = ["amp4ec simulate --seed \(seed)"]
        if profile != .everything { words.append("--profile \(profile.rawValue)") }
        if let nodes { words.append("--nodes \(nodes)") }
        if let clients { words.append("--clients \(clients)") }
        return words.joined(separator: " ")
    }
}

extension Simulation.Profile: ExpressibleByArgument {}

/// The results of several runs, added up.
struct SimulationSummary {
    /// The number of failures that are kept: more of them say nothing new.
    static let failureLimit = 10

    struct Failure: Codable {
        var seed: UInt64
        var message: String
        var again: String
        var text: String { "FAILED \(message)\n  see it: \(again)" }
    }

    var first: UInt64
    var seeds = 0
    var seconds = 0.0
    /// Counted for one core: what the runs cost does not depend on how busy the machine was.
    var computedSeconds = 0.0
    var failures: [Failure] = []
    private var report = Simulation.Report()

    init(first: UInt64) { self.first = first }

    mutating func count(_ seed: UInt64, again: String, _ simulation: inout Simulation) {
        seeds += 1
        do {
            report.add(try simulation.run())
        } catch {
            failures.append(Failure(seed: seed, message: "\(error)", again: again))
        }
    }

    private var seedsPerMinute: Double { computedSeconds > 0 ? Double(seeds) / computedSeconds * 60 : 0 }

    /// Processor time of this process so far.
    static var processorSeconds: Double {
        var time = timespec()
        return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 ? Double(time.tv_sec) + Double(time.tv_nsec) / 1e9 : 0
    }

    var text: String {
        var lines = failures.count == 1 && seeds == 1 ? failures.map(\.text) : []
        lines.append(
            "requests \(report.requests): replies \(report.replies), rejected inputs \(report.rejectedInputs), cancelled "
                + "\(report.cancelled), deadlines passed \(report.expired); sent again by clients \(report.resent)")
        lines.append(
            "micro-batches replayed \(report.replayed), plans \(report.plans), archives sent \(report.archives), old messages again "
                + "\(report.repeated), workers taken over \(report.takeovers), workers ended by an input \(report.poisonKills), inputs "
                + "given up \(report.givenUp)")
        let faults = report.faults.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        lines.append("faults: \(faults.isEmpty ? "none" : faults.joined(separator: ", "))")
        lines.append(
            "longest wait for an outcome after the last fault \(report.longestWait.readable), for the last plan "
                + "\(report.longestSettling.readable)")
        if seeds > 1 {
            lines.append(
                "\(seeds) seeds from \(first) in \(Int(seconds)) s (\(Int(seedsPerMinute)) a minute of one core), \(report.observed) of them "
                    + "watched at rest: \(failures.count) failed")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    var document: Document {
        Document(
            first: first, seeds: seeds, seconds: seconds, cpuSeconds: computedSeconds, seedsPerMinute: seedsPerMinute,
            failures: failures, requests: report.requests, replies: report.replies, rejectedInputs: report.rejectedInputs,
            cancelled: report.cancelled, expired: report.expired, resent: report.resent, replayed: report.replayed,
            plans: report.plans, archives: report.archives, repeated: report.repeated, takeovers: report.takeovers,
            poisonKills: report.poisonKills, givenUp: report.givenUp,
            faults: Dictionary(
                report.faults.map { (String($0.key.map { $0 == " " ? "_" : $0 }), $0.value) }, uniquingKeysWith: +),
            observed: report.observed, longestWaitMs: report.longestWait.milliseconds,
            longestSettlingMs: report.longestSettling.milliseconds)
    }

    /// What `--json` prints.
    struct Document: Codable {
        var first: UInt64
        var seeds: Int
        var seconds: Double
        var cpuSeconds: Double
        var seedsPerMinute: Double
        var failures: [Failure]
        var requests: Int
        var replies: Int
        var rejectedInputs: Int
        var cancelled: Int
        var expired: Int
        var resent: UInt64
        var replayed: UInt64
        var plans: UInt64
        var archives: Int
        var repeated: Int
        var takeovers: Int
        var poisonKills: Int
        var givenUp: Int
        var faults: [String: Int]
        var observed: Int
        var longestWaitMs: Double
        var longestSettlingMs: Double
    }
}
