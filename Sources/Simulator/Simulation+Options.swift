extension Simulation {
    public struct Options: Sendable {
        public var workers = 1...5
        /// Workers of those that are started and listed only in mid-run.
        public var joining = 0...0
        public var clients = 1...4
        public var requestsPerClient = 1...12
        public var itemsPerRequest = 1...9
        public var cancelShare = 0.08
        public var rejectShare = 0.06
        public var leaveShare = 0.1
        public var requestDeadline: Duration = .seconds(60)
        /// Requests with a deadline so short that it may pass while a plan is made.
        public var hastyShare = 0.05

        /// Requests are submitted within this time …
        public var requestTime: Duration = .seconds(3)
        /// … and faults begin within this.
        public var faultTime: Duration = .seconds(4)

        /// Plans change no more this long after the last fault. Links and nodes that failed again and again are tried again after growing
        /// pauses; as often as these runs let them fail, the last pause is over by then.
        public var settleTime: Duration = .seconds(60)

        // How many faults of each kind one run has. Every one ends.
        public var crashes = 0...0
        public var drains = 0...0
        public var stalls = 0...0
        public var cuts = 0...0
        public var slowLinks = 0...0
        public var resets = 0...0
        public var repeats = 0...0
        /// Executors that end nothing for a while, the process answering.
        public var hangs = 0...0
        /// Workers that lose what they get, and say that they have nothing to do. One in a run: of two neighbours, the one between them may be
        /// blamed for both.
        public var swallows = 0...0
        public var shortages = 0...0
        public var unlistings = 0...0
        /// `amp4ec drain`, and back.
        public var operatorDrains = 0...0
        /// Crashes, power losses and shutdowns of the coordinator.
        public var coordinatorCrashes = 0...0
        public var intruders = 0...0
        /// Each kind is left out of about half of the runs.
        public var leavesKindsOut = false
        /// Executions and loads that fail for lack of memory at any time.
        public var shortageShare = 0.0
        /// Released partitions that are evicted at once.
        public var evictShare = 0.0
        /// Workers that the topology lists at two addresses.
        public var aliasShare = 0.0
        /// Inputs that end the process that executes them.
        public var poisonShare = 0.0
        /// Runs that go on after the last reply, to see that nothing goes on by itself.
        public var observedShare = 0.25
        /// Runs whose plans the real planner makes.
        public var plannerShare = 0.1

        public init() {}

        var remembersOldMessages: Bool { repeats.upperBound > 0 }
    }

    /// Named sets of options; a failing seed names the one that it ran under.
    public enum Profile: String, Sendable, CaseIterable {
        /// Latency, bandwidth, several clients, cancellations, rejected inputs, leaving clients; no faults.
        case calm
        case single
        case crashes, drains, stalls, links, resets, repeats, memory, joins, restarts, intruder, hangs, swallows, poison
        /// All faults but ``swallows``, about half of the kinds in one run.
        case everything
        /// … over half a minute, several times as many.
        case storm

        public var options: Options {
            var options = Options()
            switch self {
            case .calm: options.aliasShare = 0.2
            case .single:
                options.workers = 1...1
                options.clients = 1...1
            case .crashes: options.crashes = 1...4
            case .drains: options.drains = 1...3
            case .stalls: options.stalls = 1...4
            case .links:
                options.workers = 2...5
                options.cuts = 1...4
                options.slowLinks = 0...3
            case .resets:
                options.resets = 1...6
                options.aliasShare = 0.3
            case .repeats:
                options.repeats = 1...8
                options.crashes = 0...2
                options.stalls = 0...2
            case .memory:
                options.shortages = 1...3
                options.shortageShare = 0.03
                options.evictShare = 0.5
                options.crashes = 0...1
            case .joins:
                options.workers = 2...6
                options.joining = 1...2
                options.unlistings = 0...2
                options.operatorDrains = 0...2
                options.aliasShare = 0.2
            case .restarts:
                options.coordinatorCrashes = 1...3
                options.crashes = 0...1
            case .intruder:
                options.intruders = 1...2
                options.coordinatorCrashes = 0...1
                options.resets = 0...2
            case .hangs:
                options.workers = 2...5
                options.hangs = 1...3
            case .swallows:
                options.workers = 2...5
                options.swallows = 1...1
                options.slowLinks = 0...3
                options.stalls = 0...1
            case .poison:
                options.workers = 2...6
                options.poisonShare = 0.04
            case .everything: options.takeEverything()
            case .storm:
                options.takeEverything()
                options.prolong()
            }
            return options
        }
    }
}

extension Simulation.Options {
    fileprivate mutating func prolong() {
        requestTime = .seconds(25)
        faultTime = .seconds(30)
        // The longest pause of all, and the try after it.
        settleTime = .seconds(320)
        requestsPerClient = 10...40
        for kind in [
            \.crashes, \.drains, \.stalls, \.cuts, \.slowLinks, \.resets, \.repeats, \.shortages, \.unlistings, \.operatorDrains,
            \.coordinatorCrashes, \.intruders, \.hangs,
        ] as [WritableKeyPath<Self, ClosedRange<Int>>] {
            self[keyPath: kind] = 0...(4 * self[keyPath: kind].upperBound)
        }
    }

    fileprivate mutating func takeEverything() {
        workers = 1...6
        joining = 0...1
        crashes = 0...4
        drains = 0...2
        stalls = 0...3
        cuts = 0...3
        slowLinks = 0...3
        resets = 0...4
        repeats = 0...5
        shortages = 0...2
        unlistings = 0...2
        operatorDrains = 0...2
        coordinatorCrashes = 0...2
        intruders = 0...1
        hangs = 0...1
        poisonShare = 0.03
        aliasShare = 0.1
        leavesKindsOut = true
        shortageShare = 0.01
        evictShare = 0.3
    }
}
