//! Containers that share, and podman's view of all of them.
//!
//! Invariant: what is shared is compared by the identity of the kernel's objects.

use super::place::{Claim, Place, Podman};

pub const CLAIMS: &[Claim] = &[
    Claim { name: "containers_of_a_pod_share_what_a_pod_shares", holds: pod, ordinary: false },
    Claim { name: "a_container_joins_the_namespaces_of_another", holds: joined, ordinary: true },
    Claim { name: "podmans_view_is_the_runtimes", holds: consistent, ordinary: true },
];

fn namespaces(podman: &Podman, name: &str) -> Vec<String> {
    let ask = "for kind in net ipc uts pid mnt; do readlink /proc/1/ns/$kind; done";
    podman.ok(&["exec", name, "sh", "-c", ask]).lines().map(str::to_owned).collect()
}

fn pod(podman: &Podman) {
    let infra = ["--infra-image", "box", "--infra-command", "/bin/sleep 1000", "--network", "none"];
    let parent: &[&str] =
        if podman.place == Place::Machine { &["--cgroup-parent", "/stage4-podman"] } else { &[] };
    podman.ok(&[&["pod", "create", "--name", "many", "--hostname", "many"][..], &infra, parent].concat());
    for name in ["one", "other"] {
        podman.ok(&["run", "--detach", "--pod", "many", "--name", name, "box", "sleep", "1000"]);
    }
    let [one, other] = ["one", "other"].map(|name| namespaces(podman, name));
    assert_eq!(one[..3], other[..3], "net, ipc, uts");
    assert!(one[3] != other[3] && one[4] != other[4], "pid, mnt");
    assert_eq!(podman.ok(&["exec", "one", "hostname"]), "many");
    podman.ok(&["pod", "stop", "--time", "0", "many"]);
    assert_eq!(podman.ok(&["pod", "inspect", "--format", "{{.State}}", "many"]), "Exited");
    podman.ok(&["pod", "rm", "--force", "many"]);
}

fn joined(podman: &Podman) {
    podman.start("there", &[], "sleep 1000");
    let all = ["--pid", "container:there", "--ipc", "container:there"];
    let told = podman.said(&all, "readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc");
    let there = namespaces(podman, "there");
    assert_eq!(told.lines().collect::<Vec<_>>(), [&there[3], &there[1]]);
}

fn consistent(podman: &Podman) {
    podman.start("there", &[], "sleep 1000");
    let told = podman.inspect("there", "{{.State.Status}} {{.State.Running}} {{.OCIRuntime}}");
    assert_eq!(told, format!("running true {}", podman.path("runtime").display()));
    let pid = podman.inspect("there", "{{.State.Pid}}");
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(command, "sleep\x001000\0");
    // Podman looks for itself whether it has gone behind its back.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.parse().unwrap()), nix::sys::signal::SIGKILL)
        .unwrap();
    assert_eq!(podman.ok(&["wait", "there"]), "137");
    assert_eq!(podman.inspect("there", "{{.State.Status}} {{.State.Pid}}"), "exited 0");
}
