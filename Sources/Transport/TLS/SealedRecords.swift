/// Records that are encrypted and not wholly sent: their bytes, and how much of the pieces each stands for.
struct SealedRecords {
    private struct Record {
        /// Where it ends in the block.
        let end: Int
        let plainByteCount: Int
    }

    private var block: Blocks.Block?
    private var records: [Record] = []
    private var firstRecord = 0
    private var sent = 0
    private var count = 0

    var isEmpty: Bool { sent == count }
    /// Plain bytes of the records that are not wholly sent.
    var plainByteCount: Int { records[firstRecord...].reduce(0) { $0 + $1.plainByteCount } }

    /// What is still to be sent.
    var rest: UnsafeRawBufferPointer {
        guard let block else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: block.base + sent, count: count - sent)
    }

    /// Begins with an empty block.
    mutating func begin(_ block: Blocks.Block) {
        self.block = block
        sent = 0
        count = 0
        firstRecord = 0
        records.removeAll(keepingCapacity: true)
    }

    mutating func append(byteCount: Int, plainByteCount: Int) {
        count += byteCount
        records.append(Record(end: count, plainByteCount: plainByteCount))
    }

    /// - Returns: the plain bytes of the records that are wholly sent by this.
    mutating func advance(by byteCount: Int) -> Int {
        sent += byteCount
        var plain = 0
        while firstRecord < records.count, records[firstRecord].end <= sent {
            plain += records[firstRecord].plainByteCount
            firstRecord += 1
        }
        return plain
    }

    mutating func removeAll(givingBackTo blocks: Blocks) {
        if let block { blocks.giveBack(block) }
        block = nil
        sent = 0
        count = 0
        firstRecord = 0
        records.removeAll(keepingCapacity: true)
    }
}
