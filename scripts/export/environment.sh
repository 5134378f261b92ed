# Sets $python to one that has torch, making a virtual environment in .venv/ where there is none. Sourced; needs $root.
#
# AMP4EC_PYTHON names an interpreter to use as it is. AMP4EC_TORCH_INDEX names another index for the CPU wheel.

torch_version=2.13.0

has_torch() { "$1" -c 'import torch' >/dev/null 2>&1; }

find_python() {
    if [[ -n "${AMP4EC_PYTHON:-}" ]]; then
        python=$AMP4EC_PYTHON
        has_torch "$python" || { echo "AMP4EC_PYTHON=$python cannot import torch" >&2; exit 1; }
        return
    fi
    for python in "$root/.venv/bin/python" python3; do
        if command -v "$python" >/dev/null && has_torch "$python"; then return; fi
    done
    echo "making a Python environment with torch $torch_version in .venv (once)" >&2
    python3 -m venv "$root/.venv" || { echo "python3 -m venv failed; install the package python3-venv" >&2; exit 1; }
    python=$root/.venv/bin/python
    local pip=("$python" -m pip install --quiet --disable-pip-version-check)
    # What pip finds first may be the CPU build already; the index of PyTorch's own CPU builds is the fallback.
    "${pip[@]}" "torch==$torch_version+cpu" 2>/dev/null ||
        "${pip[@]}" "torch==$torch_version" --index-url "${AMP4EC_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" ||
        { echo "torch $torch_version could not be installed; set AMP4EC_PYTHON to an interpreter that has it" >&2; exit 1; }
    has_torch "$python" || { echo "torch is installed in .venv but cannot be imported" >&2; exit 1; }
}
