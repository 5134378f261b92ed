internal import Glibc

public enum FolderMaking {
    /// Makes the folder, and those that it is in, where they are not there yet.
    ///
    /// - Returns: the first that cannot be made, and the `errno`; `nil` where all are there.
    public static func make(_ path: String) -> (folder: String, failure: Int32)? {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += part + "/"
            if mkdir(made, 0o755) != 0, errno != EEXIST, errno != EISDIR { return (made, errno) }
        }
        return nil
    }
}
