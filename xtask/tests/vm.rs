//! `cargo xtask vm`: what runs in the machine seems to run here, and the machine is gone afterwards.
#![allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]

use assert_cmd::Command;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use observe::skip::skip;
use predicates::prelude::*;
use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{BufRead, BufReader},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    process::{Child, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

/// `cargo xtask vm` with these options, up to a command's words.
fn vm(options: &[&str]) -> Command {
    let mut command = Command::new(XTASK);
    // Where two cores emulate two machines, and other tests build, it takes its time.
    command.arg("vm").args(options).arg("--").timeout(Duration::from_secs(400));
    command
}

/// Whether there can be machines here; where not, the reason is told, once for each test.
fn possible(test: &str) -> bool {
    static FIRST: OnceLock<(Option<i32>, String)> = OnceLock::new();
    let (status, told) = FIRST.get_or_init(|| {
        let output = vm(&[]).arg("true").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    });
    match status {
        Some(77) => skip(test, told.trim()),
        other => assert_eq!((*other, told.as_str()), (Some(0), ""), "`true` is 0 and silent"),
    }
    *status == Some(0)
}

/// What a script printed inside; it must have succeeded.
fn printed(options: &[&str], script: &str) -> String {
    let output = vm(options).args(["sh", "-ec", script]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {} {complaint}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn the_exit_status_is_the_commands_own() {
    if !possible("exit_status") {
        return;
    }
    vm(&[]).args(["sh", "-c", "exit 7"]).assert().code(7).stdout("").stderr("");
    vm(&[]).args(["sh", "-c", "kill -KILL $$"]).assert().code(137);
    vm(&[]).arg("nonesuch").assert().code(127).stdout("").stderr(predicate::str::contains("nonesuch"));
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn every_byte_passes_on_the_stream_it_was_written_to() {
    if !possible("every_byte") {
        return;
    }
    let all: Vec<u8> = (1..=255).collect();
    let script = "printf %s \"$1\"; printf '\\0%s' \"$2\" >&2; seq 30000
                  [ -t 0 ] || [ -t 1 ] || [ -t 2 ] || echo no terminal";
    let words: [&OsStr; 5] =
        ["sh".as_ref(), "-c".as_ref(), script.as_ref(), "it's me".as_ref(), OsStr::from_bytes(&all)];
    let output = vm(&[]).args(words).arg(OsString::from("$HOME 'x' \r\n\x04")).output().unwrap();
    let numbers: String = (1..=30000).map(|number| format!("{number}\n")).collect();
    let expected = [&all[..], numbers.as_bytes(), b"no terminal\n"].concat();
    assert!(output.stdout == expected, "{} bytes instead of {}", output.stdout.len(), expected.len());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "\0$HOME 'x' \r\n\x04");
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn each_layout_is_what_a_process_inside_sees() {
    if !possible("each_layout") {
        return;
    }
    let script = "awk '/ - cgroup/ { print $5, $(NF - 2) }' /proc/self/mountinfo; cat /proc/self/cgroup
                  cat /sys/fs/cgroup/cgroup.subtree_control || true";
    for (layout, first, second) in
        [("v1", true, None), ("hybrid", true, Some("/unified")), ("v2", false, Some(""))]
    {
        let seen = printed(&["--cgroup", layout], script);
        assert_eq!(seen.contains("/sys/fs/cgroup/memory cgroup\n"), first, "{layout}: {seen}");
        assert_eq!(seen.contains("/sys/fs/cgroup/cpu,cpuacct cgroup\n"), first, "{layout}: {seen}");
        let unified = seen.lines().find_map(|line| line.strip_suffix(" cgroup2"));
        assert_eq!(
            unified,
            second.map(|place| format!("/sys/fs/cgroup{place}")).as_deref(),
            "{layout}: {seen}"
        );
        assert_eq!(seen.lines().any(|line| line == "0::/"), second.is_some(), "{layout}: {seen}");
        let given = |name| seen.lines().any(|line| line.split(' ').any(|word| word == name));
        assert_eq!(given("memory") && given("pids") && given("cpu"), layout == "v2", "{layout}: {seen}");
    }
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn the_stages_and_the_probe_work_inside() {
    if !possible("stages_inside") {
        return;
    }
    let seen = printed(
        &[],
        "stage1-chroot build new-root probe >&2; stage1-chroot run new-root -- probe facts entries
         stage2-namespaces run --all --map-root -- probe facts --format json pid namespaces",
    );
    let (jail, contained) = seen.split_once('\n').unwrap();
    assert!(jail.starts_with("entries") && !jail.contains("proc"), "{seen}");
    assert!(contained.contains("uts:["), "{seen}");
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn the_kernel_finds_its_modules_when_they_are_first_used() {
    if !possible("modules") {
        return;
    }
    let seen = printed(
        &[],
        "stage2-namespaces run --net -- sh -ec 'stage2-namespaces net veth a b; stage2-namespaces net bridge c'
         mkdir -p /tmp/low /tmp/over && touch /tmp/low/file && mount -t tmpfs up /mnt && mkdir /mnt/u /mnt/w
         mount -t overlay over -o lowerdir=/tmp/low,upperdir=/mnt/u,workdir=/mnt/w /tmp/over && ls /tmp/over
         : </dev/loop-control && losetup -f",
    );
    assert_eq!(seen, "file\n/dev/loop0\n");
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn the_machine_ends_with_its_command_whoever_is_left() {
    if !possible("whoever_is_left") {
        return;
    }
    let started = Instant::now();
    assert_eq!(printed(&[], "sleep 1000 & setsid sleep 1000 & echo done"), "done\n");
    assert!(started.elapsed() < Duration::from_secs(300));
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn when_time_is_up_the_machine_ends() {
    if !possible("time_is_up") {
        return;
    }
    let told = predicate::str::contains("not done within 1 s").and(predicate::str::contains("--timeout"));
    let early = predicate::str::contains("had not begun; its last words:");
    vm(&["--timeout", "1"]).args(["sleep", "1000"]).assert().code(124).stderr(told.and(early));
    let mut machine = vm(&["--timeout", "45"]);
    let late = predicate::str::contains("its command had begun").and(predicate::str::contains("words").not());
    machine.args(["sleep", "1000"]).assert().code(124).stderr(late);
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn a_machine_that_stands_still_before_its_command_is_booted_anew() {
    if !possible("booted_anew") {
        return;
    }
    let ground = tempfile::tempdir().unwrap();
    let qemu = ground.path().join("qemu-system-x86_64");
    let path = std::env::var("PATH").unwrap();
    let script = "#!/bin/sh\n[ -e \"$TRIED\" ] || { : >\"$TRIED\"; exec sleep 1000; }\nPATH=$BEFORE exec qemu-system-x86_64 \"$@\"\n";
    fs::write(&qemu, script).unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    let mut machine = vm(&["--timeout", "200"]);
    machine.env("BEFORE", &path).env("PATH", format!("{}:{path}", ground.path().display()));
    machine.env("TRIED", ground.path().join("tried"));
    machine.args(["echo", "up"]).assert().success().stdout("up\n").stderr("");
    assert!(ground.path().join("tried").exists());
}

/// A machine whose command runs, and the process that is qemu.
fn running() -> (Child, Pid) {
    let mut command = std::process::Command::new(XTASK);
    command.args(["vm", "--", "sh", "-c", "echo up; sleep 1000"]).stdin(Stdio::null());
    let mut xtask = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(xtask.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    let pid = xtask.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let qemu = children.trim().parse().unwrap();
    assert!(fs::read_to_string(format!("/proc/{qemu}/comm")).unwrap().starts_with("qemu"));
    (xtask, Pid::from_raw(qemu))
}

/// Whether the process is gone within ten seconds, but for a zombie that waits for init.
fn gone(process: Pid) -> bool {
    let until = Instant::now() + Duration::from_secs(10);
    let lives = || fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|words| !words.is_empty());
    while lives() && Instant::now() < until {
        sleep(Duration::from_millis(20));
    }
    !lives()
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn ctrl_c_ends_the_machine() {
    if !possible("ctrl_c") {
        return;
    }
    let (xtask, qemu) = running();
    kill(Pid::from_raw(xtask.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = xtask.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was left behind"));
    assert!(gone(qemu));
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn even_sigkill_leaves_no_machine() {
    if !possible("sigkill") {
        return;
    }
    let (mut xtask, qemu) = running();
    xtask.kill().unwrap();
    xtask.wait().unwrap();
    assert!(gone(qemu));
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn a_machine_that_dies_early_leaves_its_last_words() {
    if !possible("last_words") {
        return;
    }
    let told =
        predicate::str::contains("ended before its command did").and(predicate::str::contains("kernel"));
    vm(&["--kernel", "/etc/passwd"]).arg("true").assert().code(1).stderr(told);
    let told = predicate::str::contains("/nowhere").and(predicate::str::contains("No such file"));
    vm(&["--kernel", "/nowhere"]).arg("true").assert().code(1).stderr(told);
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn without_qemu_the_remedy_is_named() {
    let told = predicate::str::contains("not possible here").and(predicate::str::contains("apt-get install"));
    vm(&[]).arg("true").env("PATH", "/nowhere").assert().code(77).stdout("").stderr(told);
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn an_ordinary_user_is_nobody_but_in_the_group_that_was_given() {
    if !possible("ordinary_user") {
        return;
    }
    let script = "id -u; pwd; grep CapEff: /proc/self/status; cat /proc/self/cgroup
                  mkdir /sys/fs/cgroup/mine || echo refused
                  stage3-cgroups create stage3-leaf >/dev/null && stage3-cgroups attach stage3-leaf $$
                  stage3-cgroups run --pids 7 -- sh -c 'cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/pids.max'
                  stage2-namespaces run --user --map-subids -- id -u";
    let output = vm(&["--user", "learner"]).args(["sh", "-ec", script]).assert().success();
    let seen = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    let lines: Vec<_> = seen.lines().collect();
    let scope = "0::/user.slice/user-1000.slice/session.scope";
    let expected = ["1000", "/home/learner", "CapEff:\t0000000000000000", scope, "refused", "7", "0"];
    assert_eq!(lines, expected, "{seen}");
    let seen = printed(&["--user", "learner", "--cgroup", "v1"], "stage3-cgroups info 2>&1");
    assert!(seen.contains("nothing is delegated to us") && !seen.contains(" yes   yes "), "{seen}");
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn new_and_changed_files_are_taken_back_and_no_others() {
    if !possible("taken_back") {
        return;
    }
    // The target directory may lie below /tmp or not: a directory beside our own program is there in any case.
    let ground = tempfile::tempdir_in(std::path::Path::new(XTASK).parent().unwrap()).unwrap();
    for ground in [ground.path().join("not/yet"), tempfile::tempdir().unwrap().path().join("gone")] {
        let take = ground.to_str().unwrap();
        let script = format!(
            "cd {take}; mkdir -p in; head -c 100000 /dev/zero | tr '\\0' a >'in/a  b'; ln -s /nowhere link
             echo not taken >../beside; mkfifo pipe; exit 3"
        );
        for user in ["root", "learner"] {
            let home = ground.join("in");
            let mut machine = vm(&["--take", take, "--user", user]);
            let script = if user == "root" { &script } else { &script.replace(">../beside", ">/tmp/beside") };
            machine.args(["sh", "-ec", script]).assert().code(3).stdout("").stderr("");
            assert!(fs::read(home.join("a  b")).unwrap() == vec![b'a'; 100_000]);
            assert_eq!(fs::read_link(ground.join("link")).unwrap(), std::path::Path::new("/nowhere"));
            assert_eq!(fs::read_dir(&ground).unwrap().count(), 2, "no pipe");
            assert!(!ground.with_file_name("beside").exists());
            fs::remove_dir_all(&ground).unwrap();
        }
        fs::remove_dir_all(ground.parent().unwrap()).unwrap();
    }
    vm(&["--take", "/"]).arg("true").assert().code(2).stderr(predicate::str::contains("below it"));
    let told = predicate::str::contains("/etc/passwd: it is not a directory");
    vm(&["--take", "/etc/passwd"]).arg("true").assert().code(2).stderr(told);
}

/// `cargo xtask demo` with these words; it takes at most six minutes.
fn demo(words: &[&str]) -> Command {
    let mut command = Command::new(XTASK);
    command.arg("demo").args(words).env("LANG", "C.UTF-8").env_remove("LC_ALL").env_remove("LC_MESSAGES");
    command.timeout(Duration::from_secs(360));
    command
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn a_demo_is_played_under_the_layout_and_by_the_user_that_were_asked_for() {
    if !possible("demo_inside") {
        return;
    }
    let told = predicate::str::contains("memory.max").and(predicate::str::contains("cpu.cfs_quota_us").not());
    demo(&["stage3", "--vm", "v2", "--step", "files"]).assert().success().stdout(told).stderr("");
    // Given a group, an ordinary user sees what root sees; given none, that it is refused.
    let scope = predicate::str::contains("session.scope/stage3-lab/");
    let words = ["stage3", "--vm", "v2", "--user", "learner", "--step", "files"];
    demo(&words).assert().success().stdout(scope);
    let words = ["stage3", "--vm", "v1", "--user", "learner", "--step", "files", "--format", "json"];
    let output = demo(&words).assert().success().get_output().stdout.clone();
    let told: serde_json::Value = serde_json::from_slice(&output).unwrap();
    let stage = &told["stages"][0];
    assert!(stage["rootless"] == true && stage["steps"].to_string().contains("EACCES"), "{told}");
}

#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn a_demo_in_a_machine_keeps_and_records_nothing() {
    for (option, value) in [("--keep", None), ("--record", Some("x.cast"))] {
        let told = predicate::str::contains(option).and(predicate::str::contains("does not go with --vm"));
        let words: Vec<_> = ["stage3", "--vm", "v2", option].into_iter().chain(value).collect();
        demo(&words).assert().code(2).stdout("").stderr(told);
    }
}

/// All layers, and what `spec` writes. A machine takes its minutes: v2 unless `STAGES_MATRIX_UNDER`
/// names others (`v1,hybrid,v2`).
#[test]
#[ignore = "boots a virtual machine: cargo test -p xtask --test vm -- --ignored"]
fn the_matrix_on_another_kernel_is_as_recorded() {
    if !possible("matrix") {
        return;
    }
    let layouts = std::env::var("STAGES_MATRIX_UNDER").unwrap_or_else(|_| "v2".into());
    for layout in layouts.split(',') {
        let columns = ["full", "default", "rootless"].map(|name| ["--column", name]).concat();
        let mut matrix = Command::new(XTASK);
        matrix.args(["matrix", "--vm", layout, "--format", "tsv"]).args(&columns);
        let output = matrix.timeout(Duration::from_secs(900)).output().unwrap();
        let below = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>(); // the kernel's name
        let seen = below(&String::from_utf8_lossy(&output.stdout));
        let file = format!("{}/tests/matrix/{layout}.tsv", env!("CARGO_MANIFEST_DIR"));
        let recorded = below(&fs::read_to_string(&file).unwrap());
        let other: Vec<_> = recorded.iter().zip(&seen).filter(|(recorded, seen)| recorded != seen).collect();
        assert!(
            other.is_empty() && seen.len() == recorded.len(),
            "{layout}, recorded and seen: {other:#?}\n{}\nto record it anew: \
             cargo xtask matrix --vm {layout} --format tsv {} >{file}",
            String::from_utf8_lossy(&output.stderr),
            columns.join(" ")
        );
    }
}
