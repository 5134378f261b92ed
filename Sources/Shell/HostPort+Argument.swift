public import ArgumentParser
public import Base

/// The executables are the only users of this module, and none of their other dependencies gives the type this conformance.
extension HostPort: ExpressibleByArgument {
    public init?(argument: String) {
        guard let value = try? HostPort(parsing: argument) else { return nil }
        self = value
    }
}
