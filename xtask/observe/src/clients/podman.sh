# podman(1), as root and as an ordinary user in the sandbox, and as root on the machine as it is.
export CONTAINERS_CONF="$GROUND/containers.conf"
place='' usual='--network none'
if [ "$CLIENT" = machine ]; then
    place="--root $GROUND/storage --runroot $GROUND/run --tmpdir $GROUND/tmp"
    usual="$usual --cgroup-parent /stage4-podman"
fi

engine() {
    # An overlay cannot lie on every file system an ordinary user has; copies can.
    podman --cgroup-manager cgroupfs --runtime "$RUNTIME" $place --storage-driver vfs "$@"
}

groups() { # what podman makes groups in: the containers' have a name of ours on the machine, conmon's has not
    find /sys/fs/cgroup -maxdepth 2 -type d \( -name stage4-podman -o -name libpod_parent \) 2>/dev/null
}

prepare() { # as root
    groups >"$GROUND/groups"
    # Locks in files: those in shared memory are one for the whole machine. And limits that every root may set.
    cat >"$GROUND/containers.conf" <<END
[engine]
lock_type = "file"
events_logger = "file"
[containers]
default_ulimits = ["nofile=1000:2000", "nproc=1000:2000"]
END
    # Everybody's, as udev has it; without udev it may be root's alone. The mount is the sandbox's.
    if [ -n "$ORDINARY" ] && [ -e /dev/net/tun ]; then
        mknod -m 666 /run/tun c 10 200
        mount --bind /run/tun /dev/net/tun
    fi
}

begin() {
    engine import --quiet "$GROUND/box.tar" box >/dev/null
}

clear() { # again, where podman's own clean-up of one that has just ended is in the way
    await engine pod rm --all --force --time 0
    await engine rm --all --force --time 0
}

finish() {
    [ "$CLIENT" = machine ] || return 0
    await engine system reset --force # a conmon that still writes its last words is in the way
    await gone
}

gone() {
    groups | grep -vxFf "$GROUND/groups" | while read -r group; do find "$group" -depth -type d -exec rmdir {} +; done
    [ -z "$(groups | grep -vxFf "$GROUND/groups")" ]
}
