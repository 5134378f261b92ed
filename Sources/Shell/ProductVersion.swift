/// The version that `--version`, the hello message and the status report, and that `make dist` and `make image` name. It stands here and
/// nowhere else that could take it from here; `scripts/set-version` changes it.
public enum ProductVersion {
    public static let current = "0.1.0"
}
