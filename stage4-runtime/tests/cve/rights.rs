//! Rights that are kept too long, come back, or are somebody else's.
//!
//! capabilities(7), setresuid(2). Book: "Capabilities" (`capabilities`).
//! Invariant: what a process may is read from the kernel, at each step.

use crate::ground::{BINARY, Bench, skip};
use crate::with_users;
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The five sets of `pid`, and whether it can gain more.
fn rights(pid: i32) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let lines = status.lines().filter(|line| line.starts_with("Cap") || line.starts_with("NoNewPrivs"));
    lines.map(|line| line.split_whitespace().nth(1).unwrap().trim_start_matches('0').to_owned()).collect()
}

/// CVE-2020-5291 (bubblewrap): privilege that was needed around a user namespace was kept beyond it.
#[test]
fn rights_of_the_runtime_are_gone_before_the_start() {
    let Some(bench) = Bench::new() else { return };
    for users in [false, true] {
        let id = bench.id();
        bench.config("sleep 1000", |config| {
            if users {
                with_users(config)
            }
        });
        bench.output(&["create", &id]);
        let pid = bench.pid(&id);
        // CapInh, CapPrm, CapEff, CapBnd, CapAmb, NoNewPrivs
        let planned = ["", "20000420", "20000420", "20000420", "", "1"];
        assert_eq!(rights(pid), planned, "created, users: {users}");
        bench.output(&["start", &id]);
        assert_eq!(rights(pid), planned, "started, users: {users}");
        bench.output(&["delete", "--force", &id]);
    }
    bench.nothing_is_left();
}

/// The same weakness at its root: bubblewrap may be set-user-ID; this runtime refuses to be.
#[test]
fn rights_of_its_files_owner_are_no_rights_of_the_caller() {
    let Some(bench) = Bench::new() else { return };
    let runtime = bench.path("runtime");
    fs::copy(BINARY, &runtime).unwrap();
    let call = |mode: u32| {
        fs::set_permissions(&runtime, Permissions::from_mode(mode)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=61235", "--regid=61235", "--clear-groups"]).arg(&runtime);
        command.arg("--root").arg(bench.path("state")).args(["list", "-q"]);
        bench.watch(command)
    };
    if statvfs(&runtime).unwrap().flags().contains(FsFlags::ST_NOSUID) {
        return skip("the directory of temporary files is mounted nosuid");
    }
    fs::create_dir(bench.path("state")).unwrap();
    assert_eq!(call(0o755), (0, String::new(), String::new()), "without the bit it is an ordinary command");
    for bit in [0o4755, 0o2755] {
        let (status, _, errors) = call(bit);
        assert!(status == 1 && errors.contains("set-user-ID"), "{bit:o}: {status}: {errors}");
    }
    bench.nothing_is_left();
}

/// CVE-2022-29162 and its three siblings: what is inheritable comes back with a file that has it.
#[test]
fn rights_that_are_inheritable_there_are_none_in_start_and_exec() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|_| ());
    let look = ["grep", "CapInh", "/proc/1/status", "/proc/self/status"];
    for options in [&[][..], &["--cap", "CAP_CHOWN"], &["--user", "1:1", "--cap", "CAP_CHOWN"]] {
        let seen = bench.output(&[&["exec"], options, &[id.as_str()], &look].concat());
        let sets: Vec<_> = seen.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(sets, ["0000000000000000"; 2], "{options:?}: {seen}");
    }
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}

/// CVE-2026-30892 (crun): `exec -u 1` ran as root.
#[test]
fn rights_of_a_visitor_are_those_of_the_user_who_was_named() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|_| ());
    for (user, uid, gid) in
        [("1", 1, 1), ("1:0", 1, 0), ("0:1", 0, 1), ("65534", 65534, 65534), ("007", 7, 7)]
    {
        let seen =
            bench.output(&["exec", "--user", user, &id, "grep", "-E", "^(Uid|Gid):", "/proc/self/status"]);
        let four = |id: u32| vec![id.to_string(); 4].join("\t");
        assert_eq!(seen, format!("Uid:\t{}\nGid:\t{}", four(uid), four(gid)), "--user {user}");
    }
    for wrong in
        ["", ":", "1:", ":1", "+1", " 1", "1 ", "-1", "0x1", "1:2:3", "4294967295", "4294967296", "root"]
    {
        let word = format!("--user={wrong}");
        let (status, output, errors) = bench.call(&["exec", &word, &id, "echo", "has run"]);
        assert!(status != 0 && output.is_empty() && errors.contains("--user"), "{wrong:?}: {output}{errors}");
    }
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}
