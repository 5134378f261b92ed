# shellcheck shell=bash
# Where libtorch comes from: PyTorch's CPU wheel, of one pinned version. Sourced after common.sh by `setup`
# (headers and libraries) and `python-env` (the wheel itself, to make test models).
# shellcheck disable=SC2154 # root comes from common.sh

torch_version="2.13.0"
# The local version of the CPU build. The wheel of the same number without it is built for CUDA, and its
# libraries do not load without CUDA's: it is never asked for.
torch_requirement="torch==${torch_version}+cpu"
torch_index="${AMP4EC_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}"
torch_folder="$root/.libtorch"
torch_wheels="$torch_folder/wheel"
torch_libraries=(libc10.so libtorch.so libtorch_cpu.so)
# Headers and libraries do not depend on the Python that a wheel was made for: this one is taken where none
# exists for the Python of this machine.
torch_any_python="3.11"
# 0.2 GB of wheel, 0.5 GB unpacked, and room for one old copy while a new one is put in its place.
torch_space_kib=1500000

# The wheel platform of this machine.
torch_platform() {
    case "$(uname -s)-$(uname -m)" in
        Linux-x86_64) echo manylinux_2_28_x86_64 ;;
        Linux-aarch64 | Linux-arm64) echo manylinux_2_28_aarch64 ;;
        *)
            fail "there is no CPU wheel of libtorch for $(uname -s) on $(uname -m)" \
                "Set LIBTORCH to a folder of libtorch $torch_version with include/ and lib/."
            ;;
    esac
}

# Says what is missing in a folder that should hold libtorch; prints nothing when it is complete.
torch_missing() {
    local folder="$1" library
    [ -f "$folder/include/torch/script.h" ] || echo "include/torch/script.h"
    for library in "${torch_libraries[@]}"; do
        [ -f "$folder/lib/$library" ] || echo "lib/$library"
    done
}

# The version that the headers of a folder state, such as 2.13.0, or nothing.
torch_version_of() {
    local header="$1/include/torch/headeronly/version.h"
    [ -f "$header" ] || return 0
    sed -n 's/^#define TORCH_VERSION_\(MAJOR\|MINOR\|PATCH\) \([0-9]*\)$/\2/p' "$header" | paste -sd .
}

# A Python that has pip: the machine's own, else that of a throw-away virtual environment. Sets `python`.
find_pip() {
    command -v python3 >/dev/null || fail "python3 is missing" "Install Python 3.10 or newer, then run this again."
    python=python3
    if ! python3 -m pip --version >/dev/null 2>&1; then
        say "python3 has no pip: using a virtual environment for the download"
        rm -rf "$torch_folder/pip"
        python3 -m venv "$torch_folder/pip" ||
            fail "a virtual environment cannot be made" "Install the package python3-venv, then run this again."
        python="$torch_folder/pip/bin/python"
    fi
}

# The tag of a Python in a wheel's name, such as cp311.
python_tag() {
    "$1" -c 'import sys; print("cp%d%d" % sys.version_info[:2])'
}

# The cached wheel for a Python tag ("any" for whichever is there), or nothing. A wheel's name is
# torch-VERSION+cpu-PYTHON-ABI-PLATFORM.whl.
cached_wheel() {
    local tag="$1" wheel
    [ "$tag" = any ] && tag="cp*"
    # shellcheck disable=SC2086,SC2231 # the tag may be a pattern
    for wheel in "$torch_wheels"/torch-${torch_version}+cpu-${tag}-*_"$(uname -m)".whl; do
        if [ -f "$wheel" ]; then
            echo "$wheel"
            return
        fi
    done
}

# Downloads the CPU wheel into the cache: from what pip is set up to find, then from the CPU index; for this
# machine's Python, then (with "any") for the one that every version of libtorch has. Sets `wheel`.
download_wheel() {
    local wanted="$1" log partial free_kib attempt
    find_pip
    mkdir -p "$torch_wheels"
    free_kib="$(df -Pk "$torch_folder" | awk 'NR == 2 { print $4 }')"
    if [ "$free_kib" -lt "$torch_space_kib" ]; then
        fail "libtorch needs $((torch_space_kib / 1000)) MB, and $root has $((free_kib / 1000)) MB free" "Make room, then run this again."
    fi
    partial="$(mktemp -d "$torch_folder/.download-XXXXXX")"
    log="$partial/log"
    local here=("$torch_requirement")
    local elsewhere=(
        --python-version "$torch_any_python" --implementation cp --platform "$(torch_platform)" "$torch_requirement"
    )
    local attempts=(here here_index)
    [ "$wanted" = any ] && attempts=(here elsewhere here_index elsewhere_index)
    for attempt in "${attempts[@]}"; do
        local options=("${here[@]}") what="$torch_requirement (about 200 MB)"
        if [[ "$attempt" == elsewhere* ]]; then
            options=("${elsewhere[@]}")
            what="$torch_requirement made for Python $torch_any_python, whose libraries serve as well"
        fi
        if [[ "$attempt" == *_index ]]; then
            say "asking the index $torch_index for $what"
            options=(--index-url "$torch_index" "${options[@]}")
        else
            say "asking pip, as it is set up here, for $what"
        fi
        if "$python" -m pip download --disable-pip-version-check --no-deps --only-binary=:all: \
            --dest "$partial" "${options[@]}" >>"$log" 2>&1; then
            mv "$partial"/torch-*.whl "$torch_wheels/"
            rm -rf "$partial"
            [ "$wanted" = any ] || wanted="$(python_tag "$python")"
            wheel="$(cached_wheel "$wanted")"
            [ -n "$wheel" ] || fail "pip brought a wheel of another kind: $(ls "$torch_wheels")" "Remove $torch_wheels and run this again."
            return
        fi
    done
    grep -i '^ERROR' "$log" | tail -n 4 >&2 || tail -n 4 "$log" >&2
    rm -rf "$partial"
    fail "$torch_requirement cannot be had for $(python_tag "$python") on $(uname -m)" \
        "Check the network, or name another index with AMP4EC_TORCH_INDEX=URL, or a folder of wheels with" \
        "PIP_FIND_LINKS=FOLDER, or your own libtorch $torch_version with LIBTORCH=FOLDER." \
        "The ordinary wheel ('$torch_version' without '+cpu') is a CUDA build and is not taken."
}
