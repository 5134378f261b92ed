import Base
import Cluster
import Foundation
import Planning
import Tensors
import Simulator
import Testing
import Wire

/// Whatever figures a decoder lets through, in whatever order: no machine ends, its status is a document, and what it says can be said.
@Suite struct EdgeNumberTests {
    @Test func aRefusalOfTheLastTermDoesNotEndTheCoordinator() {
        var driver = CoordinatorDriver(["a"])
        for term in [WireRanges.terms.upperBound, .max] {
            let refusal = Refused(code: .superseded, message: "no", term: term, isHeld: false)
            driver.step(.dialFailed("a", .init(channel: .control, message: "no", refusal: refusal)))
            #expect(driver.machine.term == WireRanges.terms.upperBound)
        }
    }

    /// One peer's absurd term locks nobody out: at the end of the range a silent holder is followed by whoever comes.
    @Test func atTheLastTermAnotherCoordinatorFollowsASilentOne() {
        let last = WireRanges.terms.upperBound
        var driver = WorkerDriver()
        driver.step(.opened(WorkerDriver.control, driver.hello(.control, term: last)))
        let early = driver.step(.opened(ConnectionID(8), driver.hello(.control, term: last, session: SessionID(bits: 11))))
        #expect(early.refusals.map(\.isHeld) == [true])
        driver.wait(WorkerMachine.holdTimeout)
        let later = driver.step(.opened(ConnectionID(9), driver.hello(.control, term: last, session: SessionID(bits: 11))))
        #expect(later.refusals.isEmpty && !later.welcomes.isEmpty)
    }

    @Test func totalsThatDoNotFitTogetherDoNotEndTheCoordinator() {
        var driver = CoordinatorDriver.serving()
        for total: UInt64 in [0, WireRanges.totalNanoseconds.upperBound] {
            let partitions = (0..<5).map {
                PartitionStatistics(
                    key: CoordinatorDriver.partition($0, of: 5), archiveBytes: 1, weightBytes: 1, isLoaded: true, runs: 0, items: 0,
                    computeNanoseconds: total, cpuNanoseconds: total)
            }
            driver.says("a", .heartbeat(Heartbeat(cpuQuotaCores: 1, partitions: partitions)))
            driver.wait(.seconds(1))
        }
        #expect(driver.machine.state(of: "a") == .ready)
    }

    @Test func instantsAndDurationsSaturate() {
        let (first, last) = (Instant(nanoseconds: .min), Instant(nanoseconds: .max))
        #expect((last - first).nanoseconds == .max)
        #expect((first - last).nanoseconds == .min)
        #expect((last + .seconds(1)) == last)
        #expect((Duration.nanoseconds(Int64.max) + .nanoseconds(999)).nanoseconds == .max)
        #expect((Duration.nanoseconds(Int64.min) - .nanoseconds(999)).nanoseconds == .min)
        #expect(Duration.seconds(Int64.max).nanoseconds == .max)
    }

    // MARK: Any order

    @Test(arguments: 0..<60)
    func theCoordinatorStandsWhateverComes(seed: UInt64) throws {
        var edges = EdgeMessages(
            seed: seed, nodes: ["a", "b", "c", "d"],
            partitions: [CoordinatorDriver.partition(0), CoordinatorDriver.partition(1), CoordinatorDriver.partition(0, of: 1)])
        var run = CoordinatorRun(serving: seed.isMultiple(of: 3) ? [["a", "b"], ["c"]] : [["a"], ["b"]])
        for number in 0..<250 { try run.step(UInt64(number), &edges) }
        #expect(run.received > 40)
    }

    @Test(arguments: 0..<60)
    func theWorkerStandsWhateverComes(seed: UInt64) throws {
        let partitions = [WorkerDriver.partition(0, 4), WorkerDriver.partition(4, 8)]
        var edges = EdgeMessages(seed: seed, nodes: ["w", "v", "u"], partitions: partitions)
        var driver = WorkerDriver.serving(executors: 2, slots: 8, slotBytes: 1 << 30)
        var held: [WorkKey] = []
        var said = 0
        for number in 0..<250 {
            var out: [WorkerMachine.Directive] = []
            switch edges.random.int(in: 0...9) {
            case 0:
                var hello = driver.hello(edges.pick([.control, .data]))
                hello.claim = edges.claim()
                guard case .hello(let taken)? = EdgeMessages.travelled(.hello(hello)) else { continue }
                out = driver.step(.opened(ConnectionID(UInt64(1_000 + number)), taken))
            case 1:
                let order = LoadPartition(
                    key: edges.key(), residentBytes: edges.whole(),
                    warmups: [[TensorHeader(dtype: .float32, shape: [1 << 29], encoding: .raw, wireByteCount: 0)]])
                guard let taken = EdgeMessages.travelled(.loadPartition(order)) else { continue }
                out = driver.step(.received(WorkerDriver.control, taken))
            case 2:
                let table = PeerTable(
                    version: edges.whole(), peers: edges.some(3) { WorkerDriver.peer($0.name(), incarnation: $0.pick([50, 51])) })
                guard let taken = EdgeMessages.travelled(.peerTable(table)) else { continue }
                out = driver.step(.received(WorkerDriver.control, taken))
            case 3, 4:
                var work = WorkerDriver.work(WorkerDriver.key(UInt64(number)), via: edges.some(3) { $0.name() })
                work.items = edges.narrow()
                work.deadlineMilliseconds = edges.narrow()
                work.trace = edges.traces()
                guard case .work(let taken)? = EdgeMessages.travelled(.work(work)) else { continue }
                held.append(taken.key)
                out = driver.step(.workArrived(WorkerDriver.data, taken, bytes: edges.pick([0, 1, 1 << 29, Int.max])))
            case 5: out = driver.step(.received(WorkerDriver.control, .ping(Ping(sequence: 1, sentAtNanoseconds: edges.whole()))))
            case 6 where !held.isEmpty: out = driver.step(.prepared(edges.pick(held)))
            case 7: out = driver.step(.received(WorkerDriver.control, .cancelWork(CancelWork(keys: held))))
            default: driver.wait(edges.random.duration(.zero, .seconds(3)))
            }
            for directive in out {
                guard case .send(_, let message) = directive else { continue }
                said += 1
                #expect(EdgeMessages.travelled(message) != nil, "seed \(seed), step \(number): \(message)")
            }
        }
        #expect(driver.machine.heldByteCount >= 0)
        // It was given work, and had something to say.
        #expect(!held.isEmpty && said > 0)
    }

    @Test(arguments: 0..<30)
    func theClientStandsWhateverComes(seed: UInt64) {
        var edges = EdgeMessages(seed: seed, nodes: ["a"], partitions: [])
        var machine = ClientMachine()
        var now = Instant.zero
        // What was asked and has not ended. Each ends once, and nothing ends that was not asked.
        var open: Set<UInt64> = []
        func follow(_ out: [ClientMachine.Directive]) {
            for directive in out {
                switch directive {
                case .succeed(let id), .fail(let id, _, _): #expect(open.remove(id) != nil, "seed \(seed): \(directive)")
                default: break
                }
            }
        }
        for number in 0..<200 as Range<UInt64> {
            let id = edges.pick([number, 0, 1, .max])
            let event: ClientMachine.Event =
                switch edges.random.int(in: 0...6) {
                case 0: .submit(id, deadline: edges.pick([.zero, .seconds(-1), .seconds(60), .seconds(Int64.max)]))
                case 1: .connected
                case 2: .disconnected("x")
                case 3: .replied(id)
                case 4:
                    .refused(
                        id, edges.pick(StatusCode.allCases), "x", retryAfter: .milliseconds(Int64(edges.narrow())))
                case 5: .cancel(id)
                default: .tick
                }
            if case .submit(let id, _) = event { open.insert(id) }
            follow(machine.step(event, now: now))
            #expect(machine.outstandingCount == open.count, "seed \(seed), step \(number): \(event)")
            now += edges.random.duration(.zero, .seconds(2))
        }
        follow(machine.step(.close, now: now))
        #expect(open.isEmpty && machine.outstandingCount == 0, "seed \(seed)")
    }
}

/// A coordinator with its workers, its clients and its planner, to whom anything may happen.
private struct CoordinatorRun {
    private var driver: CoordinatorDriver
    private var works: [WorkKey] = []
    private var accepted: [RequestID] = []
    private(set) var received = 0
    private let stages: [[String]]

    init(serving stages: [[String]]) {
        self.stages = stages
        driver = .serving(stages, slotBytes: 1 << 40)
    }

    mutating func step(_ number: UInt64, _ edges: inout EdgeMessages) throws {
        let node = NodeID(edges.name())
        var out: [CoordinatorDriver.Directive] = []
        switch edges.random.int(in: 0...13) {
        case 0...4:
            guard let message = EdgeMessages.travelled(edges.fromWorker(works)) else { return }
            received += 1
            out = driver.says(node, message)
            if case .pong(let pong) = message, let control = driver.control[node] {
                out += driver.step(.placed(control, pong.places, receivedBytes: edges.whole()))
            }
        case 5:
            guard let welcome = edges.welcome(node.description) else { return }
            out = driver.step(.connected(node, edges.pick([.control, .data]), driver.freshConnection(), welcome))
        case 6:
            let failure = CoordinatorMachine.DialFailure(
                channel: edges.pick([.control, .data]), message: "x", refusal: edges.refused())
            out = driver.step(.dialFailed(node, failure))
        case 7, 8:
            guard let request = edges.request(number) else { return }
            out = driver.step(.requestAnnounced(CoordinatorDriver.client, request))
            for id in out.accepted { out += driver.step(.requestArrived(id)) }
        case 9 where !works.isEmpty:
            let result = WorkResult(key: edges.pick(works), tensors: [], trace: edges.traces())
            guard case .workResult(let taken)? = EdgeMessages.travelled(.workResult(result)) else { return }
            let connection = edges.pick(Array(driver.data.values) + Array(driver.control.values))
            out = driver.step(.resultAnnounced(connection, taken))
            out += driver.step(.resultArrived(connection, taken.key, taken.trace))
        case 10 where !accepted.isEmpty: out = driver.step(.replySent(edges.pick(accepted)))
        case 11: out = driver.answerPlan(stages)
        case 12:
            let register = Register(name: edges.node(), addresses: ["a:1"])
            let incarnation = IncarnationID(bits: edges.pick([1, 2]))
            out = driver.step(.registered(driver.freshConnection(), register, incarnation, from: "10.0.0.1"))
        default: out = driver.wait(edges.random.duration(.zero, .seconds(2)))
        }
        for (connection, key) in out.loads where edges.random.chance(0.7) { out += driver.report(connection, key, .ready) }
        for work in out.dispatched where edges.random.chance(0.7) {
            out += driver.step(.dispatched(work.key, sentBytes: edges.whole()))
        }
        works = (works + out.dispatched.map(\.key)).suffix(64)
        accepted = (accepted + out.accepted).suffix(64)
        check(out, "step \(number)")
        _ = try JSONEncoder().encode(driver.machine.status())
        for sample in driver.machine.takeSamples(timeMs: 1) { _ = try JSONEncoder().encode(sample.sample) }
    }

    /// What is said can be said, and what is to be planned is planned or refused.
    private func check(_ out: [CoordinatorDriver.Directive], _ place: String) {
        for directive in out {
            switch directive {
            case .send(_, let message): #expect(EdgeMessages.travelled(message) != nil, "\(place): \(message)")
            case .dial(_, _, let hello): #expect(EdgeMessages.travelled(.hello(hello)) != nil, "\(place): \(hello)")
            case .dispatch(let work, _, _, _): #expect(EdgeMessages.travelled(.work(work)) != nil, "\(place): \(work)")
            case .plan(let order): _ = try? Planner.plan(Self.request(order))
            default: break
            }
        }
    }

    private static func request(_ order: CoordinatorMachine.PlanOrder) -> PlanRequest {
        let layers = (0..<4).map { Layer(name: "\($0)", operatorName: "op", outputBytes: 400, milliseconds: 1) }
        let profile = ModelProfile(
            layers: layers, cuts: (1..<4).map { Cut(before: $0, bytes: 400) }, inputBytes: 400, outputBytes: 400, batch: 1)
        let links = LinkTable(common: .gigabit, measured: order.links, broken: order.brokenLinks)
        let request = PlanRequest(profile: profile, nodes: order.nodes, links: links, shape: .auto)
        return request.calibrated(by: order.observations, measured: [LayerRange(0, 2): 1])
    }
}
