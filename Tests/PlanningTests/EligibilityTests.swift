import Base
import Planning
import Testing

@Suite("planner: nodes and memory that do not do")
struct EligibilityTests {
    struct NodeCase: Sendable, CustomTestStringConvertible {
        var name: String
        var change: @Sendable (inout PlanningNode) -> Void
        var reason: String
        var testDescription: String { name }
    }

    static let unusable: [NodeCase] = [
        NodeCase(name: "no cores", change: { $0.effectiveCores = 0 }, reason: "its cores are 0.0, must be above 0"),
        NodeCase(name: "negative cores", change: { $0.effectiveCores = -1 }, reason: "its cores are -1.0"),
        NodeCase(name: "cores not a number", change: { $0.effectiveCores = .nan }, reason: "its cores are nan"),
        NodeCase(name: "no speed", change: { $0.speed = 0 }, reason: "its measured speed is 0.0"),
        NodeCase(name: "speed not a number", change: { $0.speed = .nan }, reason: "its measured speed is nan"),
        NodeCase(name: "infinite speed", change: { $0.speed = .infinity }, reason: "its measured speed is inf"),
        NodeCase(name: "load not a number", change: { $0.load = .nan }, reason: "its load is nan"),
        NodeCase(name: "load above one", change: { $0.load = 1.5 }, reason: "its load is 1.5"),
        NodeCase(name: "suspect", change: { $0.isEligible = false }, reason: "it is not ready for work"),
        NodeCase(name: "no memory", change: { $0.freeMemory = .zero }, reason: "it has no free memory"),
        NodeCase(name: "busy with others' work", change: { $0.load = 0.9 }, reason: "its load 0.9 is over 0.8"),
        NodeCase(name: "far away", change: { $0.latencyMs = 2000 }, reason: "its latency 2000 ms is over 1000 ms"),
    ]

    @Test(arguments: unusable)
    func leftOut(_ test: NodeCase) throws {
        var nodes = Samples.nodes([1, 1, 1])
        test.change(&nodes[1])
        let plan = try Planner.plan(Samples.request(Samples.profile([1, 1, 1, 1]), nodes))
        #expect(Set(plan.stages.flatMap(\.replicas)) == ["w0", "w2"])
        #expect(plan.unusedNodes == ["w1"])
        #expect(plan.reasons.contains { $0.hasPrefix("w1 is left out") && $0.contains(test.reason) }, "\(plan.reasons)")
    }

    @Test("with every node over the load threshold the threshold is dropped, liveness is not")
    func allLoaded() throws {
        var nodes = Samples.nodes([1, 1])
        nodes[0].load = 0.9
        nodes[1].load = 0.95
        let plan = try Planner.plan(Samples.request(Samples.profile([1, 1]), nodes))
        #expect(plan.stages.count == 2)
        #expect(plan.reasons.contains { $0.contains("both limits are dropped") })
        nodes[0].isEligible = false
        nodes[1].isEligible = false
        #expect(throws: PlanningError.noNodes(reasons: nodes.map { "\($0.id) is left out: it is not ready for work" })) {
            try Planner.plan(Samples.request(Samples.profile([1, 1]), nodes))
        }
    }

    @Test("no nodes at all")
    func noNodes() {
        #expect(throws: PlanningError.noNodes(reasons: [])) { try Planner.plan(Samples.request(Samples.profile([1]), [])) }
        #expect(PlanningError.noNodes(reasons: []).message.contains("no worker is there"))
    }

    @Test("two nodes of one name: the second is left out")
    func duplicateName() throws {
        var nodes = Samples.nodes([1, 1])
        nodes[1].id = "w0"
        let plan = try Planner.plan(Samples.request(Samples.profile([1, 1]), nodes))
        #expect(plan.stages.count == 1)
        #expect(plan.reasons.contains { $0.contains("names must differ") })
    }

    @Test("memory is a constraint: the big stage goes where it fits")
    func memoryConstraint() throws {
        // At O0 weights count twice, plus 110 MB: layer 1 needs 310 MB.
        let profile = Samples.profile([3, 1, 1], parameterBytes: [0, 100_000_000, 0])
        let nodes = Samples.nodes([4, 1], memory: [ByteCount(200_000_000), ByteCount(400_000_000)])
        let plan = try Planner.plan(Samples.request(profile, nodes))
        #expect(plan.stages.map(\.replicas) == [["w0"], ["w1"]])
        #expect(plan.stages.map(\.residentBytes) == [ByteCount(110_000_000), ByteCount(310_000_000)])
        #expect(plan.singleBestNode?.node == "w1")
    }

    @Test("memory leaves a node out of the pipeline, with the reason")
    func memoryLeavesOut() throws {
        let profile = Samples.profile([1, 1], parameterBytes: [50_000_000, 50_000_000])
        let nodes = Samples.nodes([1, 1], memory: [ByteCount(150_000_000), ByteCount(400_000_000)])
        let plan = try Planner.plan(Samples.request(profile, nodes))
        #expect(plan.stages.map(\.replicas) == [["w1"]])
        #expect(plan.reasons.contains { $0.contains("no plan with more than 1 stages fits the nodes' memory and links") })
    }

    @Test("a node too small for any piece is named, with its memory and what the smallest piece needs")
    func tooSmallForAnyPiece() throws {
        // At O0 weights count twice, plus 110 MB: the pieces need 310, 150 and 210 MB; layers 1 and 2 cannot be parted.
        let profile = Samples.profile(
            [1, 1, 1, 1], cuts: [1, 3], parameterBytes: [100_000_000, 10_000_000, 10_000_000, 50_000_000])
        let cause = "its memory of 133.5 MiB is too small for any piece of the model: the smallest, layers 1 to 2, needs 143.1 MiB"
        var nodes = Samples.nodes([1, 1, 1], memory: [ByteCount(140_000_000), Samples.plentiful, ByteCount(150_000_000)])
        let plan = try Planner.plan(Samples.request(profile, nodes))
        #expect(plan.leftOut.map(\.node) == ["w0"] && plan.leftOut.map(\.cause) == [cause])
        #expect(plan.reasons.contains("w0 is left out: \(cause)"), "\(plan.reasons)")
        #expect(plan.unusedNodes.contains("w0"))
        nodes.removeLast(2)
        let error = #expect(throws: PlanningError.self) { try Planner.plan(Samples.request(profile, nodes)) }
        #expect(error?.message.contains("w0: \(cause)") == true, "\(error?.message ?? "")")
        nodes[0].freeMemory = ByteCount(150_000_000)
        let fits = #expect(throws: PlanningError.self) { try Planner.plan(Samples.request(profile, nodes)) }
        #expect(fits?.message.contains("any piece") == false, "\(fits?.message ?? "")")
    }

    @Test("no plan fits: which node lacks how many bytes for which stage, and the smallest change")
    func insufficientMemory() {
        // Both halves need 310 MB. w1 has 300: 10 MB short; w0 is 60 short.
        let profile = Samples.profile([1, 1], parameterBytes: [100_000_000, 100_000_000])
        let nodes = Samples.nodes([1, 1], memory: [ByteCount(250_000_000), ByteCount(300_000_000)])
        do {
            _ = try Planner.plan(Samples.request(profile, nodes))
            Issue.record("a plan that cannot fit")
        } catch PlanningError.insufficientMemory(let shortages) {
            #expect(shortages.map(\.lacking).sorted() == [ByteCount(10_000_000), ByteCount(60_000_000)])
            let message = PlanningError.insufficientMemory(shortages).message
            #expect(message.contains("w1 lacks 9.5 MiB for layer"))
            #expect(message.contains("w0 by 57.2 MiB"))
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test("no plan fits at any size of the micro-batch: the smallest change of all of them")
    func smallestShortageOfSizes() throws {
        let alone = [1, 4, 8].map { shortage([$0]) }
        #expect(alone[0] > 0 && alone[0] < alone[1] && alone[1] < alone[2])
        for order in [[8, 4, 1], [1, 4, 8], [4, 1, 8]] { #expect(shortage(order) == alone[0], "\(order)") }
    }

    /// Bytes that a node of 200 MB lacks for 100 MB of weights and 5 MB for each item, at the best of these micro-batches.
    private func shortage(_ sizes: [Int]) -> Int {
        let profiles = sizes.map { batch in
            Samples.profile([1], parameterBytes: [100_000_000], inputBytes: 5_000_000 * batch, outputBytes: 1_000, batch: batch)
        }
        var request = Samples.request(profiles[0], Samples.nodes([1], memory: [ByteCount(200_000_000)]))
        request.otherProfiles = Array(profiles.dropFirst())
        do throws(PlanningError) { _ = try Planner.plan(request) } catch {
            if case .insufficientMemory(let shortages) = error { return shortages.reduce(0) { $0 + $1.lacking.bytes } }
        }
        return 0
    }

    @Test("memory counts activations for each executor and the waiting micro-batches")
    func activationMemory() throws {
        var profile = Samples.profile([1], inputBytes: 3_000_000, outputBytes: 1_000_000)
        profile.layers[0].outputBytes = ByteCount(5_000_000)
        var nodes = Samples.nodes([1])
        nodes[0].effectiveCores = 2.5
        // 110 MB + 5 MB · 2 copies · 2 executors + 4 MB · 2 waiting.
        #expect(try Planner.plan(Samples.request(profile, nodes)).stages[0].residentBytes == ByteCount(138_000_000))
    }

    struct ProfileCase: Sendable, CustomTestStringConvertible {
        var name: String
        var change: @Sendable (inout ModelProfile) -> Void
        var message: String
        var testDescription: String { name }
    }

    static let badProfiles: [ProfileCase] = [
        ProfileCase(
            name: "no layers",
            change: {
                $0.layers = []; $0.cuts = []
            }, message: "no layer"),
        ProfileCase(name: "batch 0", change: { $0.batch = 0 }, message: "batch is 0"),
        ProfileCase(name: "cut outside", change: { $0.cuts.append(Cut(before: 9, bytes: 1)) }, message: "cut before layer 9"),
        ProfileCase(name: "cuts out of order", change: { $0.cuts.reverse() }, message: "cuts must ascend"),
        ProfileCase(name: "negative cut", change: { $0.cuts[0].bytes = -1 }, message: "has -1 bytes"),
        ProfileCase(name: "NaN time", change: { $0.layers[1].milliseconds = .nan }, message: "layer 1 (l1) was measured at nan ms"),
        ProfileCase(
            name: "never measured", change: { $0.layers[2].milliseconds = nil }, message: "layer 2 (l2) was never measured"),
        ProfileCase(
            name: "all zero", change: { for index in $0.layers.indices { $0.layers[index].milliseconds = 0 } },
            message: "no layer has a cost"),
        ProfileCase(name: "negative weights", change: { $0.layers[0].parameterBytes = -5 }, message: "negative size"),
    ]

    @Test(arguments: badProfiles)
    func refusedProfile(_ test: ProfileCase) {
        var profile = Samples.profile([1, 1, 1])
        test.change(&profile)
        do {
            _ = try Planner.plan(Samples.request(profile, Samples.nodes([1])))
            Issue.record("accepted")
        } catch {
            #expect(error.message.contains(test.message), "\(error.message)")
        }
    }
}
