#!/bin/busybox sh
# The first process of a machine of `cargo xtask vm`: makes the ground, runs one command, says how it ended.
# ttyS0 is the kernel's own; ttyS1 carries the command's stdout, ttyS2 its stderr, ttyS3 its exit status.

if [ "$1" != again ]; then
    # pivot_root(2) refuses to leave the kernel's first root, which has no parent: a mount of it on top of
    # itself has one. No copy is made.
    /bin/busybox mount --bind / /mnt
    cd /mnt
    /bin/busybox mount --move . /
    exec /bin/busybox chroot . /init again
fi

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root TERM=dumb
/bin/busybox mount -t proc -o nosuid,nodev,noexec proc /proc
busybox --install -s

mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid devtmpfs /dev
mkdir -p /dev/pts /dev/shm /dev/net
mount -t devpts -o nosuid,noexec,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
# Not mounted over: the target directory may lie in it. The first root is a tmpfs, too.
chmod 1777 /tmp
# What udev makes ahead: opening one of these loads its module.
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
hostname vm
ip link set lo up
# As systemd does; the kernel's own beginning is private.
mount --make-rshared /

. /vm/command # sets layout, home, the variables of tests, and the words of the command

# The hierarchies of version 1 as systemd makes them: one for each controller, but for two pairs.
first() {
    mount -t tmpfs -o nosuid,nodev,noexec,mode=755 tmpfs /sys/fs/cgroup
    for controller in $(awk '$4 == 1 { print $1 }' /proc/cgroups); do
        together=$controller
        case $controller in
            cpu | cpuacct) together=cpu,cpuacct ;;
            net_cls | net_prio) together=net_cls,net_prio ;;
        esac
        if [ ! -d "/sys/fs/cgroup/$together" ]; then
            mkdir "/sys/fs/cgroup/$together"
            mount -t cgroup -o "nosuid,nodev,noexec,$together" cgroup "/sys/fs/cgroup/$together"
        fi
        [ "$together" = "$controller" ] || ln -s "$together" "/sys/fs/cgroup/$controller"
    done
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o nosuid,nodev,noexec,none,name=systemd cgroup /sys/fs/cgroup/systemd
}

second() {
    mkdir -p "$1"
    mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 "$1"
    for controller in $(cat "$1/cgroup.controllers"); do
        echo "+$controller" >"$1/cgroup.subtree_control"
    done
}

case $layout in
    v1) first ;;
    hybrid) first && second /sys/fs/cgroup/unified ;;
    v2) second /sys/fs/cgroup ;;
esac

# Pipes, since a command behaves differently on a terminal; raw, since a terminal changes what passes.
mkfifo /vm/out /vm/err
{ stty raw -echo <&1 && exec cat; } </vm/out >/dev/ttyS1 &
out=$!
{ stty raw -echo <&1 && exec cat; } </vm/err >/dev/ttyS2 &
err=$!

cd "$home" || cd /root
setsid "$@" </dev/null >/vm/out 2>/vm/err
status=$?

# With its command the machine ends: whoever still holds the pipes is gone before they are drained.
for process in /proc/[0-9]*; do
    case ${process#/proc/} in
        1 | "$out" | "$err") ;;
        *) kill -KILL "${process#/proc/}" ;;
    esac
done 2>/dev/null
wait "$out" "$err"
echo "status $status" >/dev/ttyS3
reboot -f
