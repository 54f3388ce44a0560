//! The three layouts, as files of real machines tell them.
//!
//! No kernel calls. Book: "Version 1, hybrid, version 2" (`info`).
//! Invariant: what is parsed here was printed by a kernel.

use super::*;
use stage2_namespaces::mountinfo;

/// Debian 12 under systemd: version 2 alone.
const V2: (&str, &str) = (
    "24 30 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot",
    "0::/user.slice/user-1000.slice/session-3.scope\n",
);

/// Debian 10 under systemd: hybrid, two hierarchies with two controllers each.
const HYBRID: (&str, &str) = (
    "29 22 0:25 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
30 29 0:26 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:10 - cgroup2 cgroup2 rw,nsdelegate
31 29 0:27 / /sys/fs/cgroup/systemd rw,nosuid,nodev,noexec,relatime shared:11 - cgroup cgroup rw,xattr,name=systemd
34 29 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:14 - cgroup cgroup rw,cpu,cpuacct
35 29 0:31 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:15 - cgroup cgroup rw,memory
36 29 0:32 / /sys/fs/cgroup/blkio rw,nosuid,nodev,noexec,relatime shared:16 - cgroup cgroup rw,blkio
37 29 0:33 / /sys/fs/cgroup/net_cls,net_prio rw,nosuid shared:17 - cgroup cgroup rw,net_cls,net_prio",
    "12:net_cls,net_prio:/
9:memory:/user.slice/user-0.slice/session-1.scope
8:cpu,cpuacct:/user.slice
5:blkio:/user.slice
1:name=systemd:/user.slice/user-0.slice/session-1.scope
0::/user.slice/user-0.slice/session-1.scope
",
);

/// A container of 2016 without a cgroup namespace: version 1, and each mount shows the container's group only.
const V1: (&str, &str) = (
    "700 699 0:50 /docker/c0ffee /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:18 - cgroup cgroup rw,memory
701 699 0:51 /docker/c0ffee /sys/fs/cgroup/pids ro,nosuid,nodev,noexec,relatime master:19 - cgroup cgroup rw,pids
702 699 0:52 /elsewhere /sys/fs/cgroup/freezer ro,nosuid master:20 - cgroup cgroup rw,freezer",
    "4:memory:/docker/c0ffee\n3:pids:/docker/c0ffee/stage3-a/b\n2:freezer:/docker/c0ffee\n",
);

fn layout((mounts, cgroup): (&str, &str)) -> Layout {
    Layout::parse(&mountinfo::parse(mounts).unwrap(), cgroup).unwrap()
}

#[test]
fn info_tells_the_three_layouts_apart() {
    assert_eq!(layout(V1).kind(), Kind::V1);
    assert_eq!(layout(HYBRID).kind(), Kind::Hybrid);
    assert_eq!(layout(V2).kind(), Kind::V2);
    assert_eq!(layout(("22 27 0:21 / /proc rw - proc proc rw", "0::/\n")).kind(), Kind::None);
    assert!(Layout::parse(&[], "nonsense\n").is_err());
}

#[test]
fn info_finds_each_controller_where_it_lives() {
    let hybrid = layout(HYBRID);
    let home = |controller| hybrid.home(controller).map(|h| (h.version, h.mount.to_str().unwrap()));
    assert_eq!(home(Controller::Cpu), Some((Version::V1, "/sys/fs/cgroup/cpu,cpuacct")));
    assert_eq!(home(Controller::Io), Some((Version::V1, "/sys/fs/cgroup/blkio")));
    assert_eq!(home(Controller::Freezer), Some((Version::V2, "/sys/fs/cgroup/unified")), "v1 has none here");
    assert_eq!(home(Controller::Pids), None);
    assert_eq!(hybrid.useful().count(), 4, "neither name=systemd nor the network's");
    assert_eq!(layout(V1).home(Controller::Devices), None);
}

#[test]
fn info_finds_us_below_what_is_mounted() {
    let v1 = layout(V1);
    let here: Vec<_> = v1.hierarchies.iter().map(|h| h.here.as_deref()).collect();
    assert_eq!(here, [Some("/"), Some("/stage3-a/b"), None]);
    assert!(v1.hierarchies[1].base(Base::Here).unwrap().is_empty(), "not inside of a group of ours");
    assert!(v1.hierarchies[2].base(Base::Here).is_err());
    let base = layout(V2).hierarchies[0].base(Base::Here).unwrap();
    assert_eq!(base, ["user.slice", "user-1000.slice", "session-3.scope"]);
    assert!(layout(V2).hierarchies[0].base(Base::Top).unwrap().is_empty());
    assert_eq!(below("/", "/../other"), None);
    assert_eq!(below("/a", "/ab"), None);
}

#[test]
fn info_takes_of_two_mounts_the_one_that_shows_us() {
    let mounts = "1 2 0:5 /other /a rw - cgroup cgroup rw,memory\n3 2 0:5 / /b rw - cgroup cgroup rw,memory";
    let layout = layout((mounts, "4:memory:/x\n"));
    assert_eq!(layout.hierarchies.len(), 1);
    assert_eq!(layout.hierarchies[0].mount.to_str(), Some("/b"));
}
