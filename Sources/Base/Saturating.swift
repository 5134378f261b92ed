/// Arithmetic on figures that a peer, a file, an option or the system has a part in: what does not fit is the largest that does, and is then refused by the
/// bound that it is compared with. It never traps.
extension FixedWidthInteger {
    @inlinable public func addedSaturating(to other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    @inlinable public func multipliedSaturating(by factor: Self) -> Self {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? ((self < 0) == (factor < 0) ? .max : .min) : product
    }
}

extension Double {
    /// For documents: JSON has no word for what is no number, and an encoder refuses the whole document for one of them.
    public var finite: Double {
        isNaN ? 0 : Swift.min(Swift.max(self, -Self.greatestFiniteMagnitude), Self.greatestFiniteMagnitude)
    }
}
