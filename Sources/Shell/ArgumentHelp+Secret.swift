public import ArgumentParser

extension ArgumentHelp {
    /// Of `--cluster-secret-file`, which all programs have.
    public static let clusterSecret = ArgumentHelp(
        "File with a key of the cluster (amp4ec secret makes it); twice during a rotation: the first is used, both are accepted. Without it: AMP4EC_CLUSTER_SECRET_FILE, /run/secrets/amp4ec_cluster_secret, ~/.config/amp4ec/secret.",
        valueName: "file")
    /// Of `--accept-plain`, which servers have.
    public static let acceptPlain: ArgumentHelp =
        "For the time of a change to encryption: take peers without a key too, and dial those in plain text."
    /// Of `--insecure`.
    public static let insecure: ArgumentHelp = "Talk plain text with public addresses too, where there is no key."
}
