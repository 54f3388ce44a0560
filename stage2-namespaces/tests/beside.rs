//! Beside the tools that everybody uses: the same request, the same observable result.
//!
//! unshare(1), nsenter(1), lsns(8), ip-netns(8), newuidmap(1). Book: "Beside unshare" (`spawn`).
//! Invariant: compared is what a process inside sees, not what a tool says.

mod ground;

use ground::{BINARY, Runner, has, is_root, output, run, sandbox, skip_for, stage2};
use serde_json::Value;

/// What of a process is compared: ids, maps, groups, clocks, cgroups, links, and whether mounts are shared.
const FACTS: &str = "id; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; uname -n; \
    cat /proc/self/timens_offsets /proc/self/cgroup; cut -d: -f1 /proc/self/net/dev; ls /proc/sysvipc; \
    grep -c shared: /proc/self/mountinfo; grep -E 'Cap|NoNewPrivs|Seccomp' /proc/self/status; \
    grep NSpid /proc/self/status | wc -w; ulimit -n";

fn by(program: &str, arguments: &[&str]) -> String {
    output(assert_cmd::Command::new(program).args(arguments).args(["sh", "-c", FACTS]))
}

#[test]
fn spawn_makes_what_unshare_makes() {
    if !has("unshare") {
        return;
    }
    for (theirs, ours) in [
        (&["--user"][..], &["--user"][..]),
        (&["--user", "--map-root-user"], &["--user", "--map-root"]),
        (&["-rmuinpCT", "--fork"], &["-Umuinp", "-CT", "--map-root", "--no-init"]),
        (&["-rpm", "--fork", "--mount-proc"], &["-Upm", "--map-root", "--no-init", "--mount-proc"]),
        (
            &["-rT", "--fork", "--boottime", "1000", "--monotonic", "500"],
            &["-UT", "--map-root", "--boottime", "1000", "--monotonic", "500"],
        ),
        (&["-rm", "--propagation", "slave"], &["-Um", "--map-root", "--propagation", "slave"]),
        (&["-rm", "--propagation", "shared"], &["-Um", "--map-root", "--propagation", "shared"]),
    ] {
        let ours = by(BINARY, &[&["run"], ours, &["--"]].concat());
        assert_eq!(ours, by("unshare", theirs), "{theirs:?}");
    }
}

#[test]
fn enter_goes_where_nsenter_goes() {
    if !has("nsenter") {
        return;
    }
    let script = format!(
        "{BINARY} run -Umuinp --map-root --hostname there -- sleep 20 &
         until pid=$(pgrep -f '^sleep 20$'); do sleep 0.05; done
         show='id; uname -n; for k in mnt uts ipc pid net user cgroup; do readlink /proc/self/ns/$k; done'
         {BINARY} enter $pid --all -- sh -c \"$show\"; echo ==; nsenter --preserve-credentials -t $pid -U -m -u -i -p -n sh -c \"$show\"; kill $!"
    );
    let seen = output(&mut run(&["--pid", "--mount-proc"], &["sh", "-c", &script]));
    let (ours, theirs) = seen.split_once("\n==\n").unwrap();
    assert_eq!(ours, theirs);
    assert!(ours.contains("there"));
}

#[test]
fn enter_becomes_whom_nsenter_becomes() {
    if !is_root() {
        return skip_for(Runner::Root, "nsenter(1) insists on setgroups(2), which others may not call");
    }
    if !has("nsenter") {
        return;
    }
    let script = format!(
        "{BINARY} run -Umpi --uid-map 0:100000:10 --gid-map 0:100000:10 --mount-proc -- sleep 21 &
         until pid=$(pgrep -f '^sleep 21$'); do sleep 0.05; done; show='id; cat /proc/self/uid_map; grep -E \"Uid|Gid|Groups|Cap\" /proc/self/status'
         {BINARY} enter $pid --all -- sh -c \"$show\"; echo ==; nsenter -t $pid -U -m -p -i sh -c \"$show\"; kill $!"
    );
    let seen = output(&mut run(&["--pid", "--mount-proc"], &["sh", "-c", &script]));
    let (ours, theirs) = seen.split_once("\n==\n").unwrap();
    assert_eq!(ours, theirs);
    assert!(ours.contains("uid=0") && ours.contains("100000"), "{ours}");
}

#[test]
fn list_shows_what_lsns_shows() {
    if !has("lsns") {
        return;
    }
    // In a pid namespace of our own, where no process comes or goes between the two.
    let script = format!(
        "{BINARY} run -unU --map-root -- sleep 20 &
         until pgrep -f '^sleep 20$' >/dev/null; do sleep 0.05; done; {BINARY} list --format json; lsns --json -o NS,TYPE,NPROCS,PID; kill $!"
    );
    let seen = output(&mut run(&["--pid", "--mount-proc"], &["sh", "-c", &script]));
    let lists: Vec<Value> =
        serde_json::Deserializer::from_str(&seen).into_iter().map(|v| v.unwrap()).collect();
    let number = |value: &Value| {
        value.as_str().map_or_else(|| value.as_u64().unwrap(), |text| text.trim().parse().unwrap())
    };
    // Each of the two counts itself; all else must agree. Namespaces without processes are what lsns leaves out.
    let ours = lists[0].as_array().unwrap().iter().filter(|ns| number(&ns["processes"]) > 0);
    let mut ours: Vec<_> = ours
        .map(|ns| {
            (number(&ns["inode"]), ns["kind"].as_str().unwrap(), number(&ns["processes"]), number(&ns["pid"]))
        })
        .collect();
    let theirs = lists[1]["namespaces"].as_array().unwrap().iter();
    let mut theirs: Vec<_> = theirs
        .map(|ns| {
            (number(&ns["ns"]), ns["type"].as_str().unwrap(), number(&ns["nprocs"]), number(&ns["pid"]))
        })
        .collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(ours, theirs);
    assert!(ours.len() >= 11, "{ours:?}");
}

#[test]
fn net_names_are_those_of_ip_netns() {
    if !has("ip") {
        return;
    }
    let script = "$S2 net add ours; ip netns add theirs; ip netns list | cut -d' ' -f1 | sort; $S2 net list
        grep -c ' /run/netns ' /proc/self/mountinfo; grep ' /run/netns ' /proc/self/mountinfo | grep -c shared:
        ip netns exec ours readlink /proc/self/ns/net; $S2 net exec ours -- readlink /proc/self/ns/net
        ip netns exec theirs readlink /proc/self/ns/net; $S2 net exec theirs -- readlink /proc/self/ns/net
        ip netns delete ours; $S2 net delete theirs; ls /run";
    let seen = output(&mut sandbox(script));
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[..2], ["ours", "theirs"], "{seen}");
    assert_eq!(lines[5..7], ["1", "1"], "one mount, and shared: {seen}");
    assert_eq!((lines[7], lines[9]), (lines[8], lines[10]), "{seen}");
    assert_ne!(lines[7], lines[9]);
    assert_eq!(lines.len(), 11, "both are gone: {seen}");
}

#[test]
fn bridge_and_veth_are_what_ip_would_have_made() {
    if !has("ip") {
        return;
    }
    let show = "ip -o link | sed 's/^[0-9]*: //; s/ link.*//; s/state [A-Z]*//' | sort; ip -o -4 addr | sed 's/^[0-9]*: //' | sort; ip route";
    let script = format!(
        "show() {{ {show}; }}
         $S2 net bridge bridge0; $S2 net veth va vb; $S2 net bridge bridge0 --plug va; $S2 net addr bridge0 198.18.0.1/24
         $S2 net up bridge0; $S2 net up va; $S2 net up vb; $S2 net route 203.0.113.0/24 --via 198.18.0.9; show
         $S2 net delete --link va; $S2 net delete --link bridge0; echo ==
         ip link add bridge0 type bridge; ip link add va type veth peer name vb; ip link set va master bridge0; ip addr add 198.18.0.1/24 dev bridge0
         ip link set bridge0 up; ip link set va up; ip link set vb up; ip route add 203.0.113.0/24 via 198.18.0.9 proto static; show"
    );
    let seen = output(&mut sandbox(&script));
    let (ours, theirs) = seen.split_once("\n==\n").unwrap();
    assert_eq!(ours.trim(), theirs.trim());
}

#[test]
fn idmap_of_subordinate_ids_is_what_newuidmap_grants() {
    if is_root() {
        return skip_for(Runner::Ordinary, "root needs no newuidmap");
    }
    if !has("newuidmap") {
        return;
    }
    let map = output(&mut stage2(&["run", "--user", "--map-subids", "--", "cat", "/proc/self/uid_map"]));
    let own = nix::unistd::geteuid().to_string();
    let words: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(words[..3], ["0", &own, "1"]);
    assert_eq!(words[3], "1");
    let groups = ["run", "--user", "--map-subids", "--", "cat", "/proc/self/setgroups"];
    assert_eq!(output(&mut stage2(&groups)), "allow");
}
