//! Where a process is after `chroot`, asked of the library.
//!
//! Each answer is a thread's own: unshare(CLONE_FS) gives it a root and a working directory apart.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::sched::{CloneFlags, unshare};
use stage1_chroot::chroot::{WorkingDirectory, chroot};
use stage1_chroot::loan::{self, Capability};
use stage1_chroot::rootfs::Rootfs;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Whether this process may change its root; if not, the same test is run in one that may.
fn may_chroot(test: &str) -> bool {
    if loan::lacking(&[Capability::SYS_CHROOT]).unwrap().is_none() {
        return true;
    }
    let mut again = Command::new("unshare");
    again.args(["--user", "--map-root-user"]).arg(std::env::current_exe().unwrap()).args(["--exact", test]);
    let output = again.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if told.contains("unshare:") {
        observe::skip::skip(test, told.trim());
    } else {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    false
}

/// What `/` and `.` hold after entering the root that was at `new-root` when it was opened.
fn seen(directory: &Path, working: WorkingDirectory) -> (Vec<String>, Vec<String>) {
    let enter = || {
        unshare(CloneFlags::CLONE_FS).unwrap();
        std::env::set_current_dir(directory).unwrap();
        let root = Rootfs::open("new-root".as_ref()).unwrap();
        fs::rename("new-root", "moved").unwrap();
        fs::rename("other", "new-root").unwrap();
        chroot(&root, working).unwrap();
        (names("/"), names("."))
    };
    std::thread::scope(|scope| scope.spawn(enter).join().unwrap())
}

fn names(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn cwd_or_not_the_root_that_was_checked_is_the_one_that_is_entered() {
    if !may_chroot("cwd_or_not_the_root_that_was_checked_is_the_one_that_is_entered") {
        return;
    }
    for working in [WorkingDirectory::Inside, WorkingDirectory::Outside] {
        let ground = tempfile::tempdir().unwrap();
        fs::create_dir_all(ground.path().join("new-root/checked")).unwrap();
        fs::create_dir_all(ground.path().join("other/swapped")).unwrap();
        let (root, here) = seen(ground.path(), working);
        assert_eq!(root, ["checked"], "{working:?}");
        let outside: &[&str] = &["moved", "new-root"];
        assert_eq!(here, if working == WorkingDirectory::Outside { outside } else { &["checked"] });
    }
}
