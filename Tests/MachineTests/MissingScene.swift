import Base
import Cluster
import Planning
import Wire

/// A coordinator that asks for micro-batches, and workers that beat, have nothing to do, and answer what a test lets them.
struct MissingScene {
    typealias Places = @Sendable (NodeID, WorkQuestion, _ now: Instant) -> WorkPlace?

    var driver: CoordinatorDriver
    var places: Places
    /// What has come on the nodes' data connections.
    var receivedBytes: @Sendable (Instant) -> UInt64 = { _ in 1 }
    var executing: UInt32 = 0
    /// A node answers every so many pings.
    var answersEach: UInt64 = 1
    private(set) var asked: Set<NodeID> = []

    init(_ stages: [[String]], _ places: @escaping Places) {
        driver = CoordinatorDriver.serving(stages)
        self.places = places
    }

    /// Sends requests whose micro-batches are written out at once.
    @discardableResult
    mutating func submit(_ number: UInt64 = 1, items: Int = 2) -> [Work] {
        let works = driver.submit(number, items: items, deadline: 3_600_000).dispatched
        for work in works { driver.step(.dispatched(work.key, sentBytes: 1_000)) }
        return works
    }

    /// Lets time pass. What is sent again is written out at once too.
    @discardableResult
    mutating func wait(_ duration: Duration) -> [CoordinatorDriver.Directive] {
        var all: [CoordinatorDriver.Directive] = []
        let end = driver.now + duration
        while driver.now < end {
            var out = driver.wait(min(.milliseconds(250), end - driver.now))
            for node in driver.control.keys.sorted() { out += driver.beat(node, executing: executing, completed: 7) }
            for case .send(let connection, .ping(let ping)) in out where !ping.questions.isEmpty {
                guard let node = driver.control.first(where: { $0.value == connection })?.key else { continue }
                asked.insert(node)
                guard ping.sequence % answersEach == 0 else { continue }
                let said = ping.questions.compactMap { places(node, $0, driver.now) }
                if !said.isEmpty { out += driver.step(.placed(connection, said, receivedBytes: receivedBytes(driver.now))) }
            }
            for work in out.dispatched { driver.step(.dispatched(work.key, sentBytes: 1_000)) }
            all += out
        }
        return all
    }

    var blamed: [NodeID] {
        driver.logs.filter { $0.message.hasPrefix("a node loses work") }.compactMap { $0.metadata["node"].map { NodeID($0) } }
    }
    var replayed: UInt64 { driver.machine.counters.microBatchesReplayed }

    // MARK: Answers

    static func absent(_ question: WorkQuestion, received: UInt64 = 2_000, remembered: UInt32 = .max) -> WorkPlace {
        WorkPlace(key: question.key, state: .absent, receivedBytes: received, rememberedMilliseconds: remembered)
    }

    static func held(_ question: WorkQuestion, sent: UInt64 = 0) -> WorkPlace {
        WorkPlace(key: question.key, state: .held, sentBytes: sent, receivedBytes: 2_000)
    }

    static func passed(_ question: WorkQuestion, sent: UInt64 = 1_500) -> WorkPlace {
        WorkPlace(key: question.key, state: .passedOn, sentBytes: sent, receivedBytes: 2_000)
    }
}
