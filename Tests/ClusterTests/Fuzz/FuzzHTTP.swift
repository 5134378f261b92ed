import Simulator

/// Requests put together by chance at the HTTP port.
struct FuzzHTTP {
    private static let places = 16

    private let address: String
    private var peers: [RawPeer] = []
    private(set) var requests = 0

    init(_ address: String) { self.address = address }

    mutating func turn(_ random: inout SeededRandom) async throws {
        if peers.count >= Self.places { peers.remove(at: random.int(in: 0...peers.count - 1)) }
        let peer = try RawPeer(address)
        requests += 1
        let request = Self.request(&random)
        peer.send(random.chance(0.3) ? FieldMutation.scramble(request, &random) : request)
        if random.chance(0.2) { peer.send(request) }
        peers.append(peer)
        guard random.chance(0.05) else { return }
        let health = try await PlainHTTP.get("/healthz", from: address, within: .seconds(5))
        guard health.status == 200 else { throw PlainHTTP.Failure(description: "/healthz says \(health.status)") }
    }

    mutating func end() { peers = [] }

    private static let long = String(repeating: "a", count: 9_000)
    private static let veryLong = String(repeating: "b", count: 40_000)
    private static let methods: [String] = ["GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "CONNECT", "get", "G\0T", ""]
    private static let paths: [String] = [
        "/healthz", "/readyz", "/metrics", "/status", "/history", "/", "//", "/../../etc/passwd", "/status?x=%00", "/%ff%fe", "*",
        "http://other/status", "/\(long)", "/history?node=w1&since=-1&limit=99999999999999999999",
    ]
    private static let versions: [String] = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", ""]
    private static let headers: [String] = [
        "Host: localhost\r\n", "Host: a\r\nHost: b\r\n", "", "Host: localhost\r\nContent-Length: 99999999999\r\n",
        "Host: localhost\r\nContent-Length: -1\r\n", "Host: a\r\nTransfer-Encoding: chunked\r\n",
        "Host: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Host: a\r\nX: \(veryLong)\r\n",
        "Host: localhost\r\nExpect: 100-continue\r\n", String(repeating: "X-Y: 1\r\n", count: 3_000),
        "Host: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n", "Host : a\r\n", "Host: a\nX: b\n", "Host: a\r\n folded\r\n",
        "Host: localhost\r\nOrigin: http://other\r\n", "Host: localhost\r\nAuthorization: Bearer a\r\n",
    ]
    private static let bodies: [String] = [
        "", "", "hello", "5\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "5;a=b\r\nhel", "-1\r\n",
    ]

    private static func request(_ random: inout SeededRandom) -> [UInt8] {
        let line = [
            FieldMutation.pick(methods, &random), FieldMutation.pick(paths, &random), FieldMutation.pick(versions, &random),
        ]
        let end = random.chance(0.9) ? "\r\n" : ""
        let head = line.joined(separator: " ") + "\r\n" + FieldMutation.pick(headers, &random) + end
        return Array((head + FieldMutation.pick(bodies, &random)).utf8)
    }
}
