# Makes the sandbox's groups, starts it in new namespaces, waits for it, and removes the groups, whatever happens.
# Arguments: the scripts to enter and to furnish it, the hierarchies (PARENT, TYPE, OPTIONS, NAME by tabs), the command.
set -u
enter=$1 furnish=$2 hierarchies=$3
shift 3
name=stage4-sandbox-$$
tab=$(printf '\t')
child=

each() { # FUNCTION, called with the fields of each hierarchy
    while IFS="$tab" read -r parent type options mount <&4; do
        "$1" "$parent" "$type" "$options" "$mount" || return 1
    done 4<<END
$hierarchies
END
}

make() {
    if [ "$2" = cgroup2 ]; then # what the machine has switched on stays on, as systemd leaves it
        for controller in $(cat "$1/cgroup.controllers"); do
            echo "+$controller" 2>/dev/null >"$1/cgroup.subtree_control" || :
        done
    fi
    mkdir "$1/$name" || return 1
    # Version 1 begins a cpuset empty, and nobody can be put into an empty one: cpuset(7).
    for file in cpuset.cpus cpuset.mems; do
        if [ "$2" = cgroup ] && [ -e "$1/$name/$file" ]; then
            cat "$1/$file" >"$1/$name/$file" || return 1
        fi
    done
}

thaw() { # nobody dies frozen, in version 1
    [ -e "$1/$name/freezer.state" ] || return 0
    find "$1/$name" -name freezer.state | while read -r file; do echo THAWED >"$file"; done
}

remove() {
    [ ! -d "$1/$name" ] || find "$1/$name" -depth -type d -exec rmdir {} + 2>/dev/null
    [ ! -d "$1/$name" ]
}

finish() { # STATUS
    trap '' HUP INT TERM
    tries=0
    # Who was killed a moment ago still holds them.
    until each remove; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ]; then
            echo "stage4-sandbox: the groups $name are still in use: cargo xtask clean" >&2
            break
        fi
        sleep 0.1
    done
    exit "$1"
}

interrupted() { # STATUS
    trap '' HUP INT TERM
    [ -z "$child" ] || kill -KILL "$child" 2>/dev/null
    each thaw
    finish "$1"
}
trap 'interrupted 129' HUP
trap 'interrupted 130' INT
trap 'interrupted 143' TERM

each make || finish 125
# Behind `&` a shell gives no standard input and has SIGINT and SIGQUIT ignored: both are given back. The child's own
# parent waits outside of the groups: in version 2 one with processes hands no controller down.
exec 3<&0
setpriv --pdeathsig KILL env --default-signal=INT,QUIT \
    unshare --mount --propagation private --net --pid --uts --ipc --fork --kill-child --mount-proc \
    sh -c "$enter" stage4-sandbox "$furnish" "$name" "$hierarchies" "$@" <&3 3<&- &
child=$!
exec 3<&-
wait "$child"
finish $?
