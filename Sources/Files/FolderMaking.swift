internal import Glibc

public enum FolderMaking {
    /// Makes the folder, and those that it is in, where they are not there yet.
    ///
    /// - Parameter mode: of those that are made, before the process's mask.
    /// - Returns: the first that cannot be made, and the `errno`; `nil` where all are there.
    public static func make(_ path: String, mode: UInt32 = 0o755) -> (folder: String, failure: Int32)? {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += part + "/"
            if mkdir(made, mode) != 0, errno != EEXIST, errno != EISDIR { return (made, errno) }
        }
        return nil
    }
}
