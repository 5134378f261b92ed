/// The version that `--version`, the hello message and the status report, and that `make dist` and `make image` use. Everything that can
/// read it from here does so; `scripts/set-version` changes it.
public enum ProductVersion {
    public static let current = "0.1.0"
}
