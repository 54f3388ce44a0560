#!/bin/busybox sh
# The first process of a machine of `cargo xtask vm`: makes the ground, runs one command, says how it ended.
# ttyS0 is the kernel's own; ttyS1 carries the command's stdin and stdout, ttyS2 its stderr, ttyS3 its exit
# status and what is to be taken back.

if [ "$1" != again ]; then
    # pivot_root(2) refuses to leave the kernel's first root, which has no parent: a mount of it on top of
    # itself has one. No copy is made.
    /bin/busybox mount --bind / /mnt
    cd /mnt
    /bin/busybox mount --move . /
    exec /bin/busybox chroot . /init again
fi

# What follows is busybox's; the command finds Debian's programs first, and busybox for what they lack.
export PATH=/vm/bin
/bin/busybox mount -t proc -o nosuid,nodev,noexec proc /proc
/bin/busybox --install -s /vm/bin

mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid devtmpfs /dev
mkdir -p /dev/pts /dev/shm /dev/net /dev/mqueue
mount -t devpts -o nosuid,noexec,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
mount -t mqueue -o nosuid,nodev,noexec mqueue /dev/mqueue
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
# Not mounted over: the target directory may lie in it. The first root is a tmpfs, too.
chmod 1777 /tmp
# What udev makes ahead: opening one of these loads its module.
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
# And what it does to those that everybody may open.
chmod 666 /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/ptmx /dev/net/tun /dev/fuse 2>/dev/null
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
hostname vm
ip link set lo up
# A host has more than lo, so that a network of one's own can be told from it.
ip link add eth0 type dummy && ip link set eth0 up
# As systemd does; the kernel's own beginning is private.
mount --make-rshared /

. /vm/command # sets layout, user, home, input, take, the command's environment and its words

# A disk, since rates of the io controller are those of disks: /var/tmp is on it.
if modprobe zram 2>/dev/null; then
    echo 128M >/sys/block/zram0/disksize
    mke2fs -b 4096 -m 0 /dev/zram0 >/dev/null 2>&1 && mount -t ext4 /dev/zram0 /var/tmp
fi
chmod 1777 /var/tmp

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

# Hands every controller of a group down to those below it.
hand_down() {
    for controller in $(cat "$1/cgroup.controllers"); do
        echo "+$controller" >"$1/cgroup.subtree_control"
    done
}

second() {
    mkdir -p "$1"
    mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 "$1"
    hand_down "$1"
}

case $layout in
    v1) first ;;
    hybrid) first && second /sys/fs/cgroup/unified ;;
    v2) second /sys/fs/cgroup ;;
esac

# Where an ordinary user's command begins: in a group of version 2 that is the user's own, as in a scope of
# `systemd-run --user --scope -p Delegate=yes`. Of version 1 systemd gives nothing away either.
scope=
delegate() {
    scope=$1
    for level in user.slice user-1000.slice session.scope; do
        hand_down "$scope"
        scope=$scope/$level
        mkdir "$scope"
    done
    chown 1000:1000 "$scope"
    for file in $(cat /sys/kernel/cgroup/delegate); do
        [ ! -e "$scope/$file" ] || chown 1000:1000 "$scope/$file"
    done
}

# Pipes, since a command behaves differently on a terminal; raw, since a terminal changes what passes. What
# is typed comes by lines: only so can a port say that it has ended.
mkfifo /vm/out /vm/err
by_lines=
[ "$input" = no ] || by_lines=icanon
{ stty raw -echo $by_lines <&1 && exec cat; } </vm/out >/dev/ttyS1 &
out=$!
{ stty raw -echo <&1 && exec cat; } </vm/err >/dev/ttyS2 &
err=$!
stdin=/dev/null
if [ "$input" = yes ]; then
    stdin=/vm/in
    mkfifo $stdin
    cat </dev/ttyS1 >$stdin &
fi

as=
if [ "$user" = learner ]; then
    case $layout in
        hybrid) delegate /sys/fs/cgroup/unified ;;
        v2) delegate /sys/fs/cgroup ;;
    esac
    chown -R 1000:1000 /home/learner
    as="/usr/bin/setpriv --reuid learner --regid learner --init-groups --inh-caps=-all"
fi
if [ -n "$take" ]; then
    mkdir -p "$take"
    [ "$user" = root ] || chown -R 1000:1000 "$take"
fi
cd "$home" || cd /
touch /vm/begun
{ stty raw -echo <&1; echo begun; } >/dev/ttyS3
(
    [ -z "$scope" ] || echo 0 >"$scope/cgroup.procs"
    environment
    # Not quoted: several words or none. By its path: busybox would take itself for every word that it knows.
    exec /usr/bin/setsid $as "$@"
) <$stdin >/vm/out 2>/vm/err
status=$?

# With its command the machine ends: whoever still holds the pipes is gone before they are drained.
for process in /proc/[0-9]*; do
    case ${process#/proc/} in
        1 | "$out" | "$err") ;;
        *) kill -KILL "${process#/proc/}" ;;
    esac
done 2>/dev/null
wait "$out" "$err"
{
    echo "status $status"
    if [ -n "$take" ] && cd "$take"; then
        # Debian's programs: busybox knows times by the second, and reads no list of names. Through a pipe, since
        # tar writes to no terminal.
        /usr/bin/find . -xdev \( -type f -o -type l \) -newer /vm/begun -print0 |
            /usr/bin/tar -c -f - --null -T - | cat
    fi
} >/dev/ttyS3 2>/dev/null
reboot -f
