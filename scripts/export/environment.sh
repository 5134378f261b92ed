# shellcheck shell=bash
# shellcheck disable=SC2154 # root comes from common.sh
# Sets $python to one that has torch. Sourced after lib/common.sh; needs $root.
#
# AMP4EC_PYTHON names an interpreter to use as it is. Without it scripts/python-env makes .venv/ with the CPU build of torch:
# an ordinary torch that happens to be on the machine may be any version, and may need CUDA.

find_python() {
    if [ -n "${AMP4EC_PYTHON:-}" ]; then
        # shellcheck disable=SC2034 # for the scripts that source this
        python="$AMP4EC_PYTHON"
        "$python" -c 'import numpy, torch' || fail "AMP4EC_PYTHON=$python cannot import numpy and torch" \
            "Install them there, or unset AMP4EC_PYTHON to have scripts/python-env make .venv/."
        return
    fi
    # What it says is about the set-up, not a result: it goes where errors go.
    "$root/scripts/python-env" >&2
    python="$root/.venv/bin/python"
}
