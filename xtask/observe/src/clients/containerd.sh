# ctr(8) and a containerd of its own: the shim that Kubernetes' nodes have, without an engine above it.
image=docker.io/library/box:latest
usual='--snapshotter native'

lingering() { # SCRIPT: ctr 1.6 may lose what is said in the moment of the end, whatever the runtime
    echo "($1); code=\$?; sleep 0.3; exit \$code"
}

run() { # [OPTION]... SCRIPT: in a container that goes with it
    name=box-$$-$(date +%N)
    left=$#
    for word; do
        shift
        left=$((left - 1))
        if [ $left = 0 ]; then
            set -- "$@" "$image" "$name" sh -c
            word=$(lingering "$word")
        fi
        set -- "$@" "$word"
    done
    ctr run --rm --runc-binary "$RUNTIME" $usual "$@"
}

start() { # NAME [OPTION]... SCRIPT: in a container in the background
    name=$1
    shift
    left=$#
    for word; do
        shift
        left=$((left - 1))
        [ $left -gt 0 ] || set -- "$@" "$image" "$name" sh -c
        set -- "$@" "$word"
    done
    ctr run --detach --runc-binary "$RUNTIME" $usual "$@"
}

inside() { # NAME SCRIPT: visits a container
    ctr task exec --exec-id "visit-$(date +%N)" "$1" sh -c "$(lingering "$2")"
}

state() { # NAME: RUNNING, PAUSED, STOPPED
    ctr task ls | awk -v name="$1" '$1 == name { print $3 }'
}

is() { # NAME STATE
    [ "$(state "$1")" = "$2" ]
}

prepare() {
    cat >"$GROUND/containerd.toml" <<END
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
END
    containerd --config "$GROUND/containerd.toml" >"$GROUND/containerd.log" 2>&1 &
}

begin() {
    await ctr version
    ctr images import --snapshotter native "$GROUND/archive.tar" >/dev/null
}

clear() {
    for name in $(ctr task ls --quiet); do
        ctr task resume "$name" 2>/dev/null || :
        ctr task rm --force "$name" >/dev/null 2>&1 || :
    done
    ctr container ls --quiet | xargs --no-run-if-empty ctr container rm
}

finish() { :; } # it ends with the sandbox
