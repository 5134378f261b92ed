internal import Foundation
internal import Shell

enum FileBytes {
    /// The whole file.
    /// - Throws: ``CommandFailure`` (bad data) with the path and the system's reason.
    static func read(_ path: String, limit: Int) throws(CommandFailure) -> [UInt8] {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw CommandFailure(.badData, "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { try? handle.close() }
        do {
            let data = try handle.read(upToCount: limit + 1) ?? Data()
            guard data.count <= limit else { throw CommandFailure(.badData, "\(path) is over the limit of \(limit) bytes") }
            return Array(data)
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(.badData, "\(path) cannot be read: \(error.localizedDescription)")
        }
    }
}
