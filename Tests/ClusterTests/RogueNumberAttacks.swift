import AMP4ECClient
import Cluster
import Tensors
import Testing
import Wire

/// Numbers of requests that are used twice, given up, and used again: the bytes of one message must never become those of another.
enum RogueNumberAttacks {
    /// Against a model of pictures, of which each request is answered within milliseconds.
    static let onShortRequests: [Attack] = [
        Attack("a second message under a number whose payload is still coming") { scene in
            let rogue = try await RogueClient(scene.address)
            let first = try RogueClient.request(7, scene.traffic.inputs[0])
            let stream = rogue.sendHalf(first)
            rogue.send(try RogueClient.request(7, scene.traffic.inputs[1]))
            try expectRefusal(try await rogue.outcome(of: 7))
            rogue.sendRest(first, on: stream)
            try scene.expectRight(try await rogue.outcome(of: 7, number: 2), 0)
            rogue.close()
        },
        Attack("a second message in the first one's number and in the middle of it, both going on in turn") { scene in
            let rogue = try await RogueClient(scene.address)
            let first = try RogueClient.request(1, scene.traffic.inputs[2])
            let second = try RogueClient.request(1, scene.traffic.inputs[3])
            let (one, two) = (rogue.sendHalf(first), rogue.sendHalf(second))
            rogue.sendRest(second, on: two)
            rogue.sendRest(first, on: one)
            let outcomes = [try await rogue.outcome(of: 1), try await rogue.outcome(of: 1, number: 2)]
            #expect(outcomes.contains { $0.code == .invalidArgument }, "\(outcomes)")
            try scene.expectRight(try #require(outcomes.first { $0.tensors != nil }), 2)
            rogue.close()
        },
        Attack("a second message without tensors under a number whose payload is still coming") { scene in
            let rogue = try await RogueClient(scene.address)
            let first = try RogueClient.request(7, scene.traffic.inputs[0])
            let stream = rogue.sendHalf(first)
            rogue.send(try RogueClient.request(7, []))
            try expectRefusal(try await rogue.outcome(of: 7))
            rogue.sendRest(first, on: stream)
            try scene.expectRight(try await rogue.outcome(of: 7, number: 2), 0)
            rogue.close()
        },
        Attack("a second message with other names under a number whose payload is still coming") { scene in
            let rogue = try await RogueClient(scene.address)
            let name = scene.traffic.manifest.inputs[0].name
            let first = try RogueClient.request(7, scene.traffic.inputs[0], names: [name])
            let stream = rogue.sendHalf(first)
            rogue.send(try RogueClient.request(7, scene.traffic.inputs[1], names: ["other"]))
            try expectRefusal(try await rogue.outcome(of: 7))
            rogue.sendRest(first, on: stream)
            try scene.expectRight(try await rogue.outcome(of: 7, number: 2), 0)
            rogue.close()
        },
        Attack("a number that is free again after its reply") { scene in
            let rogue = try await RogueClient(scene.address)
            for (count, index) in [4, 5, 6].enumerated() {
                rogue.send(try RogueClient.request(3, scene.traffic.inputs[index]))
                try scene.expectRight(try await rogue.outcome(of: 3, number: count + 1), index)
            }
            rogue.close()
        },
        Attack("a message given up half-way, and its number used again") { scene in
            let rogue = try await RogueClient(scene.address)
            let stream = rogue.sendHalf(try RogueClient.request(5, scene.traffic.inputs[0]))
            rogue.connection.abort(stream)
            rogue.send(try RogueClient.request(5, scene.traffic.inputs[1]))
            try scene.expectRight(try await rogue.outcome(of: 5), 1)
            rogue.close()
        },
        Attack("a request cancelled half-way, its number used again, and then the old one's last bytes") { scene in
            let rogue = try await RogueClient(scene.address)
            let old = try RogueClient.request(5, scene.traffic.inputs[0])
            let stream = rogue.sendHalf(old)
            try rogue.connection.send(.cancelRequest(CancelRequest(id: 5)))
            let new = try RogueClient.request(5, scene.traffic.inputs[1])
            let newStream = rogue.sendHalf(new)
            rogue.sendRest(old, on: stream)
            rogue.sendRest(new, on: newStream)
            try scene.expectRight(try await rogue.outcome(of: 5), 1)
            rogue.close()
        },
        Attack("an expired request, its number used again, and then the old one's last bytes") { scene in
            try await useAgain(scene) { rogue, old, stream in rogue.sendRest(old, on: stream) }
        },
        Attack("an old message given up under a number that a new request has") { scene in
            try await useAgain(scene) { rogue, _, stream in rogue.connection.abort(stream) }
        },
        Attack("the numbers of others: cancelled a thousand times, and used") { scene in
            let rogue = try await RogueClient(scene.address)
            for number: UInt64 in 0..<1_000 { try rogue.connection.send(.cancelRequest(CancelRequest(id: number))) }
            for number: UInt64 in [0, 1, .max] {
                rogue.send(try RogueClient.request(number, scene.traffic.inputs[7]))
                try scene.expectRight(try await rogue.outcome(of: number), 7)
            }
            rogue.close()
        },
        Attack("a client that goes away in the middle of each of many uploads") { scene in
            for number in 0..<20 {
                let rogue = try await RogueClient(scene.address)
                for id: UInt64 in 0..<4 { _ = rogue.sendHalf(try RogueClient.request(id, scene.traffic.inputs[number % 8])) }
                rogue.close()
            }
        },
    ]

    /// Against a model of which one request takes as long as its input says.
    static let onLongRequests: [Attack] = [
        Attack("a second message under a number that runs: with tensors, without, and half of one") { scene in
            let rogue = try await RogueClient(scene.address)
            let slow = try ConcurrencyTests.slowInputs(scene.traffic.manifest, seed: 5, rounds: 200_000)
            let client = try scene.cluster.client()
            defer { client.close() }
            let expected = try await client.infer(slow).outputs
            rogue.send(try RogueClient.request(9, slow))
            try await scene.cluster.status("the rogue's request runs") { $0.nodes.contains { $0.executing > 0 } }
            rogue.send(try RogueClient.request(9, scene.traffic.inputs[1]))
            try expectRefusal(try await rogue.outcome(of: 9))
            rogue.send(try RogueClient.request(9, []))
            try expectRefusal(try await rogue.outcome(of: 9, number: 2))
            let stream = rogue.sendHalf(try RogueClient.request(9, scene.traffic.inputs[2]))
            try expectRefusal(try await rogue.outcome(of: 9, number: 3))
            rogue.connection.abort(stream)
            let reply = try await rogue.outcome(of: 9, number: 4, within: .seconds(30))
            let tensors = try #require(reply.tensors, "\(reply)")
            #expect(Comparison.relativeError(tensors, expected) <= HonestTraffic.tolerance)
            rogue.close()
        },
        Attack("a request that is cancelled while it runs, and its number used for another") { scene in
            let rogue = try await RogueClient(scene.address)
            rogue.send(try RogueClient.request(9, try ConcurrencyTests.slowInputs(scene.traffic.manifest, rounds: 200_000)))
            try await scene.cluster.status("the rogue's request runs") { $0.nodes.contains { $0.executing > 0 } }
            try #require(rogue.outcomes(of: 9).isEmpty, "it was answered before it could be cancelled: give it more rounds")
            try rogue.connection.send(.cancelRequest(CancelRequest(id: 9)))
            rogue.send(try RogueClient.request(9, scene.traffic.inputs[1]))
            try scene.expectRight(try await rogue.outcome(of: 9, within: .seconds(30)), 1)
            rogue.close()
        },
        Attack("a request that expires while it runs, and its number used for another") { scene in
            let rogue = try await RogueClient(scene.address)
            let slow = try ConcurrencyTests.slowInputs(scene.traffic.manifest, rounds: 200_000)
            rogue.send(try RogueClient.request(9, slow, deadlineMilliseconds: 150))
            #expect(try await rogue.outcome(of: 9).code == .deadlineExceeded)
            rogue.send(try RogueClient.request(9, scene.traffic.inputs[1]))
            try scene.expectRight(try await rogue.outcome(of: 9, number: 2, within: .seconds(30)), 1)
            rogue.close()
        },
    ]

    /// The number of a request that expired half-way is used again, and in the middle of the new one comes an end of the old one.
    private static func useAgain(
        _ scene: Scene, endingOld end: (RogueClient, RogueClient.Request, RogueConnection.Stream) -> Void
    ) async throws {
        let rogue = try await RogueClient(scene.address)
        let old = try RogueClient.request(5, scene.traffic.inputs[0], deadlineMilliseconds: 100)
        let stream = rogue.sendHalf(old)
        #expect(try await rogue.outcome(of: 5).code == .deadlineExceeded)
        let new = try RogueClient.request(5, scene.traffic.inputs[1])
        let newStream = rogue.sendHalf(new)
        end(rogue, old, stream)
        rogue.sendRest(new, on: newStream)
        try scene.expectRight(try await rogue.outcome(of: 5, number: 2), 1)
        rogue.close()
    }

    static func expectRefusal(_ outcome: RogueClient.Outcome) throws {
        #expect(outcome.code == .invalidArgument, "\(outcome)")
    }
}
