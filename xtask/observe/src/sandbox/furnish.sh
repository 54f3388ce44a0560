# Process 1 of the sandbox furnishes it, runs the command, buries whoever is left to it, and ends with the command.
set -eu
hierarchies=$1
shift
tab=$(printf '\t')

# What is written to /etc and /var is written to memory; clients keep their layers on a file system of their own.
mount -t tmpfs -o mode=755 stage4-sandbox /run
for place in etc var; do
    mkdir -p "/run/.sandbox/$place/upper" "/run/.sandbox/$place/work"
    layers="lowerdir=/$place,upperdir=/run/.sandbox/$place/upper,workdir=/run/.sandbox/$place/work"
    mount -t overlay -o "$layers" stage4-sandbox "/$place"
done
for place in /var/lib/containers /var/lib/docker /var/lib/containerd /var/tmp; do
    mkdir -p "$place"
    mount -t tmpfs -o mode=755 stage4-sandbox "$place"
done
mount -t tmpfs -o mode=1777 stage4-sandbox /dev/shm
mkdir -p /run/lock /run/tmp /run/home
chmod 1777 /run/lock /run/tmp /var/tmp
export HOME=/run/home TMPDIR=/run/tmp
unset XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_DATA_HOME NOTIFY_SOCKET DBUS_SESSION_BUS_ADDRESS
ip link set lo up

# Not only covered: who looks for hierarchies in mountinfo would find the host's.
umount --recursive /sys
mount -t sysfs sysfs /sys
if [ "${hierarchies#*"$tab"cgroup2"$tab"}" = "$hierarchies" ]; then
    mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
fi
while IFS="$tab" read -r parent type options mount; do
    place=/sys/fs/cgroup/$mount
    mkdir -p "$place"
    mount -t "$type" -o "$options" "$type" "$place"
    if [ "$type" = cgroup2 ]; then # who hands down has no processes of its own
        mkdir "$place/init"
        echo 0 >"$place/init/cgroup.procs"
        for controller in $(cat "$place/cgroup.controllers"); do
            echo "+$controller" >"$place/cgroup.subtree_control"
        done
        continue
    fi
    for controller in $(IFS=,; echo $options); do
        case $controller in
        "$mount" | none | name=*) ;;
        *) ln -sfn "$mount" "/sys/fs/cgroup/$controller" ;;
        esac
    done
done <<END
$hierarchies
END

set +e
"$@"
status=$?
# Nobody dies frozen, in version 1, and this process's end waits for all.
if [ -d /sys/fs/cgroup/freezer ]; then
    find /sys/fs/cgroup/freezer -name freezer.state | while read -r file; do
        echo THAWED 2>/dev/null >"$file"
    done
fi
exit $status
