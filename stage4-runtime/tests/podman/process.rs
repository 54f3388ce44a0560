//! The process is who, where and with what podman's options say.
//!
//! Invariant: what is asserted was said by the process itself.

use super::place::{Claim, Podman};

pub const CLAIMS: &[Claim] = &[
    Claim { name: "user_place_environment_and_names_are_those_asked_for", holds: identity, ordinary: true },
    Claim { name: "a_terminal_is_one_and_has_the_callers_size", holds: terminal, ordinary: true },
    Claim { name: "a_first_process_of_podmans_buries_orphans", holds: init, ordinary: true },
    Claim { name: "descriptors_are_handed_on", holds: descriptors, ordinary: true },
    Claim { name: "limits_of_the_process_are_those_asked_for", holds: ulimits, ordinary: false },
    Claim { name: "volumes_and_memory_are_mounted", holds: mounts, ordinary: true },
    Claim { name: "the_hosts_network_is_the_hosts", holds: network, ordinary: true },
    Claim { name: "readiness_reaches_the_service_manager", holds: notify, ordinary: false },
];

fn identity(podman: &Podman) {
    let options = ["--user", "1000:1000", "--workdir", "/tmp", "--env", "A=b c", "--hostname", "box"];
    assert_eq!(podman.said(&options, "id -u; id -g; pwd; echo $A; hostname"), "1000\n1000\n/tmp\nb c\nbox");
    assert_eq!(podman.said(&["--user", "guest"], "id -un"), "guest");
}

fn terminal(podman: &Podman) {
    assert_eq!(podman.said(&["--tty"], "tty; test -t 0 && echo terminal"), "/dev/pts/0\nterminal");
    let run = format!("{} run --rm -it {} box sh -c", podman.line(), podman.usual().join(" "));
    let typed = format!("stty rows 33 columns 101; {run} \"sleep 0.3; stty size; exit 4\"");
    let told = podman.shell(&format!("script --quiet --return --command '{typed}' /dev/null"));
    assert_eq!((told.status, told.out.contains("33 101")), (4, true), "{told:?}");
}

fn init(podman: &Podman) {
    let told = podman.said(&["--init"], "readlink /proc/1/exe; echo $$");
    assert!(!told.starts_with("/bin/busybox") && !told.ends_with("\n1"), "{told}");
    assert_eq!(podman.run(&["--init"], "exit 9").status, 9);
}

fn descriptors(podman: &Podman) {
    let run = format!("{} run --rm --preserve-fds 1 {} box", podman.line(), podman.usual().join(" "));
    let told = podman.shell(&format!("echo handed > file; exec 3<file; {run} cat /proc/self/fd/3"));
    assert_eq!(told.out, "handed\n", "{told:?}");
    let told = podman.shell(&format!("exec 3<file; {run} sh -c 'test -e /proc/self/fd/4 || echo none'"));
    assert_eq!(told.out, "none\n", "{told:?}");
}

fn ulimits(podman: &Podman) {
    // Podman asks for more processes than there are by default, which not every root may have.
    let limits = ["--ulimit", "nofile=100:200", "--ulimit", "core=0", "--ulimit", "nproc=90:90"];
    let told = podman.said(&limits, "ulimit -n; ulimit -Hn; ulimit -c; grep processes /proc/self/limits");
    assert_eq!(
        told.split_whitespace().collect::<Vec<_>>()[..7],
        ["100", "200", "0", "Max", "processes", "90", "90"]
    );
}

fn mounts(podman: &Podman) {
    let shared = podman.path("tmp").join("shared");
    podman.shell(&format!("mkdir {0}; echo outside > {0}/file", shared.display()));
    let [write, read] = ["", ":ro"].map(|mode| format!("{}:/data{mode}", shared.display()));
    assert_eq!(podman.said(&["--volume", &write], "cat /data/file; echo inside > /data/new"), "outside");
    assert_eq!(std::fs::read_to_string(shared.join("new")).unwrap(), "inside\n");
    let told = podman.run(&["--volume", &read], "cat /data/new && touch /data/no");
    assert!(told.status != 0 && told.out == "inside\n" && told.err.contains("Read-only"), "{told:?}");
    let told = podman.said(&["--tmpfs", "/data:size=1m,mode=700"], "grep ' /data ' /proc/mounts");
    assert!(told.starts_with("tmpfs /data tmpfs rw,nosuid,nodev") && told.contains("size=1024k"), "{told}");
    podman.said(&["--volume", "kept:/data"], "echo kept > /data/file");
    assert_eq!(podman.said(&["--volume", "kept:/data"], "cat /data/file"), "kept");
    podman.ok(&["volume", "rm", "kept"]);
    let told = podman.run(&["--read-only"], "touch /tmp/may && touch /no");
    assert!(told.status != 0 && told.err.contains("Read-only"), "{told:?}");
}

fn network(podman: &Podman) {
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let host = podman.call(&["run", "--rm", "--network", "host", "box", "readlink", "/proc/self/ns/net"]);
    assert_eq!(host.out.trim(), own.to_str().unwrap(), "{host:?}");
    assert_ne!(podman.said(&[], "readlink /proc/self/ns/net"), own.to_str().unwrap());
    assert_eq!(podman.said(&[], "ls /sys/class/net"), "lo");
}

fn notify(podman: &Podman) {
    let path = podman.path("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let all = [podman.usual(), &["box", "sleep", "1000"]].concat().join(" ");
    let run =
        format!("NOTIFY_SOCKET={} {} run --detach --sdnotify conmon {all}", path.display(), podman.line());
    let outcome = podman.shell(&run);
    assert_eq!(outcome.status, 0, "{outcome:?}");
    let mut told = String::new();
    while !told.contains("READY=1") {
        let mut bytes = [0; 1000];
        let length = socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{told:?}: {error}"));
        told += &String::from_utf8_lossy(&bytes[..length]);
    }
    assert!(told.contains("MAINPID="), "{told}");
    std::fs::remove_file(path).unwrap();
}
