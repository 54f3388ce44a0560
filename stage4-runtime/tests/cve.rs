//! Ways out of other runtimes, each tried against this one: named by the weakness it once was.
//!
//! Book: "Ways out, once more" (`overwrite`, `leaked-descriptor`).
//! Invariant: what is attacked is a copy, a canary, a directory of the test's own; what an attacker wins by a race is
//! given to him by a hook, at the worst moment.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

mod ground;

use ground::{BINARY, Bench, until};
use serde_json::{Value, json};
use stage1_chroot::rootfs::Rootfs;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
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
        return ground::skip("user namespaces are off: user.max_user_namespaces is 0");
    }
    assert_eq!(status, 0, "{errors}");
    let state: Value = serde_json::from_str(&bench.watch(ordinary(&["state", "one"])).1).unwrap();
    // What waits there is a process of the runtime's still: as root of the machine we may look.
    let executed_from = fs::read_link(format!("/proc/{}/exe", state["pid"])).unwrap();
    assert_eq!(executed_from.to_str().unwrap(), "/memfd:stage4-runtime (deleted)");
    let again = fs::OpenOptions::new().append(true).open(format!("/proc/{}/exe", state["pid"]));
    let written = again.and_then(|mut file| std::io::Write::write(&mut file, b"overwritten"));
    assert!(matches!(written.unwrap_err().raw_os_error(), Some(libc::EPERM | libc::ETXTBSY)));
    assert_eq!(bench.watch(ordinary(&["delete", "--force", "one"])).0, 0);
    bench.nothing_is_left();
}

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

/// CVE-2025-52881: what is written to procfs lands in a file that was mounted over it.
///
/// An attacker does so by a race; here a hook does, at the worst moment, when all is mounted and nothing written yet.
/// It finds the container's root by a descriptor of init's, touches nothing unless the bundle's own marker is in it,
/// and writes only into what it has just mounted.
#[test]
fn redirected_writes_to_proc_reach_the_kernel_all_the_same() {
    let Some(bench) = Bench::new() else { return };
    let marker = bench.path("rootfs/etc/marker");
    fs::write(&marker, "").unwrap();
    let script = format!(
        r#"pid=$(sed 's/.*"pid": *\([0-9]*\).*/\1/')
        for fd in /proc/$pid/fd/*; do
            if test $fd/etc/marker -ef {} && test -d $fd/proc/sys/kernel; then root=$fd; fi
        done
        test -n "$root"; ! test $root -ef /
        mount --no-canonicalize -t tmpfs planted $root/proc/sys/kernel
        echo planted > $root/proc/sys/kernel/msgmax
        mount --no-canonicalize -t tmpfs planted $root/proc/1
        echo planted > $root/proc/1/oom_score_adj"#,
        marker.display()
    );
    let id = bench.idle(|config| {
        let environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
        let hook = json!({"path": "/bin/sh", "args": ["sh", "-euc", script], "env": environment});
        config["hooks"] = json!({"createContainer": [hook]});
        config["linux"]["sysctl"] = json!({"kernel.msgmax": "12345"});
        config["process"]["oomScoreAdj"] = json!(321);
    });
    let pid = bench.pid(&id);
    let text = |path: &str| fs::read_to_string(path).unwrap().trim().to_owned();
    let mounted = text(&format!("/proc/{pid}/mountinfo"));
    assert!(mounted.matches(" planted ").count() >= 2, "the attack did not take place: {mounted}");
    assert_eq!(text(&format!("/proc/{pid}/root/proc/sys/kernel/msgmax")), "planted");
    assert_eq!(text(&format!("/proc/{pid}/root/proc/1/oom_score_adj")), "planted");
    assert_eq!(text(&format!("/proc/{pid}/oom_score_adj")), "321");
    let ipc = format!("--ipc=/proc/{pid}/ns/ipc");
    let kernel = Command::new("nsenter").args([&ipc, "cat", "/proc/sys/kernel/msgmax"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kernel.stdout).trim(), "12345");
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}

/// The same where the runtime's own /proc has something mounted over it: nothing is written at all.
#[test]
fn redirected_writes_are_refused_where_the_runtimes_own_proc_is_covered() {
    let Some(bench) = Bench::new() else { return };
    for name in ["kernel", "net"] {
        fs::create_dir(bench.path("shared").join(name)).unwrap();
    }
    let planted = bench.path("shared/kernel/msgmax");
    fs::write(&planted, "planted").unwrap();
    bench.config("echo has run", |config| config["linux"]["sysctl"] = json!({"kernel.msgmax": "12345"}));
    let script = format!(
        "mount --bind {} /proc/sys && exec {BINARY} --root {} run {}",
        bench.path("shared").display(),
        bench.path("state").display(),
        bench.id()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]).current_dir(bench.path(""));
    let (status, output, errors) = bench.watch(command);
    assert!(status == 1 && output.is_empty(), "{status}: {output}{errors}");
    assert!(errors.contains("EXDEV") && errors.contains("mounted over"), "{errors}");
    assert_eq!(fs::read_to_string(planted).unwrap(), "planted");
    bench.nothing_is_left();
}

/// A /dev that is a directory of the image, in which something is planted.
fn own_dev(config: &mut Value, bench: &Bench) {
    let dev = bench.path("rootfs/dev");
    fs::create_dir_all(dev.join("pts")).unwrap();
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| {
        !mount["destination"].as_str().unwrap().starts_with("/dev/") || mount["type"] == "devpts"
    });
    let place = mounts.iter().position(|mount| mount["destination"] == "/dev").unwrap();
    mounts[place] = json!({"destination": "/dev", "source": dev, "options": ["bind"]});
}

/// CVE-2025-31133: /dev/null of the container is a link, and what should be masked shows its target.
#[test]
fn masks_do_not_show_what_dev_null_of_the_image_leads_to() {
    let Some(bench) = Bench::new() else { return };
    fs::write(bench.path("rootfs/etc/canary"), "sings").unwrap();
    symlink("/etc/canary", bench.path("rootfs/dev/null")).unwrap();
    bench.config("cat /proc/timer_list; ls -l /proc/timer_list", |config| own_dev(config, &bench));
    let (status, output, errors) = bench.call(&["run", &bench.id()]);
    assert_eq!(status, 0, "{errors}");
    assert!(output.starts_with("crw-rw-rw-") && output.contains(" 1,   3 "), "{output}");
    assert_eq!(fs::read_to_string(bench.path("rootfs/etc/canary")).unwrap(), "sings");
    bench.nothing_is_left();
}

/// CVE-2025-52565: /dev/console is a link, and the terminal is mounted on its target.
#[test]
fn terminal_is_not_mounted_on_what_dev_console_of_the_image_leads_to() {
    let Some(bench) = Bench::new() else { return };
    fs::write(bench.path("rootfs/etc/canary"), "sings").unwrap();
    for target in ["/etc/canary", "/proc/sysrq-trigger", "/nowhere"] {
        let console = bench.path("rootfs/dev/console");
        fs::remove_file(&console).ok();
        symlink(target, console).unwrap();
        bench.config("echo has run", |config| {
            own_dev(config, &bench);
            config["process"]["terminal"] = json!(true);
        });
        let (status, output, errors) = bench.call(&["run", &bench.id()]);
        assert!(status == 1 && !output.contains("has run"), "{output}{errors}");
        assert!(errors.contains("neither a file nor the console's device"), "{errors}");
        assert_eq!(fs::read_to_string(bench.path("rootfs/etc/canary")).unwrap(), "sings");
        assert!(!bench.path("rootfs/nowhere").exists());
    }
    bench.nothing_is_left();
}
