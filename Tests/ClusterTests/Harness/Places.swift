import Foundation

/// Where things lie that the tests use.
enum Places {
    struct Absent: Error, CustomStringConvertible {
        let description: String
    }

    static var packageRoot: URL {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { url.deleteLastPathComponent() }
        return url
    }

    static func existing(_ url: URL, _ remedy: String) throws -> String {
        guard FileManager.default.fileExists(atPath: url.path) else {
            throw Absent(description: "\(url.path) is not there: \(remedy)")
        }
        return url.path
    }

    /// A file that `Tests/Models/make-test-models` writes.
    static func testModel(_ file: String) throws -> String {
        let folder =
            ProcessInfo.processInfo.environment["AMP4EC_TEST_MODELS"].map { URL(fileURLWithPath: $0) }
            ?? packageRoot.appendingPathComponent(".models/test")
        return try existing(folder.appendingPathComponent(file), "run scripts/test-models, or set AMP4EC_TEST_MODELS to its folder")
    }
}

/// An executable of the package.
enum Product: String, Sendable {
    case worker = "amp4ec-worker"
    case coordinator = "amp4ec-coordinator"
    case command = "amp4ec"
    case check = "amp4ec-check"

    /// In `AMP4EC_PRODUCTS`, else where `swift build -c release` puts it.
    var path: String {
        get throws {
            let folder =
                ProcessInfo.processInfo.environment["AMP4EC_PRODUCTS"].map { URL(fileURLWithPath: $0) }
                ?? Places.packageRoot.appendingPathComponent(".build/release")
            return try Places.existing(folder.appendingPathComponent(rawValue), "run swift build -c release")
        }
    }
}
