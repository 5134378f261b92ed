import ArgumentParser
import Base
import Check
import Coordinator
import Shell
import Testing
import Worker

/// A command line of a compose file or manifest, read by the very options of the program that it names.
struct CommandLine {
    enum Program {
        case worker(WorkerOptions)
        case coordinator(CoordinatorOptions)
        case check(CheckOptions)
    }

    struct Unknown: Error, CustomStringConvertible {
        let description: String
    }

    let words: [String]
    let program: Program

    init(_ words: [String]) throws {
        self.words = words
        let arguments = Array(words.dropFirst())
        do {
            switch words.first {
            case "amp4ec-worker": program = .worker(try WorkerOptions.parse(arguments))
            case "amp4ec-coordinator": program = .coordinator(try CoordinatorOptions.parse(arguments))
            case "amp4ec-check": program = .check(try CheckOptions.parse(arguments))
            default: throw Unknown(description: "there is no program \(words.first ?? "at all")")
            }
        } catch let error as Unknown {
            throw error
        } catch {
            throw Unknown(description: "\(words.joined(separator: " ")): \(error)")
        }
    }

    /// What stands behind `--name`.
    func text(of name: String) -> String? {
        guard let position = words.firstIndex(of: "--\(name)"), position + 1 < words.count else { return nil }
        return words[position + 1]
    }

    /// Ports that the process listens on.
    var ports: Set<UInt16> {
        switch program {
        case .worker(let options): [options.listen.port]
        case .coordinator(let options):
            Set([options.listen.port] + [text(of: "http").flatMap { HostPort(argument: $0)?.port }].compactMap { $0 })
        case .check: []
        }
    }

    /// Folders that it writes.
    var writtenFolders: [String] {
        switch program {
        case .worker(let options): [options.cacheDir].compactMap { $0 }
        case .coordinator: [text(of: "state-dir")].compactMap { $0 }
        case .check: []
        }
    }

    /// Files that it reads.
    var readFiles: [String] {
        guard case .coordinator(let options) = program else { return [] }
        return [options.model].compactMap(\.self) + options.topology.filter { !$0.hasPrefix("dns:") }
    }

    /// A check asks the process beside it, on the port on which that listens, and as what it is.
    func expectAsks(_ process: CommandLine, _ what: String) {
        guard case .check(let check) = program else {
            Issue.record("\(what): the health check is not amp4ec-check")
            return
        }
        switch process.program {
        case .worker(let options):
            #expect(check.worker == HostPort(host: "127.0.0.1", port: options.listen.port) && check.coordinator == nil, "\(what)")
        case .coordinator(let options):
            #expect(check.coordinator == HostPort(host: "127.0.0.1", port: options.listen.port) && check.worker == nil, "\(what)")
        case .check: Issue.record("\(what): a check cannot be checked")
        }
    }
}
