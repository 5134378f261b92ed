/// The files of one project, as they are read: each by its path, with bounds on how many and how much.
final class ProjectFiles {
    /// Nobody splits a project into more.
    static let maximumCount = 256
    static let maximumByteCount = 16 << 20

    enum Kind { case absent, file, folder }

    /// Files that are not on the disk, by their path.
    private let memory: [String: String]?
    /// Absolute; where relative paths start.
    let workingDirectory: String
    /// Everything that was looked for, whether it is there or not: a change to any of it may change the project.
    private(set) var touched: [String] = []
    private var texts: [String: String] = [:]
    private var byteCount = 0

    init() {
        memory = nil
        workingDirectory = BoundedFile.workingDirectory
    }

    init(memory: [String: String], workingDirectory: String) {
        self.memory = memory
        self.workingDirectory = workingDirectory
    }

    func absolute(_ path: String) -> String { FilePath.joined(workingDirectory, path) }

    /// Looks, and remembers that it looked.
    /// - Parameter isNoted: `false` for a folder, which changes with whatever is written in it.
    func kind(_ path: String, isNoted: Bool = true) -> Kind {
        if isNoted { note(path) }
        guard let memory else { return BoundedFile.kind(path) }
        if memory[path] != nil { return .file }
        return memory.keys.contains { $0.hasPrefix(path == "." ? "" : path + "/") } ? .folder : .absent
    }

    /// - Parameter isNamedByUser: on the command line, where a pipe may be given too.
    func text(_ path: String, isNamedByUser: Bool = false) throws(TopologyError) -> String {
        note(path)
        if let text = texts[path] { return text }
        let text: String
        if let memory {
            guard let found = memory[path] else { throw BoundedFile.unreadable(path, "No such file or directory") }
            text = found
        } else {
            text = try BoundedFile.text(path: path, mustBeFile: !isNamedByUser)
        }
        byteCount += text.utf8.count
        guard texts.count < ProjectFiles.maximumCount, byteCount <= ProjectFiles.maximumByteCount else {
            throw TopologyError(
                file: path,
                problem:
                    "the project's files are over the limit of \(ProjectFiles.maximumCount) files or \(ProjectFiles.maximumByteCount) bytes",
                fix: "include fewer")
        }
        texts[path] = text
        return text
    }

    private func note(_ path: String) {
        if !touched.contains(path), touched.count < 4 * ProjectFiles.maximumCount { touched.append(path) }
    }
}
