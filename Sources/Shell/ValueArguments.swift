public import ArgumentParser
public import Base

// Values of options whose types do not know of options. The programs are the only users of this module, and none of their other dependencies
// gives these types the conformance.

extension HostPort: ExpressibleByArgument {
    public init?(argument: String) {
        guard let value = try? HostPort(parsing: argument) else { return nil }
        self = value
    }
}

extension ModelDigest: ExpressibleByArgument {
    public init?(argument: String) {
        guard let value = try? ModelDigest(parsing: argument) else { return nil }
        self = value
    }
}

extension ByteCount: ExpressibleByArgument {
    public init?(argument: String) {
        guard let value = try? ByteCount(parsing: argument) else { return nil }
        self = value
    }

    public var defaultValueDescription: String { optionText }
}

extension Duration: @retroactive ExpressibleByArgument {
    public init?(argument: String) {
        guard let value = try? Duration(parsing: argument) else { return nil }
        self = value
    }

    public var defaultValueDescription: String { optionText }
}
