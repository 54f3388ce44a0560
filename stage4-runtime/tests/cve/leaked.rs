//! What was left open, and where one stands: CVE-2024-21626.
//!
//! Book: "A descriptor, and where one stands" (`leaked-descriptor`).
//! Invariant: what leads out is a directory of the host's that is only named, and listed where that succeeds.

use crate::ground::{BINARY, Bench};
use serde_json::json;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::process::Command;

/// CVE-2024-21626: a descriptor of a directory of the host's, and a working directory that is reached through it.
#[test]
fn leaked_descriptor_of_the_host_is_no_working_directory() {
    let Some(bench) = Bench::new() else { return };
    let host = fs::File::open("/").unwrap();
    symlink("/proc/self/fd/9", bench.path("rootfs/work")).unwrap();
    let leaky = |arguments: &[&str]| {
        let mut command = Command::new("sh");
        // 8 and 9 are of the host, and not closed by execve(2).
        let script = format!("exec 9</proc/self/fd/{0} 8</sys/fs/cgroup; exec \"$@\"", host.as_raw_fd());
        command.args(["-c", &script, "sh", BINARY, "--root"]).arg(bench.path("state"));
        nix::fcntl::fcntl(&host, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
        command.args(arguments).current_dir(bench.path(""));
        bench.watch(command)
    };
    let visited = bench.idle(|_| ());
    let paths = (3..=12).map(|number| format!("/proc/self/fd/{number}"));
    for cwd in paths.chain(["/proc/self/cwd".into(), "/work".into(), "/proc/1/fd/9/etc".into()]) {
        bench.config("echo has run; ls", |config| config["process"]["cwd"] = json!(cwd));
        for arguments in [&["run", &bench.id()][..], &["exec", "--cwd", &cwd, &visited, "ls"]] {
            let (status, output, errors) = leaky(arguments);
            assert!(status != 0 && output.is_empty(), "{cwd}: {output}{errors}");
            assert!(errors.contains("process.cwd") || errors.contains("ENOENT"), "{cwd}: {errors}");
        }
    }
    bench.config("for fd in /proc/self/fd/*; do readlink $fd; done; ls /proc/self/fd/9", |_| ());
    for arguments in
        [&["run", &bench.id()][..], &["exec", &visited, "sh", "-c", "ls /proc/self/fd/8 /proc/self/fd/9"]]
    {
        let (status, output, errors) = leaky(arguments);
        assert!(status != 0 && errors.contains("No such file"), "{output}{errors}");
        assert!(!output.contains("cgroup") && !output.lines().any(|line| line == "/"), "{output}");
    }
    bench.output(&["delete", "--force", &visited]);
    bench.nothing_is_left();
}

/// The same of a container that waits for its start: nothing that it holds open leads to a directory.
#[test]
fn leaked_descriptor_there_is_none_in_a_container_that_waits() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    bench.config("true", |_| ());
    bench.output(&["create", &id]);
    let pid = bench.pid(&id);
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::metadata(&path).map(|metadata| metadata.is_dir());
        assert!(!kind.unwrap_or(false), "{path:?} is {:?}", fs::read_link(&path));
    }
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}
