# shellcheck shell=bash
# What the scripts share that use a Docker engine. Sourced after common.sh.

# Says why no engine can be used; prints nothing where one answers.
docker_missing() {
    local why
    if ! command -v docker >/dev/null; then
        echo "there is no 'docker' on the PATH"
    elif ! why="$(docker version --format '{{.Server.Version}}' 2>&1)"; then
        echo "no Docker engine answers: $(tail -n 1 <<<"$why")"
    fi
}
