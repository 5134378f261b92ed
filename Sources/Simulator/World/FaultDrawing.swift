internal import Base
internal import Cluster

/// Draws what goes wrong in a run: all faults begin within its first seconds, and all end.
struct FaultDrawing {
    let options: Simulation.Options
    let workerCount: Int
    var random: SeededRandom
    /// Each with the time after which it begins.
    private(set) var drawn: [(Fault, after: Duration)] = []

    init(options: Simulation.Options, workerCount: Int, random: SeededRandom) {
        self.options = options
        self.workerCount = workerCount
        self.random = random
    }

    /// - Parameter absent: workers that are started and listed only in mid-run.
    mutating func draw(absent: [Int]) {
        for _ in 0..<times(options.crashes) {
            add(
                .crash(
                    .worker(anyWorker()), downFor: random.duration(.milliseconds(10), .seconds(4)), keepsDisk: random.chance(0.5),
                    isSilent: random.chance(0.25)))
        }
        for _ in 0..<times(options.drains) {
            add(.drain(.worker(anyWorker()), downFor: random.duration(.milliseconds(10), .seconds(2))))
        }
        for _ in 0..<times(options.stalls) {
            let process: Process = random.chance(0.25) ? .coordinator(0) : .worker(anyWorker())
            add(.stall(process, random.duration(.milliseconds(50), .seconds(6))))
        }
        for _ in 0..<times(options.cuts) {
            let (from, to) = anyPair()
            add(.block(from: from, to: to, bothWays: random.chance(0.4), random.duration(.milliseconds(50), .seconds(8))))
        }
        for _ in 0..<times(options.slowLinks) {
            let (from, to) = anyPair()
            add(
                .slow(
                    from: from, to: to, added: random.duration(.zero, .milliseconds(500)), divisor: random.int(in: 1...40),
                    random.duration(.milliseconds(200), .seconds(5))))
        }
        for _ in 0..<times(options.resets) {
            let (from, to) = anyPair()
            let halfOpen = random.chance(0.5) ? Duration.zero : random.duration(.zero, .seconds(3))
            add(.reset(from, to, isControl: random.chance(0.5), halfOpenFor: halfOpen))
        }
        for _ in 0..<times(options.repeats) { add(.repeatOld(worker: anyWorker(), count: random.int(in: 1...6))) }
        for _ in 0..<times(options.hangs) {
            add(.hang(worker: anyWorker(), random.duration(.seconds(1), .seconds(25))))
        }
        for _ in 0..<times(options.shortages) {
            add(.shortage(worker: anyWorker(), random.duration(.milliseconds(50), .seconds(4))))
        }
        for _ in 0..<times(options.unlistings) {
            add(.unlist(worker: anyWorker(), random.duration(.milliseconds(10), .seconds(3))))
        }
        for _ in 0..<times(options.operatorDrains) {
            add(.takeOut(worker: anyWorker(), random.duration(.milliseconds(100), .seconds(3))))
        }
        for _ in 0..<times(options.coordinatorCrashes) {
            let time = random.duration(.milliseconds(10), .seconds(3))
            if random.chance(0.25) {
                add(.drain(.coordinator(0), downFor: time))
            } else {
                add(.crash(.coordinator(0), downFor: time, keepsDisk: true, isSilent: random.chance(0.25)))
            }
        }
        for _ in 0..<times(options.intruders) { add(.intrude(random.duration(.milliseconds(200), .seconds(6)))) }
        // A draw would change every other run.
        let swallows = options.swallows.upperBound > 0 ? times(options.swallows) : 0
        for _ in 0..<swallows { add(.swallow(worker: anyWorker(), random.duration(.milliseconds(500), .seconds(6)))) }
        for worker in absent { add(.join(worker: worker)) }
    }

    /// Each run has about half of the kinds of faults that its options allow: what hides behind another fault shows without it.
    private mutating func times(_ range: ClosedRange<Int>) -> Int {
        let count = random.int(in: range)
        return options.leavesKindsOut && random.chance(0.5) ? 0 : count
    }

    private mutating func add(_ fault: Fault) { drawn.append((fault, random.duration(.milliseconds(100), options.faultTime))) }

    private mutating func anyWorker() -> Int { random.int(in: 0...(workerCount - 1)) }

    /// Two workers, or the coordinator and a worker, in either order.
    private mutating func anyPair() -> (Process, Process) {
        let first = Process.worker(anyWorker())
        var second = Process.coordinator(0)
        if workerCount > 1, random.chance(0.6) {
            repeat { second = .worker(anyWorker()) } while second == first
        }
        return random.chance(0.5) ? (first, second) : (second, first)
    }
}
