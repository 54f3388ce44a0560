//! Which devices may be used, and how fast disks may be.
//!
//! Book: "Devices" (`devices`).
//! Invariant: whether something is allowed is tried by doing it, on the layout that is there.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

mod ground;

use ground::{Lab, can, has, is_root, output, run, stage3};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use stage3_cgroups::{Base, Controller, Group, Layout, devices};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const TRY: &str = "echo x >/dev/null && echo null; head -c1 /dev/zero >/dev/null && echo zero; head -c1 /dev/urandom >/dev/null && echo random; true";

#[test]
fn devices_that_are_not_listed_cannot_be_opened() {
    if !can(&[Controller::Devices]) {
        return;
    }
    run(&["--device", "c 1:3 rw"], &["sh", "-c", TRY])
        .assert()
        .success()
        .stdout("null\n")
        .stderr(contains("Operation not permitted"));
    let both = ["--device", "c 1:3 rw", "--device", "c 1:5 r"];
    run(&both, &["sh", "-c", TRY]).assert().success().stdout("null\nzero\n");
    run(&["--device", "c *:* rwm"], &["sh", "-c", TRY]).assert().stdout("null\nzero\nrandom\n").stderr("");
}

#[test]
fn devices_may_be_read_and_not_written_or_made_as_the_list_says() {
    if !can(&[Controller::Devices]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let script = format!(
        "exec 2>&1; true </dev/zero && echo read; true >/dev/zero && echo written; \
         mknod {0}/zero c 1 5 && echo made; mknod {0}/null c 1 3 && echo null made; true",
        directory.path().display()
    );
    let options = ["--device", "c 1:5 r", "--device", "c 1:3 rwm"];
    run(&options, &["sh", "-c", &script]).assert().success().stdout(
        contains("read\n")
            .and(contains("null made"))
            .and(contains("written").not())
            .and(contains("\nmade").not()),
    );
}

#[test]
fn devices_list_is_replaced_by_a_new_one() {
    if !can(&[Controller::Devices]) {
        return;
    }
    let lab = Lab::made(&["--device", "c 1:3 rw"]);
    let tried = || {
        let script = format!("{} attach {} $$ && {{ {TRY}; }}", ground::BINARY, lab.0);
        String::from_utf8(Command::new("sh").args(["-c", &script]).output().unwrap().stdout).unwrap()
    };
    assert_eq!(tried(), "null\n");
    lab.verb("set").args(["--device", "c 1:3 rw", "--device", "c 1:5 r"]).assert().success();
    assert_eq!(tried(), "null\nzero\n", "more than before");
    lab.verb("set").args(["--device", "c 1:3 rw", "--device", "c 1:9 r"]).assert().success();
    assert_eq!(tried(), "null\nrandom\n", "and another");
}

#[test]
fn devices_inside_are_never_more_than_above() {
    if !can(&[Controller::Devices]) {
        return;
    }
    let lab = Lab::made(&["--device", "c 1:3 rw"]);
    let inside = format!("{}/in", lab.0);
    // Version 1 says no at once, version 2 each time.
    let mut command =
        run(&["--group", &inside, "--device", "c 1:3 rw", "--device", "c 1:5 r"], &["sh", "-c", TRY]);
    match ground::version(Controller::Devices) {
        Some(stage3_cgroups::Version::V1) => {
            command.assert().code(1).stderr(contains("the group above denies"))
        }
        _ => command.assert().success().stdout("null\n"),
    };
}

#[test]
fn devices_program_of_version_2_decides_beside_version_1_too() {
    if !can(&[Controller::Devices]) {
        return;
    }
    let layout = Layout::read().unwrap();
    if layout.unified().is_none() {
        return ground::skip_under("hybrid", "there is no hierarchy of version 2");
    }
    let lab = Lab::made(&[]);
    let group = Group::open(&layout, Base::fitting(&layout), &lab.0.parse().unwrap()).unwrap();
    let rules: Vec<devices::Rule> = vec!["c 1:3 rw".parse().unwrap()];
    group.attach_device_program(&devices::Policy::Only(rules)).unwrap();
    let script = format!("{} attach {} $$ && {{ {TRY}; }}", ground::BINARY, lab.0);
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "null\n");
}

/// A disk of our own: a file behind a loop device, gone with this value.
struct Disk {
    device: PathBuf,
    _file: tempfile::NamedTempFile,
}

impl Disk {
    fn new() -> Option<Self> {
        if !is_root() || !has("losetup") {
            return None;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(32 << 20).unwrap();
        let said = |arguments: &[&str]| {
            let output = Command::new("losetup").args(arguments).output().unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        // Another process may take the free one in between.
        for _ in 0..10 {
            let (found, device) = said(&["-f"]);
            if found && said(&[&device, file.path().to_str().unwrap()]).0 {
                return Some(Disk { device: device.into(), _file: file });
            }
        }
        ground::skip("there is no loop device here: modprobe loop");
        None
    }

    /// `MAJOR:MINOR`
    fn number(&self) -> String {
        let device = nix::sys::stat::stat(&self.device).unwrap().st_rdev;
        format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("losetup").arg("-d").arg(&self.device).status().unwrap();
    }
}

/// Seconds of reading or writing a few megabytes past the page cache, under these rates; and what the group counted.
fn timed(disk: &Disk, rates: Option<&str>, words: &str) -> f64 {
    let script = format!("exec dd {words} bs=262144 count=16 2>/dev/null");
    let script = script.replace("DISK", disk.device.to_str().unwrap());
    let rates = rates.map(|rates| format!("{}:{rates}", disk.number()));
    let options: Vec<&str> = rates.iter().flat_map(|rates| ["--io", rates]).collect();
    let begun = std::time::Instant::now();
    run(&options, &["sh", "-c", &script]).assert().success();
    begun.elapsed().as_secs_f64()
}

#[test]
fn io_rates_of_a_disk_are_held_for_reads_and_writes() {
    if !can(&[Controller::Io]) {
        return;
    }
    let Some(disk) = Disk::new() else { return };
    for (words, bytes, operations) in [
        ("if=/dev/zero of=DISK oflag=direct conv=notrunc", "wbps=2M", "wiops=8"),
        ("if=DISK of=/dev/null iflag=direct", "rbps=2M", "riops=8"),
    ] {
        let free = timed(&disk, None, words);
        // 4 MB at 2 MB/s, 16 requests at 8 a second: never faster, but for what is saved up at the beginning.
        for rates in [bytes, operations] {
            let held = timed(&disk, Some(rates), words);
            assert!(held > 1.2 && held > free, "{words} {rates}: {held} s, and {free} s without");
        }
    }
}

#[test]
fn io_rate_is_changed_taken_away_and_counted() {
    if !can(&[Controller::Io]) {
        return;
    }
    let Some(disk) = Disk::new() else { return };
    let lab = Lab::made(&["--io", &format!("{}:wbps=1M", disk.number())]);
    let file = match ground::version(Controller::Io) {
        Some(stage3_cgroups::Version::V1) => "blkio.throttle.write_bps_device",
        _ => "io.max",
    };
    let rates = || fs::read_to_string(lab.directory(Controller::Io).join(file)).unwrap();
    assert!(rates().contains("1048576"), "{}", rates());
    lab.verb("set").args(["--io", &format!("{}:wbps=64M,riops=1000", disk.number())]).assert().success();
    assert!(rates().contains("67108864"), "{}", rates());
    let write = format!(
        "{} attach {} $$ && exec dd if=/dev/zero of={} bs=1048576 count=2 oflag=direct conv=notrunc",
        ground::BINARY,
        lab.0,
        disk.device.display()
    );
    assert!(Command::new("sh").args(["-c", &write]).output().unwrap().status.success());
    let json = output(lab.verb("stat").args(["--format", "json"]));
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let written = rows.iter().find(|row| row["what"] == "written").unwrap()["now"].as_u64();
    assert_eq!(written, Some(2 << 20), "{json}");
    lab.verb("set").args(["--io", &format!("{}:wbps=max", disk.number())]).assert().success();
    assert!(!rates().contains("67108864"), "{}", rates());
}

#[test]
fn io_of_a_partition_or_of_no_device_says_what_to_name() {
    if !can(&[Controller::Io]) {
        return;
    }
    stage3(&["run", "--io", "4095:77:rbps=1M", "--", "true"])
        .assert()
        .code(1)
        .stderr(contains("ENODEV").and(contains("whole disk")));
}

#[test]
fn hog_of_a_disk_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let seen =
        output(&mut stage3(&["hog", "io", "--bytes", "2M", "--dir", directory.path().to_str().unwrap()]));
    assert!(seen.starts_with("2 MB in ") && seen.ends_with(" MB/s"), "{seen}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    stage3(&["hog", "io", "--dir", "/nonexistent"]).assert().code(1).stderr(contains("ENOENT"));
}
