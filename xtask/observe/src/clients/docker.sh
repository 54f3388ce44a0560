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

second() { # OPTION...: a daemon beside the first, without a network; `engine` asks it until it ends
    mkdir -p /run/second
    dockerd --config-file "$GROUND/daemon.json" --host unix:///run/second/socket --pidfile /run/second/pid \
        --data-root /run/second/data --exec-root /run/second/exec --bridge none --iptables=false "$@" \
        >>"$GROUND/second.log" 2>&1 &
    daemon=$!
    export DOCKER_HOST=unix:///run/second/socket
    await docker version
}

end() { # of the second one
    kill "$daemon"
    wait "$daemon" || :
}

finish() { :; } # it ends with the sandbox
