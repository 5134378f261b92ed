/// What is wrong with a zip archive's directory. Who reads the archive says it in words that its user knows.
package enum ZipError: Error, Sendable, Hashable {
    /// There is no end record: cut short, or no archive.
    case noEnd
    /// The zip64 end record is not at `offset`, where its locator says.
    case noWideEnd(offset: Int)
    /// The archive is spread over several files, or has two counts of its entries.
    case spread(here: Int, all: Int)
    case directoryOutside(offset: Int, byteCount: Int)
    case tooManyEntries(Int, limit: Int)
    /// Each entry takes at least 46 bytes of the directory.
    case crowded(entries: Int, byteCount: Int)
    /// - Parameter number: from 1.
    case badEntry(number: Int)
    /// The entry's data would lie before the file, behind its directory, or in it.
    case outside(entry: String, byteCount: Int, offset: Int)
    /// No local header is where the entry points.
    case misplaced(entry: String)
    /// The entries end before or behind the directory's declared end.
    case otherLength
    case overlap
}
