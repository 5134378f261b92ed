public import Cluster
public import Logging

extension Logger {
    /// Writes what a machine wants an operator to read.
    public func log(_ line: LogLine) {
        let level: Logger.Level =
            switch line.level {
            case .debug: .debug
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        log(level: level, "\(line.message)", metadata: line.metadata.mapValues { "\($0)" })
    }
}
