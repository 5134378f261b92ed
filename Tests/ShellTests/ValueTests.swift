import ArgumentParser
import Base
import Shell
import Testing
import Transport

@Suite("Option values")
struct ValueTests {
    struct Accepted<Value: Sendable>: Sendable, CustomTestStringConvertible {
        let text: String
        let value: Value
        var testDescription: String { "\"\(text)\"" }
    }

    @Test(
        "durations that are read",
        arguments: [
            Accepted(text: "250ms", value: Duration.milliseconds(250)), Accepted(text: "2s", value: .seconds(2)),
            Accepted(text: "1m", value: .seconds(60)), Accepted(text: "1h", value: .seconds(3_600)),
            Accepted(text: "1.5s", value: .milliseconds(1_500)), Accepted(text: "0.1s", value: .milliseconds(100)),
            Accepted(text: "0s", value: .zero), Accepted(text: "7us", value: .microseconds(7)),
            Accepted(text: "9ns", value: .nanoseconds(9)),
        ])
    func duration(_ row: Accepted<Duration>) throws {
        #expect(try Duration(parsing: row.text) == row.value)
        #expect(Duration(argument: row.text) == row.value)
        #expect(try Duration(parsing: row.value.optionText) == row.value)
    }

    @Test(
        "durations that are refused",
        arguments: ["", "2", "s", "-1s", "1.s", ".5s", "1 s", "1e3s", "0.5ns", "99999999999999999h", "1d", "2S", "１s"])
    func badDuration(_ text: String) throws {
        let error = #expect(throws: ValueError.self) { try Duration(parsing: text) }
        #expect(error?.message.contains("\"\(text)\"") == true)
        #expect(error?.message.contains("250ms") == true)
        #expect(Duration(argument: text) == nil)
    }

    @Test(
        "sizes that are read",
        arguments: [
            Accepted(text: "512MiB", value: 512 << 20), Accepted(text: "1GiB", value: 1 << 30),
            Accepted(text: "1.5GiB", value: 3 << 29),
            Accepted(text: "100MB", value: 100_000_000), Accepted(text: "4096", value: 4_096), Accepted(text: "7B", value: 7),
            Accepted(text: "3kB", value: 3_000), Accepted(text: "3KB", value: 3_000), Accepted(text: "2KiB", value: 2_048),
            Accepted(text: "1TiB", value: 1 << 40), Accepted(text: "0", value: 0),
        ])
    func size(_ row: Accepted<Int>) throws {
        #expect(try ByteCount(parsing: row.text).bytes == row.value)
        let printed = ByteCount(row.value).optionText
        #expect(try ByteCount(parsing: printed).bytes == row.value)
    }

    @Test(
        "sizes that are refused",
        arguments: [
            "", "MiB", "512M", "512m", "-1", "1.5", "0.3B", "1 GiB", "10000000TiB", "0x10", "1,5GiB", "99999999999999999999",
        ])
    func badSize(_ text: String) {
        let error = #expect(throws: ValueError.self) { try ByteCount(parsing: text) }
        #expect(error?.message.contains("512MiB") == true)
        #expect(ByteCount(argument: text) == nil)
    }

    @Test func sizesPrintAsShortAsTheyCan() {
        #expect(ByteCount(512 << 20).optionText == "512MiB")
        #expect(ByteCount(1 << 30).defaultValueDescription == "1GiB")
        #expect(ByteCount(1_000).optionText == "1000" && ByteCount(1_000).description == "1000 B")
        // For people it is rounded, and has a unit.
        #expect(ByteCount((512 << 20) + 1).description == "512 MiB" && ByteCount(1_500_000).description == "1.4 MiB")
        #expect(Duration.seconds(60).defaultValueDescription == "1m")
        #expect(Duration.milliseconds(1_500).defaultValueDescription == "1500ms")
    }

    @Test(
        "addresses that are read",
        arguments: [
            Accepted(text: "node:9000", value: HostPort(host: "node", port: 9_000)),
            Accepted(text: ":9000", value: HostPort(host: nil, port: 9_000)),
            Accepted(text: "9000", value: HostPort(host: nil, port: 9_000)),
            Accepted(text: "0", value: HostPort(host: nil, port: 0)),
            Accepted(text: "127.0.0.1:0", value: HostPort(host: "127.0.0.1", port: 0)),
            Accepted(text: "[::1]:65535", value: HostPort(host: "::1", port: 65_535)),
            Accepted(text: "[fe80::1%eth0]:1", value: HostPort(host: "fe80::1%eth0", port: 1)),
        ])
    func address(_ row: Accepted<HostPort>) throws {
        let parsed = try HostPort(parsing: row.text)
        #expect(parsed == row.value)
        #expect(try HostPort(parsing: parsed.description) == parsed)
    }

    @Test("where to listen: everywhere, or where it is said; what is wrong names the option") func listening() throws {
        #expect(try HostPort(host: nil, port: 9).listeningAddress(option: "--listen") == .any(port: 9))
        #expect(try HostPort(host: "127.0.0.1", port: 9).listeningAddress(option: "--listen") == .loopback(port: 9))
        let error = #expect(throws: CommandFailure.self) {
            try HostPort(host: "nowhere.invalid", port: 9).listeningAddress(option: "--http")
        }
        #expect(error?.exitStatus == .failure)
        #expect(
            error?.message.hasPrefix("--http: the name \"nowhere.invalid\" does not resolve: ") == true,
            "\(String(describing: error))")
    }

    @Test(
        "addresses that are refused",
        arguments: [
            "", "node", "node:", "node:70000", "node:-1", "node:+1", "::1:9000", "[::1]", "[::1:9000", "[node]:9000", "a b:1",
            "http://x:80",
            "node:１", "[::1]9000",
            // Of these, one reader of addresses took each while another refused it.
            "a\u{A0}b:1", "a[b:1", "a]:1", "node:009000", ":", "[]:80",
        ])
    func badAddress(_ text: String) {
        let error = #expect(throws: ValueError.self) { try HostPort(parsing: text) }
        #expect(error?.message.contains("host:port") == true && error?.message.contains("\"\(text)\"") == true)
    }

    @Test(
        "what was forgotten or is too much is named",
        arguments: [
            ("http://x:80", "it is a URL; leave \"http://\" away"), ("tcp://[::1]:80", "it is a URL"),
            ("127.0.0.1", "there is no port"),
            ("node", "there is no port"), ("a:1 b:2", "separated by commas"), ("::1:9000", "needs brackets"),
            ("70000", "\"70000\" is not a port"), ("127.0.0.010:9000", "is no IPv4 address"),
            ("010.0.0.1:9000", "zeros before them"),
            ("127.1:9000", "is no IPv4 address"), ("22:22", "is no IPv4 address"), ("0x7f.0.0.1:1", "is no IPv4 address"),
        ])
    func badAddressSaysWhy(_ text: String, _ says: String) throws {
        let error = try #require(throws: ValueError.self) { try HostPort(parsing: text) }
        #expect(error.message.contains(says), "\(error.message)")
    }

    @Test func aHostOfAbsurdLengthIsRefused() {
        let host = String(repeating: "a", count: HostPort.maximumHostLength + 1)
        #expect(throws: ValueError.self) { try HostPort(parsing: "\(host):1") }
        #expect(throws: Never.self) { try HostPort(parsing: "\(host.dropLast()):1") }
    }

    @Test(
        "the nearest known name",
        arguments: [
            ("micro_batch", "micro-batch"), ("modle", "model"), ("listne", "listen"), ("heartbeat-timeut", "heartbeat-timeout"),
            ("zzz", nil), ("", nil), ("w1", nil),
        ] as [(String, String?)])
    func nearest(_ name: String, _ expected: String?) {
        #expect(NearestName.of(name, among: ["model", "listen", "micro-batch", "heartbeat-timeout", "db"]) == expected)
    }

    @Test func randomBitsDiffer() {
        let drawn = Set((0..<64).map { _ in RandomBits.next128() })
        #expect(drawn.count == 64)
        #expect(drawn.contains { $0 >> 64 != 0 })
    }

    @Test func jsonIsOneSortedLine() throws {
        struct Row: Encodable {
            let zebra: Int
            let apple: Double
            let path: String
        }
        #expect(try JSONOutput.text(Row(zebra: 1, apple: .nan, path: "a/b")) == #"{"apple":"nan","path":"a/b","zebra":1}"#)
    }

    @Test func fieldsThatAreNotNamedForJSONBecomeSnakeCase() throws {
        struct Row: Encodable {
            struct Inner: Encodable { let outputBytes = 3 }
            let itemsPerSecond = 1.5
            let perNode = ["nodeA": 1]
            let parts = [Inner()]
        }
        let text = try JSONOutput.text(Row(), convertsKeys: true)
        // A name that is data stays as it is.
        #expect(text == #"{"items_per_second":1.5,"parts":[{"output_bytes":3}],"per_node":{"nodeA":1}}"#)
    }
}
