//! The runtime's own file, from inside: CVE-2019-5736.
//!
//! Book: "The runtime, overwritten" (`overwrite`).
//! Invariant: what is attacked is a copy.

use crate::ground::{BINARY, Bench, skip, until};
use serde_json::{Value, json};
use stage1_chroot::rootfs::Rootfs;
use std::fs;
use std::os::fd::AsRawFd;
use std::process::Command;

/// Waits for a process that is executed from the runtime's file, holds that file open until nobody executes it any
/// more, and then opens it once more, for writing.
const OVERWRITE: &str = r#"
while :; do
    for process in /proc/[0-9]*; do
        [ $process != /proc/1 ] && grep -q recvtty $process/cmdline || continue
        # Not before it was executed inside: until then nobody may look into it.
        (: < $process/exe) || continue
        exec 3< $process/exe
        kill -9 ${process#/proc/}
        tries=0
        while [ $tries -lt 100 ]; do
            tries=$((tries + 1))
            said=$( (echo overwritten >> /proc/self/fd/3) 2>&1 ) && said=overwritten
            case $said in *"Text file busy"*) sleep 0.1;; *) break;; esac
        done
        echo "$said" > /tmp/said.new
        cat /tmp/said.new > /tmp/said
        exec sleep 1000
    done
done"#;

/// CVE-2019-5736: the container has the runtime itself executed inside, and overwrites the file that it is.
#[test]
fn overwrite_of_the_runtime_through_proc_self_exe_is_refused() {
    let Some(bench) = Bench::new() else { return };
    let runtime = bench.path("runtime");
    fs::copy(BINARY, &runtime).unwrap();
    let before = fs::metadata(&runtime).unwrap().len();
    // As a malicious image would, it brings along what the runtime needs to be executed.
    Rootfs::open(&bench.path("rootfs")).and_then(|root| root.build(&[&runtime])).unwrap();
    let root = bench.path("rootfs");
    let id = bench.id();
    bench.config(OVERWRITE, |config| {
        config["root"]["readonly"] = json!(false);
    });
    let call = |arguments: &[&str]| {
        let mut command = Command::new(&runtime);
        command.arg("--root").arg(bench.path("state")).args(arguments).current_dir(bench.path(""));
        bench.watch(command)
    };
    assert_eq!(call(&["run", "--detach", &id]).0, 0);
    let (status, _, errors) = call(&["exec", &id, "/proc/self/exe", "recvtty", "/tmp/socket"]);
    assert_eq!(status, 137, "it was executed, and killed: {errors}");
    let said = root.join("tmp/said");
    until("the attacker has tried", || fs::read_to_string(&said).is_ok_and(|text| text.ends_with('\n')));
    let told = fs::read_to_string(&said).unwrap();
    assert_eq!(fs::metadata(&runtime).unwrap().len(), before, "{told}");
    assert!(told.contains("Read-only file system"), "{told}");
    assert_eq!(call(&["delete", "--force", &id]).0, 0);
    bench.nothing_is_left();
}

/// An ordinary user has no mounts of his own to give, but a sealed copy.
#[test]
fn overwrite_of_an_ordinary_users_runtime_is_refused() {
    let Some(bench) = Bench::new() else { return };
    const USER: u32 = 61_235;
    let runtime = bench.path("runtime");
    fs::copy(BINARY, &runtime).unwrap();
    fs::create_dir(bench.path("state")).unwrap();
    let chown = Command::new("chown").args(["-R", &format!("{USER}:{USER}")]).arg(bench.path("")).status();
    assert!(chown.unwrap().success());
    bench.config("sleep 1000", |config| {
        config["linux"]["namespaces"] =
            json!(["pid", "mount", "uts", "user"].map(|kind| json!({"type": kind})));
        for map in ["uidMappings", "gidMappings"] {
            config["linux"][map] = json!([{"containerID": 0, "hostID": USER, "size": 1}]);
        }
        config["linux"].as_object_mut().unwrap().remove("resources");
        config["mounts"] = json!([{"destination": "/proc", "type": "proc", "source": "proc"}]);
    });
    let ordinary = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={USER}"), format!("--regid={USER}")]);
        command.args(["--clear-groups", "--bounding-set=-all"]).arg(&runtime);
        command.arg("--root").arg(bench.path("state")).args(arguments).current_dir(bench.path(""));
        command
    };
    let (status, _, errors) = bench.watch(ordinary(&["create", "one"]));
    if status != 0
        && fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|most| most.trim() == "0")
    {
        return skip("user namespaces are off: user.max_user_namespaces is 0");
    }
    assert_eq!(status, 0, "{errors}");
    let state: Value = serde_json::from_str(&bench.watch(ordinary(&["state", "one"])).1).unwrap();
    // What waits there is a process of the runtime's still: as root of the machine we may look.
    let executed_from = fs::read_link(format!("/proc/{}/exe", state["pid"])).unwrap();
    assert_eq!(executed_from.to_str().unwrap(), "/memfd:stage4-runtime (deleted)");
    let kept = fs::File::open(format!("/proc/{}/exe", state["pid"])).unwrap();
    let written = || {
        let again = fs::OpenOptions::new().append(true).open(format!("/proc/self/fd/{}", kept.as_raw_fd()));
        again.and_then(|mut file| std::io::Write::write(&mut file, b"overwritten"))
    };
    assert!(matches!(written().unwrap_err().raw_os_error(), Some(libc::EPERM | libc::ETXTBSY)));
    assert_eq!(bench.watch(ordinary(&["delete", "--force", "one"])).0, 0);
    // Busy it is only as long as it is executed; sealed it stays.
    let last = std::cell::Cell::new(None);
    until("nobody executes it", || {
        last.set(Some(written().map_err(|error| error.raw_os_error())));
        last.get() != Some(Err(Some(libc::ETXTBSY)))
    });
    assert_eq!(last.get(), Some(Err(Some(libc::EPERM))), "it was written to");
    bench.nothing_is_left();
}
