/// One name, one thing: two types of one name in two modules make a reader look twice, and a file that imports both choose.
enum NameRules {
    /// Top-level types that two files declare. A nested type (`Configuration`, `Error`, `Row`) is read with its owner's name before it and
    /// is no part of this; nor are extensions, which declare nothing.
    static func declaredTwice(_ files: some Sequence<SourceFile>) -> [Violation] {
        let declaration =
            /^(?:@\S+ +)*(?:(?:public|package|internal|fileprivate|private|final|indirect|open|nonisolated) +)*(?:struct|class|enum|protocol|actor|typealias) +(\w+)/
        var first: [String: String] = [:]
        var found: [Violation] = []
        for file in files where file.isSwift && file.module(below: "Sources") != nil {
            for (index, line) in file.lines.enumerated() {
                guard let name = (try? declaration.prefixMatch(in: line)).map({ String($0.1) }) else { continue }
                guard let other = first.updateValue(first[name] ?? file.path, forKey: name) else { continue }
                found.append(
                    Violation(path: file.path, line: index + 1, message: "\(other) declares another \(name): rename or merge"))
            }
        }
        return found
    }
}
