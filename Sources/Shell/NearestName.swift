/// Suggests what a user may have meant by a name that does not exist.
public enum NearestName {
    /// Longer names are compared by their beginning only: no option or field is longer.
    private static let maximumLength = 64

    /// The known name with the fewest edits from `name`, or `nil` where none is near (at most a third of it, or two edits; one in a name of two letters).
    public static func of(_ name: String, among known: some Sequence<String>) -> String? {
        // Where every letter differs nothing is near.
        let allowed = min(max(2, name.count / 3), max(1, name.count - 1))
        let ranked = known.map { (distance: distance(name, $0), name: $0) }.min { ($0.distance, $0.name) < ($1.distance, $1.name) }
        guard let ranked, ranked.distance <= allowed else { return nil }
        return ranked.name
    }

    /// Levenshtein distance (insert, delete, replace: one each), by the usual table kept as one row. O(length × length).
    static func distance(_ left: String, _ right: String) -> Int {
        let a = Array(left.unicodeScalars.prefix(maximumLength))
        let b = Array(right.unicodeScalars.prefix(maximumLength))
        var row = Array(0...b.count)
        for (i, scalar) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in b.enumerated() {
                let replaced = diagonal + (scalar == other ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
            }
        }
        return row[b.count]
    }
}
