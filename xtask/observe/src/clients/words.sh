# The words that the operations of stage4-runtime/clients.toml are written in. Each client adds `engine` (itself, with
# the runtime that is looked at), `usual` (options of every container) and `clear` (all containers go).

status() { # COMMAND...: what it says, and then its exit status
    if "$@"; then echo 0; else echo $?; fi
}

await() { # COMMAND...: until it succeeds, for half a minute, or for so many as we are patient
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt $((600 * STAGES_PATIENCE)) ] || { echo "waited in vain: $*" >&2; return 1; }
        sleep 0.05
    done
}

run() { # [OPTION]... SCRIPT: in a container that goes with it
    left=$#
    for word; do
        shift
        left=$((left - 1))
        [ $left -gt 0 ] || set -- "$@" box sh -c
        set -- "$@" "$word"
    done
    engine run --rm $usual "$@"
}

start() { # NAME [OPTION]... SCRIPT: in a container in the background
    name=$1
    shift
    left=$#
    for word; do
        shift
        left=$((left - 1))
        [ $left -gt 0 ] || set -- "$@" box sh -c
        set -- "$@" "$word"
    done
    engine run --detach --name "$name" $usual "$@" >/dev/null
}

inside() { # NAME SCRIPT: visits a container
    engine exec "$1" sh -c "$2"
}

inspect() { # NAME FORMAT
    engine inspect --format "$2" "$1"
}

logged() { # NAME WORD: whether it has said so
    engine logs "$1" 2>&1 | grep -q "$2"
}
