import Base
import Foundation
import Glibc
import Synchronization
import Transport
import Wire

/// What somebody well-behaved notices while others misbehave: how long pings and health checks take, and how many descriptors the processes use.
///
/// ## Concurrency model
/// `Sendable`: a thread of its own sends and looks, the connections' threads take what comes; the figures are behind a mutex.
final class Pulse: Sendable {
    struct Figures: Sendable {
        /// By process.
        var slowestPing: [String: Duration] = [:]
        var pings: [String: Int] = [:]
        var descriptors: [String: Int] = [:]
        var slowestCheck: Duration = .zero
        var checks = 0
        var failedChecks: [String] = []
    }

    private struct State {
        var figures = Figures()
        /// Pings that are under way, by their numbers.
        var sent: [UInt64: (process: String, at: ContinuousClock.Instant)] = [:]
        var lastNumber: UInt64 = 0
        var isStopped = false
    }

    /// Between two pings: far less than what anybody notices.
    private static let pauseMicroseconds: UInt32 = 20_000
    private static let checkPause: Duration = .milliseconds(50)

    private let scene: Scene
    private let http: String
    private let state = Mutex(State())
    private let pinged = Mutex<[(name: String, connection: RogueConnection)]>([])

    /// Begins at once; a client of the coordinator, and a peer of each worker.
    init(_ scene: Scene, http: String) throws {
        self.scene = scene
        self.http = http
        let places =
            [(scene.cluster.coordinator.name, scene.address)]
            + zip(scene.cluster.workers.map(\.name), scene.cluster.workerAddresses)
        for (name, address) in places {
            let isClient = name == scene.cluster.coordinator.name
            let connection = try RogueConnection(to: address, as: isClient ? .client : .cluster, keepsArrivals: false) {
                [weak self] _, arrival in
                if case .pong(let ping) = arrival.message { self?.came(ping.sequence) }
            }
            let hello = Hello(
                role: isClient ? .client : .worker, channel: .data, name: "pulse", software: "test",
                incarnation: IncarnationID(bits: 3))
            try connection.send(.hello(hello))
            pinged.withLock { $0.append((name, connection)) }
        }
        Thread.detachNewThread { [self] in
            while !state.withLock({ $0.isStopped }) {
                look()
                usleep(Self.pauseMicroseconds)
            }
            for (_, connection) in pinged.withLock({ $0 }) { connection.close() }
        }
        Task { await check() }
    }

    private func look() {
        for (name, connection) in pinged.withLock({ $0 }) {
            // One at a time: the next only shows the same wait again.
            let number = state.withLock { state -> UInt64? in
                guard !state.sent.values.contains(where: { $0.process == name }) else { return nil }
                state.lastNumber += 1
                state.sent[state.lastNumber] = (name, .now)
                return state.lastNumber
            }
            if let number { try? connection.send(.ping(Ping(sequence: number, sentAtNanoseconds: 1))) }
        }
        for process in scene.processes {
            guard let count = try? ProcessFigures.openDescriptors(process) else { continue }
            state.withLock { $0.figures.descriptors[process.name] = max($0.figures.descriptors[process.name] ?? 0, count) }
        }
    }

    private func came(_ number: UInt64) {
        state.withLock { state in
            guard let (process, at) = state.sent.removeValue(forKey: number) else { return }
            state.figures.slowestPing[process] = max(state.figures.slowestPing[process] ?? .zero, .now - at)
            state.figures.pings[process, default: 0] += 1
        }
    }

    private func check() async {
        while !state.withLock({ $0.isStopped }) {
            let start = ContinuousClock.now
            let problem: String?
            do {
                let reply = try await PlainHTTP.get("/healthz", from: http)
                problem = reply.status == 200 ? nil : "\(reply.status)"
            } catch { problem = "\(error)" }
            let took = ContinuousClock.now - start
            state.withLock { state in
                state.figures.checks += 1
                state.figures.slowestCheck = max(state.figures.slowestCheck, took)
                if let problem { state.figures.failedChecks.append(problem) }
            }
            try? await Task.sleep(for: Self.checkPause)
        }
    }

    /// What was seen since the last call; a ping that is still under way counts with the time that it has taken.
    func takeFigures() -> Figures {
        state.withLock { state in
            for (process, at) in state.sent.values {
                state.figures.slowestPing[process] = max(state.figures.slowestPing[process] ?? .zero, .now - at)
            }
            defer { state.figures = Figures() }
            return state.figures
        }
    }

    func stop() { state.withLock { $0.isStopped = true } }
}
