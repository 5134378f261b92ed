/// What stands in the place of a large file where Git LFS keeps it and nobody has fetched it: a few lines of text.
public enum GitLFSPointer {
    public static let firstBytes = Array("version https://git-lfs".utf8)
    public static let description = "a pointer of Git LFS, which stands for the file"
    public static let fix = "fetch the file with git lfs pull"
}
