# shellcheck shell=bash
# What every script here shares: where the tree is, how a step is told, how a failure ends.
# Sourced, never run; the script that sources it sets `set -euo pipefail` itself.

# shellcheck disable=SC2034 # for the scripts that source this
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
program="$(basename "$0")"

# One line for a step that is taken or found done.
say() {
    printf '%s: %s\n' "$program" "$*"
}

# Ends the script; every line of the message after the first is a hint of what to do.
fail() {
    printf '%s: error: %s\n' "$program" "$1" >&2
    shift
    local hint
    for hint in "$@"; do
        printf '    %s\n' "$hint" >&2
    done
    exit 1
}

# Prints the comment at the top of the script (after the shebang) as its help, so that the two cannot differ.
print_help() {
    sed -n '2,/^[^#]/{/^#/!d; s/^# \{0,1\}//; p;}' "$0"
}

# Wrong usage exits with 64, like the program's own commands.
usage_error() {
    printf '%s: error: %s\n    See: %s --help\n' "$program" "$1" "$program" >&2
    exit 64
}

# Runs a command as root: as it is for root, through sudo for anybody else.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "'$*' needs root, and sudo is not installed" "Run it as root, then run this again."
    fi
}

# Puts the text of one file into another, between the lines `<!-- NAME: begin -->` and `<!-- NAME: end -->` there.
put_between_markers() {
    local name="$1" text="$2" file="$3" result
    if ! grep -qF "<!-- $name: begin -->" "$file" || ! grep -qF "<!-- $name: end -->" "$file"; then
        fail "$file has no lines '<!-- $name: begin -->' and '<!-- $name: end -->'"
    fi
    result="$(awk -v name="$name" -v text="$text" '
        $0 == "<!-- " name ": begin -->" { print; print ""; while ((getline line < text) > 0) print line; print ""; inside = 1 }
        $0 == "<!-- " name ": end -->" { inside = 0 }
        !inside { print }' "$file")"
    printf '%s\n' "$result" >"$file"
}
