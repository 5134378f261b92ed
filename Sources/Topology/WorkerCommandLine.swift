internal import Shell

/// What a service runs: its entrypoint and command as words, through the shells around them, and the worker's options among them.
struct WorkerCommandLine {
    static let executable = "amp4ec-worker"
    /// Our other programs: what stands behind one of them is theirs.
    private static let others: Set<String> = ["amp4ec", "amp4ec-coordinator", "amp4ec-check"]
    private static let shells: Set<String> = ["sh", "bash", "ash", "dash", "zsh", "ksh"]
    /// Programs to which the worker's name is only a word: they look for it, copy it or print it.
    private static let readers: Set<String> = [
        "[", "[[", "apk", "apt-get", "cat", "chmod", "chown", "command", "cp", "curl", "echo", "file", "grep", "hash", "install",
        "kill",
        "killall", "ldd", "ln", "logger", "ls", "mv", "pgrep", "pidof", "pkill", "printf", "rm", "setcap", "stat", "test", "touch",
        "type",
        "wget", "which",
    ]
    /// A shell that starts a shell that starts …: nobody nests deeper.
    private static let maximumShells = 4
    /// Options that may be given several times.
    private static let repeatable: Set<String> = ["advertise", "allow-model", "cluster-secret-file"]
    /// Options without a value: the word behind one is not its own.
    private static let flags: Set<String> = ["accept-plain", "insecure", "no-confinement", "check", "help", "version"]

    typealias Word = ShellScript.Word

    /// The worker's command line, when the executable is named; else everything that is run, the entrypoint first.
    private let words: [Word]
    /// Where the worker's options begin.
    private let optionStart: Int?
    /// Names the executable, but does not start it in a way that can be seen.
    let unclear: ConfigNode?

    /// - Parameter shell: the container's variables.
    init(service: ConfigNode, fields: FieldReader, shell: @escaping (String) -> String?) throws(TopologyError) {
        var words: [Word] = []
        var named: ConfigNode?
        for field in ["entrypoint", "command"] {
            guard let node = service[field] else { continue }
            if WorkerCommandLine.namesExecutable(node) { named = node }
            do {
                words += try WorkerCommandLine.words(node, field, fields).map { Word($0) }
            } catch {
                // A service that has nothing to do with us may use variables that only compose's own host knows.
                guard service[ComposeFile.extensionKey] != nil || named != nil else { continue }
                throw error
            }
        }
        if let (command, start) = WorkerCommandLine.worker(in: words, shell, depth: 0) {
            self.words = command
            optionStart = start
        } else {
            self.words = words
            optionStart = nil
        }
        let isTheirs = words.contains { WorkerCommandLine.others.contains(WorkerCommandLine.baseName($0.text)) }
        unclear = optionStart == nil && !isTheirs ? named : nil
    }

    /// By its own `x-amp4ec.role`, else by what it runs. `--check` starts no worker.
    func isWorker(_ role: WorkerAnnotation.Role?) -> Bool {
        role.map { $0 == .worker } ?? (optionStart.map { !words[$0...].contains(Word("--check")) } ?? false)
    }

    /// The worker's options: `--name value`, `--name=value`, and `--flag` as `true`; without those whose value only the shell in the
    /// container knows. Without the executable's name (it is the image's own entrypoint) all words are options.
    func options(_ service: ConfigNode, fields: FieldReader) throws(TopologyError) -> [String: String] {
        var options: [String: String] = [:]
        for (name, word) in given {
            guard options[name] == nil || WorkerCommandLine.repeatable.contains(name) else {
                throw fields.refusal(
                    service["command"] ?? service["entrypoint"], "command", "--\(name) stands twice", "give it once")
            }
            if word.isKnown { options[name] = word.text }
        }
        return options
    }

    /// A word of the shell's that decides the option, or that may: it stands where options stand, and nobody here knows what it becomes.
    func undecided(_ option: String) -> String? {
        let values = given.filter { $0.name == option }
        if let value = values.first { return value.word.isKnown ? nil : value.word.text }
        return words[(optionStart ?? 0)...].first { !$0.isKnown && !$0.text.hasPrefix("--") && !isValue($0) }?.text
    }

    private func isValue(_ word: Word) -> Bool { given.contains { $0.word == word } }

    private var given: [(name: String, word: Word)] {
        var given: [(name: String, word: Word)] = []
        var rest = words[(optionStart ?? 0)...]
        while let word = rest.popFirst() {
            guard word.text.hasPrefix("--"), word.text.count > 2 else { continue }
            let body = word.text.dropFirst(2)
            if let equals = body.firstIndex(of: "=") {
                given.append((String(body[..<equals]), Word(String(body[body.index(after: equals)...]), isKnown: word.isKnown)))
            } else if let next = rest.first, !next.text.hasPrefix("--"), !WorkerCommandLine.flags.contains(String(body)) {
                given.append((String(body), next))
                rest = rest.dropFirst()
            } else {
                given.append((String(body), Word("true")))
            }
        }
        return given
    }

    // MARK: Words

    /// The command among these words, or inside the script of a shell among them, that runs the worker, and where its options begin.
    private static func worker(
        in words: [Word], _ shell: @escaping (String) -> String?, depth: Int
    ) -> (words: [Word], optionStart: Int)? {
        // `command amp4ec-worker …` runs it; `command -v amp4ec-worker` says where it is.
        let begin = words.first?.text == "command" && words.dropFirst().first?.text.hasPrefix("-") == false ? 1 : 0
        if let first = words.dropFirst(begin).first, readers.contains(baseName(first.text)) { return nil }
        for (index, word) in words.enumerated() {
            let name = baseName(word.text)
            if name == executable { return (words, index + 1) }
            if others.contains(name) { return nil }
            guard shells.contains(name), depth < maximumShells, let script = script(words, after: index) else { continue }
            let commands = ShellScript.commands(
                words[script].text, arguments: Array(words[(script + 1)...]), lookup: shell)
            for command in commands ?? [] {
                if let found = worker(in: command, shell, depth: depth + 1) { return found }
            }
            return nil
        }
        return nil
    }

    /// Where the script of `sh -c SCRIPT`, `sh -ec SCRIPT` or `bash -o pipefail -c SCRIPT` stands.
    private static func script(_ words: [Word], after shell: Int) -> Int? {
        var position = shell + 1
        var takesScript = false
        while position < words.count, words[position].text.hasPrefix("-") || words[position].text.hasPrefix("+") {
            let option = words[position].text
            if option.hasPrefix("-"), !option.hasPrefix("--"), option.contains("c") { takesScript = true }
            position += option.hasSuffix("o") && !option.hasPrefix("--") ? 2 : 1
        }
        return takesScript && position < words.count ? position : nil
    }

    /// Whether a text as it is written holds the executable's name.
    private static func namesExecutable(_ node: ConfigNode) -> Bool {
        switch node.value {
        case .scalar(let text, _):
            text.ranges(of: executable).contains { range in
                range.upperBound == text.endIndex || !(text[range.upperBound].isLetter || "-_.".contains(text[range.upperBound]))
            }
        case .sequence(let items): items.contains(where: namesExecutable)
        case .mapping: false
        }
    }

    /// A command in either form.
    private static func words(_ node: ConfigNode, _ field: String, _ fields: FieldReader) throws(TopologyError) -> [String] {
        if node.items != nil { return try fields.texts(node, field) }
        let text = try fields.text(node, field)
        if let words = ShellWords.split(text) { return words }
        throw fields.refusal(node, field, "a quote is not closed in: \(text)", "close it")
    }

    private static func baseName(_ word: String) -> String { word.split(separator: "/").last.map(String.init) ?? word }
}
