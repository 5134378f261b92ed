# shellcheck shell=bash
# Virtual environments that scripts make for themselves. Sourced after common.sh.

# bring_environment FOLDER REQUIREMENT…: makes the environment with these (pip's words: packages, wheels, -r FILE) unless it is there
# already: its stamp tells the Python and what it was made of. Fails where it cannot be made, with the reason in $environment_problem.
bring_environment() {
    local folder="$1" name wanted said word
    shift
    name="$(basename "$folder")"
    environment_problem=""
    command -v python3 >/dev/null || fail "python3 is missing" "Type: make setup"
    wanted="$(python3 -V) $*"
    for word in "$@"; do
        if [[ "$word" == *.txt ]]; then wanted+=" $(sha256sum <"$word")"; fi
    done
    if [ -x "$folder/bin/python" ] && [ "$(cat "$folder/stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
    # Two at once (two terminals, two make runs) would install over each other.
    mkdir -p "$folder"
    exec 9>"$folder/lock"
    if command -v flock >/dev/null; then flock 9; fi
    if [ "$(cat "$folder/stamp" 2>/dev/null)" != "$wanted" ]; then
        say "python: making $name"
        find "$folder" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
        python3 -m venv "$folder" || fail "a virtual environment cannot be made in $name" "Install the package python3-venv, then run this again."
        if ! said="$("$folder/bin/python" -m pip install -q --disable-pip-version-check "$@" 2>&1)"; then
            # shellcheck disable=SC2034 # for who called
            environment_problem="$(grep -i '^ERROR' <<<"$said" | tail -n 1 || tail -n 1 <<<"$said")"
            exec 9>&-
            return 1
        fi
        echo "$wanted" >"$folder/stamp"
    fi
    exec 9>&-
}
