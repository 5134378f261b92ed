import Cluster
import Foundation
import Testing
import Wire

/// Documents of a real cluster in which every number is another: what a lying coordinator, or one that a lying worker has told of itself, shows to
/// a person. The commands print it or say that they cannot read it; none ends by a signal.
@Suite("Documents with numbers that cannot be")
struct RogueDocumentTests {
    /// In place of each number; those that a field's type cannot hold make the document unreadable, which is an error and no end.
    private static let numbers: [Kind: [String]] = [
        .integers: ["0", "9223372036854775807", "18446744073709551615", "-9223372036854775808"],
        .fractions: ["0", "1e19", "1e300", "-1e300", "1e-320"],
    ]

    enum Kind: String {
        case integers, fractions

        /// By the name of the field: a fraction may stand there as an integer.
        func takes(_ field: Substring) -> Bool {
            let isFraction =
                ["_ms", "_share", "_cores", "_second", "cost", "capability"].contains { field.hasSuffix($0) } && field != "time_ms"
            return self == .fractions ? isFraction : !isFraction
        }
    }

    @Test("status and history: printed or refused")
    func documents() async throws {
        let (status, history) = try await withCluster("cnn", workers: 2) { cluster in
            // A heartbeat later each figure is there.
            try await cluster.status("links and samples are known") {
                !$0.links.isEmpty && $0.nodes.allSatisfy { $0.cpu.quotaCores > 0 }
            }
            let status = try await cluster.command("status", "--json")
            try #require(status.ending == .exited(0), "\(status)")
            let history = try await cluster.command("status", "--history", "--json")
            try #require(history.ending == .exited(0), "\(history)")
            return (status.output, history.output)
        }
        let folder = try TemporaryFolder()
        for (kind, numbers) in Self.numbers {
            for number in numbers {
                let (odd, oddHistory) = (
                    Self.replacing(kind, in: status, by: number), Self.replacing(kind, in: history, by: number)
                )
                let server = try RogueServerTests.Server { connection, message in
                    switch message {
                    case .hello: connection.send(.welcome, ProtoBytes().varint(1, 1).text(2, "c").fixed64(4, 1).fixed64(5, 1))
                    case .statusRequest(let request):
                        let document = request.history == nil ? odd : oddHistory
                        connection.send(.statusReply, ProtoBytes().varint(1, request.id), payload: Array(document.utf8))
                    default: break
                    }
                }
                defer { server.stop() }
                for line in [["status"], ["status", "--history"]] {
                    let run = try await CommandRun.run(
                        .command, line + ["--coordinator", server.address, "--deadline", "2s"], within: .seconds(20), in: folder)
                    guard case .exited(let code) = run.ending else {
                        Issue.record("\(line.joined(separator: " ")) with \(kind.rawValue) of \(number): \(run)")
                        continue
                    }
                    #expect(
                        [0, 1, 65, 69].contains(code), "\(line.joined(separator: " ")) with \(kind.rawValue) of \(number): \(run)")
                }
            }
        }
    }

    /// Outside of strings, in the fields that the kind takes.
    private static func replacing(_ kind: Kind, in document: String, by other: String) -> String {
        var out = ""
        var field: Substring = ""
        var rest = document[...]
        while let character = rest.first {
            if character == "\"" {
                let string = stringToken(rest)
                out += string
                rest = rest.dropFirst(string.count)
                // A name, or a value behind which no number comes before the next name.
                field = string.dropFirst().dropLast()
            } else if character == "-" || character.isNumber {
                let number = rest.prefix { $0.isNumber || "+-.eE".contains($0) }
                out += kind.takes(field) ? other : String(number)
                rest = rest.dropFirst(number.count)
            } else {
                out.append(character)
                rest = rest.dropFirst()
            }
        }
        return out
    }

    /// From its quote to its other one.
    private static func stringToken(_ text: Substring) -> Substring {
        var isEscaped = false
        for (offset, character) in text.enumerated().dropFirst() {
            if isEscaped {
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                return text.prefix(offset + 1)
            }
        }
        return text
    }
}
