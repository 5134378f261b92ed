import Foundation
import Glibc

/// One GET over a connection of its own; what a probe or a scraper does.
struct PlainHTTP: Sendable {
    struct Failure: Error, CustomStringConvertible { let description: String }

    let status: Int
    let body: String

    var json: [String: Any] {
        get throws {
            guard let object = try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any] else {
                throw Failure(description: "no JSON object: \(body)")
            }
            return object
        }
    }

    static func get(_ path: String, from address: String, within limit: Duration = .seconds(20)) async throws -> PlainHTTP {
        let peer = try RawPeer(address)
        peer.send(Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8))
        try await peer.closed("GET \(path)", within: limit)
        let text = String(decoding: peer.received, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n"), let code = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else {
            throw Failure(description: "no HTTP reply to GET \(path): \(text)")
        }
        return PlainHTTP(status: code, body: String(text[end.upperBound...]))
    }

    /// The samples of a metrics page by their series, as they are written.
    var samples: [String: Double] {
        Dictionary(
            body.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
                guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else { return nil }
                return (String(line[..<space]), value)
            }, uniquingKeysWith: { first, _ in first })
    }
}

extension TestCluster {
    /// Where a coordinator that was started with `--http` serves it.
    static func httpAddress(of coordinator: ProcessUnderTest) async throws -> String {
        let marker = "http on "
        let line = try await coordinator.line("\(marker)…", on: .stdout, within: startLimit) { $0.hasPrefix(marker) }
        return String(line.dropFirst(marker.count))
    }
}
