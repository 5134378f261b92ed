internal import CWire

extension WorkQuestion: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__WorkQuestion>) { amp4ec__work_question__init(pointer) }

    func write(to c: inout Amp4ec__WorkQuestion, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.from_high = from?.bits.high ?? 0
        c.from_low = from?.bits.low ?? 0
    }

    init(reading c: Amp4ec__WorkQuestion) throws(WireError) {
        self.init(
            key: try Field.required(c.key, "work_question.key"),
            from: c.from_high | c.from_low == 0 ? nil : IncarnationID(bits: UInt128(high: c.from_high, low: c.from_low)))
    }
}

extension WorkPlace: WireConvertible {
    static func prepare(_ pointer: UnsafeMutablePointer<Amp4ec__WorkPlace>) { amp4ec__work_place__init(pointer) }

    func write(to c: inout Amp4ec__WorkPlace, in arena: WireArena) throws(WireError) {
        c.key = try arena.make(key)
        c.state =
            switch state {
            case .unknown: AMP4EC__WORK_STATE__WORK_STATE_UNSPECIFIED
            case .held: AMP4EC__WORK_STATE__WORK_STATE_HELD
            case .passedOn: AMP4EC__WORK_STATE__WORK_STATE_PASSED_ON
            case .absent: AMP4EC__WORK_STATE__WORK_STATE_ABSENT
            }
        c.sent_bytes = Bound.measured(sentBytes, in: WireRanges.totalBytes)
        c.received_bytes = Bound.measured(receivedBytes, in: WireRanges.totalBytes)
        c.remembered_milliseconds = rememberedMilliseconds
    }

    init(reading c: Amp4ec__WorkPlace) throws(WireError) {
        // What a later version may say besides is nothing that this one could judge by.
        let state: State =
            switch c.state {
            case AMP4EC__WORK_STATE__WORK_STATE_HELD: .held
            case AMP4EC__WORK_STATE__WORK_STATE_PASSED_ON: .passedOn
            case AMP4EC__WORK_STATE__WORK_STATE_ABSENT: .absent
            default: .unknown
            }
        self.init(
            key: try Field.required(c.key, "work_place.key"), state: state,
            sentBytes: try Field.number(c.sent_bytes, in: WireRanges.totalBytes, "work_place.sent_bytes"),
            receivedBytes: try Field.number(c.received_bytes, in: WireRanges.totalBytes, "work_place.received_bytes"),
            rememberedMilliseconds: c.remembered_milliseconds)
    }
}
