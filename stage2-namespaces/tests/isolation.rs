//! What is true inside, each kind seen by a process in it.
//!
//! namespaces(7). Book: the sections of the eight kinds.
//! Invariant: nothing is mocked; what is asserted was read from the kernel by a process inside.

mod ground;

use ground::{BINARY, Runner, host, is_root, namespace, output, run, sandbox, skip_for, stage2};
use serde_json::Value;

const KINDS: [(&str, &str); 8] = [
    ("mnt", "--mount"),
    ("uts", "--uts"),
    ("ipc", "--ipc"),
    ("pid", "--pid"),
    ("net", "--net"),
    ("user", "--user"),
    ("cgroup", "--cgroup"),
    ("time", "--time"),
];

#[test]
fn kinds_each_option_changes_its_own_namespace_and_no_other() {
    for (kind, option) in KINDS {
        for (other, _) in KINDS {
            let inside = output(&mut run(&[option], &["readlink", &format!("/proc/self/ns/{other}")]));
            // An ordinary user always brings a user namespace along.
            let expected = other == kind || (other == "user" && !is_root());
            assert_eq!(inside != namespace("self", other), expected, "{option}: {other} is {inside}");
        }
    }
}

#[test]
fn spawn_all_makes_all_eight_at_once() {
    let script = "for k in mnt uts ipc pid net user cgroup time; do readlink /proc/self/ns/$k; done";
    let inside = output(&mut stage2(&["run", "--all", "--", "sh", "-c", script]));
    for (inside, (kind, _)) in inside.lines().zip(KINDS) {
        assert_ne!(inside, namespace("self", kind), "{kind}");
    }
}

#[test]
fn uts_name_is_seen_inside_and_the_hosts_stays() {
    let before = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(
        output(&mut run(&["--uts", "--hostname", "inside.example"], &["uname", "-n"])),
        "inside.example"
    );
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), before);
    assert_eq!(output(&mut run(&["--uts"], &["uname", "-n"])), before.trim(), "a copy, until it is set");
}

#[test]
fn mnt_a_mount_inside_is_not_seen_by_the_host() {
    let before = host();
    let seen = output(&mut run(
        &["--mount"],
        &["sh", "-c", "mount -t tmpfs mark-mnt /mnt && grep mark-mnt /proc/self/mountinfo"],
    ));
    assert!(seen.contains("mark-mnt"));
    assert_eq!(host(), before);
}

#[test]
fn propagation_decides_which_mounts_travel() {
    // An outer namespace plays the host, with one shared mount; in an inner one each type is tried, both ways.
    for (propagation, comes_in, goes_out) in [
        ("private", false, false),
        ("slave", true, false),
        ("shared", true, true),
        ("unbindable", false, false),
    ] {
        let script = format!(
            "mount -t tmpfs host /mnt; mount --make-shared /mnt; mkdir /mnt/out /mnt/in; mkfifo /mnt/go /mnt/ready
             {{ read _ < /mnt/ready; mount -t tmpfs from-host /mnt/in; echo > /mnt/go; }} &
             $S2 run --mount --propagation {propagation} -- sh -ec '
                 mount -t tmpfs from-inside /mnt/out; echo > /mnt/ready; read _ < /mnt/go
                 grep -q from-host /proc/self/mountinfo && echo in || true; $S2 mounts --below /mnt'
             grep -q from-inside /proc/self/mountinfo && echo out || true"
        );
        // A user namespace makes every mount of its own a slave first; here the outer one has that already.
        let seen = output(&mut sandbox(&format!("export S2; {script}")));
        assert_eq!(seen.lines().any(|line| line == "in"), comes_in, "{propagation}: {seen}");
        assert_eq!(seen.lines().any(|line| line == "out"), goes_out, "{propagation}: {seen}");
        let row = seen.lines().find(|line| line.starts_with("/mnt ")).unwrap();
        assert!(row.contains(propagation), "{row}");
    }
}

#[test]
fn pivot_leaves_nothing_of_the_host() {
    let root = tempfile::tempdir().unwrap();
    for name in ["proc", "bin"] {
        std::fs::create_dir(root.path().join(name)).unwrap();
    }
    // Bound, not copied: the command and its libraries, in a mount namespace that plays the host.
    let root = root.path().to_str().unwrap();
    let script = format!(
        "for d in /bin /lib /lib64 /usr; do [ -d $d ] && mkdir -p {root}$d && mount --bind $d {root}$d; done
         $S2 run --mount --pid --root {root} --mount-proc -- sh -c 'cut -d\" \" -f5 /proc/self/mountinfo; ls /'"
    );
    let seen = output(&mut sandbox(&script));
    assert!(seen.lines().any(|line| line == "/proc"), "{seen}");
    for host in ["/sys", "/dev", "/run", "home", "etc"] {
        assert!(!seen.lines().any(|line| line == host), "{host} is in {seen}");
    }
}

#[test]
fn pivot_cannot_be_left_by_a_second_chroot() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().to_str().unwrap();
    let script = format!(
        "for d in /bin /lib /lib64 /usr /sbin; do [ -d $d ] && mkdir -p {root}$d && mount --bind $d {root}$d; done
         $S2 run --mount --root {root} -- sh -c 'cd /; mkdir -p x; for i in 1 2 3; do cd ..; done; ls; chroot x true; ls -d home'"
    );
    let output = sandbox(&script).output().unwrap();
    assert!(!output.status.success());
    assert!(!String::from_utf8_lossy(&output.stdout).lines().any(|line| line == "home"), "{output:?}");
}

#[test]
fn ipc_objects_of_one_key_are_two_objects() {
    let key = (100_000 + std::process::id()).to_string();
    let script = format!(
        "{BINARY} ipc make --key {key}; {BINARY} ipc list --format json; {BINARY} run --ipc -- {BINARY} ipc list --format json; {BINARY} ipc make --key {key} || echo taken; {BINARY} run --ipc -- {BINARY} ipc make --key {key} && echo free"
    );
    let seen = output(&mut run(&["--ipc", "--mount"], &["sh", "-c", &script]));
    let mut lists = serde_json::Deserializer::from_str(&seen).into_iter::<Value>();
    let outer = lists.next().unwrap().unwrap();
    assert_eq!(outer.as_array().unwrap().len(), 3, "{outer}");
    assert_eq!(lists.next().unwrap().unwrap(), serde_json::json!([]), "nothing of it inside");
    assert!(seen.ends_with("taken\nfree"), "{seen}");
    let host = output(&mut stage2(&["ipc", "list"]));
    assert!(!host.contains(&key), "gone with the namespace");
}

#[test]
fn pid_one_is_init_and_the_command_is_two() {
    assert_eq!(output(&mut run(&["--pid"], &["sh", "-c", "echo $$ $PPID"])), "2 1");
    assert_eq!(output(&mut run(&["--pid", "--no-init"], &["sh", "-c", "echo $$ $PPID"])), "1 0");
    let seen = output(&mut run(&["--pid", "--mount-proc"], &["sh", "-c", "ls /proc | grep -c '^[0-9]'"]));
    assert!(seen.parse::<u32>().unwrap() <= 5, "{seen} processes are seen inside");
}

#[test]
fn init_reaps_orphans_while_the_command_runs() {
    let script = "(true & true & sleep 0.1 &) ; sleep 0.4; grep -l '^State:.Z' /proc/[0-9]*/status | wc -l";
    assert_eq!(output(&mut run(&["--pid", "--mount-proc"], &["sh", "-c", script])), "0");
}

#[test]
fn init_passes_signals_from_inside_to_the_command() {
    let script = "trap 'echo heard; exit 5' USR1; kill -USR1 1; sleep 5 & wait";
    run(&["--pid", "--mount-proc"], &["sh", "-c", script]).assert().code(5).stdout("heard\n");
    let shielded = "kill -USR1 $$; kill -KILL $$; echo alive";
    run(&["--pid", "--no-init"], &["sh", "-c", shielded]).assert().success().stdout("alive\n");
}

#[test]
fn init_outlives_real_time_signals_and_tells_them() {
    let script = "(sh -c 'kill -34 $$' &); sleep 0.3; echo alive";
    run(&["--pid", "--mount-proc"], &["sh", "-c", script]).assert().success().stdout("alive\n");
    for kinds in [&["--uts"][..], &["--pid"]] {
        run(kinds, &["sh", "-c", "kill -34 $$"]).assert().code(128 + 34);
    }
}

#[test]
fn init_never_loses_the_end_of_a_short_command() {
    for _ in 0..50 {
        run(&["--pid"], &["true"]).assert().success();
    }
}

#[test]
fn net_is_lo_alone_and_down() {
    let seen = output(&mut run(&["--net"], &[BINARY, "net", "show", "--format", "json"]));
    let links: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(links.as_array().unwrap().len(), 1);
    assert_eq!((&links[0]["link"], &links[0]["up"]), (&"lo".into(), &false.into()));
}

#[test]
fn veth_carries_packets_both_ways() {
    let script = "$S2 net add red; $S2 net veth stage2-a eth0 --to red
        $S2 net addr stage2-a 198.18.0.1/24; $S2 net addr eth0 198.18.0.2/24 --in red
        $S2 net addr stage2-a fd00:198::1/64; $S2 net addr eth0 fd00:198::2/64 --in red
        $S2 net ping 198.18.0.2 && exit 9
        $S2 net up stage2-a; $S2 net up eth0 --in red
        $S2 net ping 198.18.0.2; $S2 net exec red -- $S2 net ping 198.18.0.1; $S2 net ping fd00:198::2
        $S2 net exec red -- ls /sys/class/net; $S2 net delete red; $S2 net show";
    let seen = output(&mut sandbox(script));
    assert_eq!(seen.matches("reply after").count(), 3, "{seen}");
    assert!(seen.contains("\neth0\nlo\n"), "/sys is that of the network: {seen}");
}

#[test]
fn bridge_joins_two_networks_and_the_host_and_goes_wholly() {
    let script = "$S2 net lab t; $S2 net ping 198.18.0.2; $S2 net ping 198.18.0.3
        $S2 net exec stage2-t1 -- $S2 net ping 198.18.0.3; $S2 net exec stage2-t2 -- $S2 net ping 198.18.0.1
        $S2 net veth stage2-o stage2-p; $S2 net addr stage2-o 198.19.0.1/24; $S2 net up stage2-o; $S2 net up stage2-p
        $S2 net exec stage2-t1 -- $S2 net ping 198.19.0.1
        $S2 net delete --link stage2-o; $S2 net delete --lab t; $S2 net delete --lab t; $S2 net show --format json; ls /run";
    let seen = output(&mut sandbox(script));
    assert_eq!(seen.matches("reply after").count(), 5, "the last by the default route: {seen}");
    assert_eq!(seen.matches("\"link\"").count(), 1, "only lo is left: {seen}");
    assert!(seen.ends_with(']'), "/run is empty: {seen}");
}

#[test]
fn user_is_root_inside_and_somebody_else_outside() {
    let own = nix::unistd::geteuid();
    assert_eq!(output(&mut stage2(&["run", "--user", "--", "id", "-u"])), "65534");
    assert_eq!(output(&mut stage2(&["run", "--user", "--map-root", "--", "id", "-u"])), "0");
    let map = output(&mut stage2(&["run", "--user", "--map-root", "--", "cat", "/proc/self/uid_map"]));
    assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", &own.to_string(), "1"]);
    let deny = output(&mut stage2(&["run", "--user", "--map-root", "--", "cat", "/proc/self/setgroups"]));
    assert_eq!(deny, "deny");
    let again = ["run", "--user", "--map-root", "--", "sh", "-c", "echo 1 0 1 > /proc/self/uid_map"];
    stage2(&again).assert().failure();
}

#[test]
fn idmap_of_many_ids_is_what_was_asked_for() {
    let options =
        ["run", "--user", "--uid-map", "0:100000:10", "--uid-map", "20:200000:5", "--gid-map", "0:100000:10"];
    if !is_root() {
        return skip_for(Runner::Root, "only root writes maps of ids that are nobody's");
    }
    let seen = output(stage2(&options).args(["--", "sh", "-c", "cat /proc/self/uid_map; id -u; id -g"]));
    let words: Vec<&str> = seen.split_whitespace().collect();
    assert_eq!(words, ["0", "100000", "10", "20", "200000", "5", "0", "0"]);
}

#[test]
fn cgroup_path_begins_at_the_root() {
    let seen = output(&mut run(&["--cgroup"], &["cat", "/proc/self/cgroup"]));
    assert!(seen.lines().all(|line| line.ends_with(":/")), "{seen}");
}

#[test]
fn time_offsets_are_what_the_clocks_show() {
    let uptime = |kinds: &[&str]| -> f64 {
        output(&mut run(kinds, &["cat", "/proc/uptime"])).split(' ').next().unwrap().parse().unwrap()
    };
    let (host, later) = (uptime(&["--uts"]), uptime(&["--time", "--boottime", "864000"]));
    assert!((864_000.0..864_060.0).contains(&(later - host)), "{host} {later}");
    let seen = output(&mut run(
        &["--time", "--monotonic", "7", "--boottime", "-1"],
        &["cat", "/proc/self/timens_offsets"],
    ));
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["monotonic", "7", "0", "boottime", "-1", "0"]);
}

#[test]
fn pod_members_share_some_namespaces_and_not_others() {
    let owned: &[&str] = if is_root() { &[] } else { &["--user", "--map-root"] };
    // One echo, one write: the two members share the pipe and would cut into each other's lines.
    let show = ["sh", "-c", "echo $(for k in net ipc uts pid mnt; do readlink /proc/self/ns/$k; done)"];
    let mut pod = stage2(&["pod"]);
    let seen = output(pod.args(owned).arg("--").args(show).arg("---").args(show));
    let rows: Vec<Vec<&str>> = seen.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..3], rows[1][..3], "net, ipc and uts are shared");
    assert!(rows[0][3] != rows[1][3] && rows[0][4] != rows[1][4], "pid and mnt are not: {seen}");
}

#[test]
fn enter_goes_where_the_process_is() {
    let script = format!(
        "{BINARY} run --all --map-root --hostname there -- sleep 20 &
         until pid=$(pgrep -f '^sleep 20$'); do sleep 0.05; done
         {BINARY} enter $pid --all -- sh -c 'uname -n; id -u; echo $PPID'
         {BINARY} diff $$ $pid --format json; kill %1 2>/dev/null || kill $!"
    );
    let seen = output(&mut run(&["--pid", "--mount-proc", "--uts"], &["sh", "-c", &script]));
    assert!(seen.starts_with("there\n0\n0\n"), "the parent is outside of the pid namespace: {seen}");
    assert_eq!(seen.matches("\"shared\": false").count(), 8, "{seen}");
}

#[test]
fn list_and_tree_show_owner_and_parent() {
    let script = format!("{BINARY} list --format json; {BINARY} tree");
    let seen =
        output(&mut run(&["--user", "--map-root", "--pid", "--net", "--mount-proc"], &["sh", "-c", &script]));
    let (json, tree) = seen.split_at(seen.find("\n]").unwrap() + 2);
    let list: Value = serde_json::from_str(json).unwrap();
    let of = |kind: &str| list.as_array().unwrap().iter().find(|ns| ns["kind"] == kind).unwrap().clone();
    assert_eq!(of("net")["owner"], of("user")["inode"]);
    assert_eq!(of("pid")["owner"], of("user")["inode"]);
    assert_eq!(of("user")["owner"], Value::Null, "the parent is above what we may see");
    assert!(of("pid")["processes"].as_u64().unwrap() >= 3, "{list}");
    assert!(tree.contains(&format!("─net:[{}]", of("net")["inode"])), "{tree}");
}
