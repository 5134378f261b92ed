# shellcheck shell=bash
# A copy of the sources that is changed before it is built. Needs common.sh.
# shellcheck disable=SC2154 # root comes from common.sh

# copy_tree FOLDER [KEPT]: brings the copy to the state of the working tree. A file that is the same keeps its times, so it is not compiled
# again; what the pattern KEPT matches is left there though the working tree has no such file.
copy_tree() {
    local tree="$1" kept="${2:-^$}" file wanted
    mkdir -p "$tree"
    wanted="$tree.files"
    (cd "$root" && git ls-files --cached --others --exclude-standard | sort -u) >"$wanted"
    (cd "$tree" && find . -path ./.build -prune -o -type f -print | sed 's|^\./||' | sort) | comm -23 - "$wanted" |
        { grep -Ev "$kept" || true; } | while IFS= read -r file; do rm -f "${tree:?}/$file"; done
    while IFS= read -r file; do
        [ -f "$root/$file" ] || continue
        if ! cmp -s "$root/$file" "$tree/$file"; then
            mkdir -p "$(dirname "$tree/$file")"
            cp -p "$root/$file" "$tree/$file"
        fi
    done <"$wanted"
    # What is made beside the sources is shared, not copied.
    for file in .models .venv .libtorch; do
        if [ -e "$root/$file" ]; then ln -sfn "$root/$file" "$tree/$file"; fi
    done
    # The versions of packages that the working tree has resolved, so that both build the same.
    if [ -f "$root/Package.resolved" ]; then cp -p "$root/Package.resolved" "$tree/"; fi
}
