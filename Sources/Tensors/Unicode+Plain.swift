extension Unicode.Scalar {
    /// A control character of ASCII or Latin-1, one of Unicode's line breaks, or a mark that turns the direction of what follows: nothing that
    /// may stand in a name, which goes into logs and tables.
    package var isObeyedByTerminals: Bool {
        switch value {
        case 0x20...0x7E: false
        case 0...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
