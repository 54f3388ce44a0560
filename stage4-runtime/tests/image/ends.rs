//! Unpacking that does not come to its end: interrupted, killed, in somebody's way.
//!
//! Book: "Images" (`images`).
//! Invariant: under the bundle's name there is all of it or nothing.

use super::craft::{Layout, Packed, Tar};
use super::{Place, ground};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

/// So many files that there is time to come in between.
fn large(place: &Place) {
    let tar = (0..20_000).fold(Tar::default(), |tar, number| tar.file(&format!("d/{number}"), "content"));
    Layout::new(&place.path("image"), &[(Packed::Zstd, tar.end())]).write();
}

fn begun(place: &Place) -> Child {
    let mut command = place.command(&["unpack", "image", "box"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    ground::until("it has begun", || place.path(".box.part/rootfs/d/100").exists());
    child
}

#[test]
fn images_interrupted_leave_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let place = Place::new();
        large(&place);
        let mut child = begun(&place);
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let status = child.wait().unwrap();
        let number = signal as i32;
        assert!(status.signal() == Some(number) || status.code() == Some(128 + number), "{status}");
        place.is_untouched("interrupted");
    }
}

#[test]
fn images_killed_are_cleared_away_by_the_next() {
    let place = Place::new();
    large(&place);
    let mut child = begun(&place);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    assert!(place.path(".box.part").exists() && !place.path("box").exists());
    ground::until("its child has ended, too", || {
        let part = fs::File::open(place.path(".box.part")).unwrap();
        Flock::lock(part, FlockArg::LockExclusiveNonblock).is_ok()
    });
    place.unpacked();
    assert!(!place.path(".box.part").exists());
    assert_eq!(fs::read_dir(place.path("box/rootfs/d")).unwrap().count(), 20_000);
}

#[test]
fn images_go_to_no_place_that_is_taken() {
    let place = Place::new();
    place.layout(&[Tar::default().file("a", "x")]).write();
    fs::create_dir(place.path(".box.part")).unwrap();
    let part = fs::File::open(place.path(".box.part")).unwrap();
    let held = Flock::lock(part, FlockArg::LockExclusive).map_err(|(_, errno)| errno).unwrap();
    let (status, _, errors) = place.image(&["unpack", "image", "box"]);
    assert!(status == 1 && errors.contains("somebody else is unpacking"), "{errors}");
    drop(held);
    place.unpacked();
    let (status, _, errors) = place.image(&["unpack", "image", "box"]);
    assert!(status == 1 && errors.contains("is there already"), "{errors}");
    assert_eq!(place.read("a"), "x");
    let (status, _, errors) = place.image(&["unpack", "image", "no/where"]);
    assert!(status == 1 && errors.contains("ENOENT"), "{errors}");
}

#[test]
fn images_remove_takes_nothing_but_a_bundle() {
    let place = Place::new();
    let (status, _, errors) = place.image(&["remove", "outside"]);
    assert!(status == 1 && errors.contains("more than a bundle"), "{errors}");
    place.canary_sings("remove");
    std::os::unix::fs::symlink("outside", place.path("link")).unwrap();
    assert_eq!(place.image(&["remove", "link"]).0, 1);
    assert_eq!(place.image(&["remove", "nothing"]).0, 1);
    place.canary_sings("remove");
}
