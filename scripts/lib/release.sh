# shellcheck shell=bash
# What a release is called and where it comes from: shared by `dist` and `image`. Sourced after common.sh.
# shellcheck disable=SC2154 # root comes from common.sh

# The version that the programs report.
release_version() {
    local version
    version="$(sed -n 's/.*static let current = "\(.*\)"$/\1/p' "$root/Sources/Shell/ProductVersion.swift")"
    [ -n "$version" ] || fail "Sources/Shell/ProductVersion.swift states no version" "It holds: static let current = \"…\""
    echo "$version"
}

# The commit, marked where files differ from it; "unknown" outside a clone, where the caller may say it.
release_revision() {
    local revision
    if [ -n "${AMP4EC_REVISION:-}" ]; then
        echo "$AMP4EC_REVISION"
    elif ! revision="$(git -C "$root" rev-parse HEAD 2>/dev/null)"; then
        echo unknown
    elif [ -n "$(git -C "$root" status --porcelain 2>/dev/null)" ]; then
        echo "$revision-modified"
    else
        echo "$revision"
    fi
}

# Seconds since 1970 that stand for the release: what the caller says, else the time of the commit.
release_epoch() {
    if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
        echo "$SOURCE_DATE_EPOCH"
    else
        git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0
    fi
}

release_name() {
    echo "amp4ec-$(release_version)-linux-$(uname -m)"
}
