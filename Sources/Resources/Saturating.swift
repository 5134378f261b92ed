/// Figures of `/proc` and of control groups come from whatever the machine mounts there (an emulated `/proc` too): a sum that does not fit is
/// the largest that does, and never a trap.
extension UInt64 {
    func adding(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }

    func times(_ factor: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
