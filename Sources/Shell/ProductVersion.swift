/// The version that `--version`, the hello message and the status report.
public enum ProductVersion {
    public static let current = "0.1.0"
}
