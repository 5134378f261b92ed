/// One metric with all its samples, as Prometheus' text format groups them.
public struct MetricFamily: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable { case counter, gauge, histogram }

    public struct Sample: Sendable, Hashable {
        /// After the family's name: `_bucket`, `_sum` and `_count` of a histogram.
        public var suffix: String
        public var labels: [Label]
        public var value: Double

        public init(_ labels: [Label], _ value: Double, suffix: String = "") {
            self.suffix = suffix
            self.labels = labels
            self.value = value
        }

        public init(_ value: Double) { self.init([], value) }
    }

    public struct Label: Sendable, Hashable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public var name: String
    public var kind: Kind
    public var help: String
    public var samples: [Sample]

    public init(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }
}

/// Prometheus' text exposition format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/
public enum PrometheusText {
    /// A family without samples is left out, and of two samples with the same labels the first stays: a scraper would reject the whole page
    /// for one that is there twice.
    public static func render(_ families: [MetricFamily]) -> String {
        var text = ""
        for family in families where !family.samples.isEmpty {
            text += "# HELP \(family.name) \(escaped(family.help, quotes: false))\n"
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            var seen: Set<String> = []
            for sample in family.samples {
                let series = family.name + sample.suffix + labels(sample.labels)
                guard seen.insert(series).inserted else { continue }
                text += "\(series) \(number(sample.value))\n"
            }
        }
        return text
    }

    private static func labels(_ labels: [MetricFamily.Label]) -> String {
        guard !labels.isEmpty else { return "" }
        return "{" + labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",") + "}"
    }

    /// In help texts `\` and the line feed are escaped, in the values of labels the double quote too.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        // Scalars, not characters: a carriage return before a line feed is one character with it and would hide it.
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Whole numbers without a point, so that counters stay readable.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value) { return "\(whole)" }
        return "\(value)"
    }
}
