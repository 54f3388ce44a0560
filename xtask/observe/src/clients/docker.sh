# docker(1) and a daemon of its own.
usual='--network none'
export DOCKER_CONFIG="$GROUND/home" # not root's own

engine() {
    docker "$@"
}

prepare() {
    cat >"$GROUND/daemon.json" <<END
{
  "runtimes": { "entry": { "path": "$RUNTIME" } },
  "default-runtime": "entry",
  "storage-driver": "vfs"
}
END
    dockerd --config-file "$GROUND/daemon.json" >"$GROUND/dockerd.log" 2>&1 &
}

begin() {
    await docker version
    docker import "$GROUND/box.tar" box >/dev/null
}

clear() {
    docker ps --all --quiet | xargs --no-run-if-empty docker rm --force >/dev/null
}

finish() { :; } # it ends with the sandbox
