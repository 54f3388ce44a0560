//! Layers over layers: what is there in the end.
//!
//! layer.md, "Applying Changesets". Book: "Images" (`images`).
//! Invariant: each rule of the specification is one test.

use super::craft::{Entry, Layout, Packed, Tar};
use super::{Place, ground};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

fn tree(layers: &[Tar]) -> String {
    let place = Place::new();
    place.layout(layers).write();
    place.unpacked();
    place.tree()
}

#[test]
fn images_layers_are_applied_in_their_order_however_they_are_packed() {
    let place = Place::new();
    let first = Tar::default().directory("./").directory("etc/").file("etc/a", "1").file("etc/b", "1");
    let second = Tar::default().file("etc/b", "2").file("etc/c", "2");
    let third = Tar::default().file("etc/c", "3").file("./srv/deep/d", "3");
    let layers = [(Packed::Plain, first), (Packed::Zstd, second), (Packed::Gzip, third)];
    Layout::new(&place.path("image"), &layers.map(|(how, tar)| (how, tar.end()))).write();
    place.unpacked();
    assert_eq!(["etc/a", "etc/b", "etc/c", "srv/deep/d"].map(|path| place.read(path)), ["1", "2", "3", "3"]);
    let owner = place.path("box").metadata().unwrap();
    assert_eq!(owner.permissions().mode() & 0o7777, 0o700, "nobody else looks into it");
}

#[test]
fn images_whiteouts_remove_what_is_below_and_never_what_comes_along() {
    let below = || {
        let tar = Tar::default().directory("d/").file("d/old", "").directory("d/sub/").file("d/sub/old", "");
        tar.file("f", "old").directory("o/").file("o/old", "").symlink("l", "d")
    };
    let first = below().directory("gone/").file("gone/x", "");
    for (upper, left) in [
        (Tar::default().file(".wh.d", ""), vec!["f", "o", "o/old", "l", "gone", "gone/x"]),
        (
            Tar::default().file("d/.wh.sub", "").file(".wh.nothing", "").file("no/.wh.where", ""),
            vec!["d", "d/old", "f", "o", "o/old", "l", "gone", "gone/x"],
        ),
        // Through a link, as whoever made the layer saw it.
        (
            Tar::default().file("l/.wh.old", ""),
            vec!["d", "d/sub", "d/sub/old", "f", "o", "o/old", "l", "gone", "gone/x"],
        ),
        // A link is removed, and not what it leads to.
        (
            Tar::default().file(".wh.l", "").file(".wh.gone", ""),
            vec!["d", "d/old", "d/sub", "d/sub/old", "f", "o", "o/old"],
        ),
        (
            Tar::default().file("o/.wh..wh..opq", "").file("o/new", ""),
            vec!["d", "d/old", "d/sub", "d/sub/old", "f", "o", "o/new", "l", "gone", "gone/x"],
        ),
        (
            Tar::default().file("o/new", "").file("o/.wh..wh..opq", ""),
            vec!["d", "d/old", "d/sub", "d/sub/old", "f", "o", "o/new", "l", "gone", "gone/x"],
        ),
        (
            Tar::default().file("d/sub/new", "").file(".wh.d", "").file("f", "new").file(".wh.f", ""),
            vec!["d", "d/sub", "d/sub/new", "f", "o", "o/old", "l", "gone", "gone/x"],
        ),
        (Tar::default().file(".wh..wh..opq", "").file(".wh..wh.plnk/1", ""), vec![]),
    ] {
        let mut left = left;
        left.sort_unstable();
        let told = tree(&[first.clone(), upper]);
        let names: Vec<&str> = told.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(names, left);
    }
}

#[test]
fn images_entries_replace_what_is_there_by_kind() {
    let below =
        Tar::default().directory("d/").file("d/x", "").file("f", "1").symlink("l", "d").hard_link("h", "f");
    // A file over a directory, a directory over a file and over a link, a link over a file: all are new.
    let above =
        Tar::default().file("d", "2").directory("f/").directory("l/").file("l/y", "").symlink("h", "/d");
    assert_eq!(
        tree(&[below.clone(), above]),
        "d -644 1000000000 \"2\"\nf d755 1000000000\nh l0 1000000000 -> /d\nl d755 1000000000\nl/y -644 1000000000 \"\"",
    );
    // A file of the layer below that has two names: only one of them changes.
    assert_eq!(
        tree(&[Tar::default().file("f", "1").hard_link("h", "f"), Tar::default().file("f", "2")]),
        "f -644 1000000000 \"2\"\nh -644 1000000000 \"1\"",
    );
    // A directory over a directory keeps what is in it, and gets the new mode; a name that comes twice is the last one's.
    let again = Entry { path: "d", kind: b'5', mode: 0o700, mtime: 5, ..Entry::default() };
    let twice = Tar::default().entry(&again, b"").file("f", "2").file("f", "3").hard_link("f", "./f");
    assert_eq!(
        tree(&[below, twice]),
        "d d700 5\nd/x -644 1000000000 \"\"\nf -644 1000000000 \"3\"\nh -644 1000000000 \"1\"\nl l0 1000000000 -> d",
    );
}

#[test]
fn images_directories_keep_their_time_whatever_is_put_into_them() {
    let first = Tar::default().directory("a/").directory("a/b/").file("a/b/c", "");
    let second = Tar::default().file("a/b/d", "").file("a/b/.wh.c", "").symlink("a/l", "b").file("a/l/e", "");
    let told = tree(&[first, second]);
    let times: Vec<&str> = told.lines().filter(|line| line.contains(" d")).collect();
    assert_eq!(times, ["a d755 1000000000", "a/b d755 1000000000"]);
}

#[test]
fn images_keep_modes_attributes_pipes_and_hard_links() {
    let place = Place::new();
    let odd = |path, kind, mode| Entry { path, kind, mode, ..Entry::default() };
    let tar = Tar::default()
        .entry(&odd("set", b'0', 0o6755), b"")
        .entry(&odd("sticky", b'5', 0o1777), b"")
        .entry(&odd("closed", b'5', 0o500), b"")
        .file("closed/in", "")
        .entry(&odd("pipe", b'6', 0o620), b"")
        .hard_link("again", "set")
        .symlink("dangling", "/no/where")
        .hard_link("link", "dangling")
        .pax(&[
            ("mtime", "1234567890.123456789"),
            ("SCHILY.xattr.user.colour", "blue\ngreen"),
            ("path", "long/named"),
        ])
        .file("short", "x");
    place.layout(&[tar]).write();
    place.unpacked();
    let at = |name: &str| place.path("box/rootfs").join(name);
    let mode = |name: &str| at(name).symlink_metadata().unwrap().permissions().mode() & 0o7777;
    let modes = ["set", "sticky", "closed", "pipe"].map(mode);
    assert_eq!(modes, [0o6755, 0o1777, 0o500, 0o620]);
    assert_eq!(at("set").metadata().unwrap().ino(), at("again").metadata().unwrap().ino());
    assert_eq!(fs::read_link(at("link")).unwrap().to_str(), Some("/no/where"));
    let status = at("long/named").metadata().unwrap();
    assert_eq!((status.mtime(), status.mtime_nsec()), (1_234_567_890, 123_456_789));
    assert_eq!(xattr(&at("long/named")), b"blue\ngreen");
}

fn xattr(path: &std::path::Path) -> Vec<u8> {
    let file = fs::File::open(path).unwrap();
    stage4_runtime::image::attributes::get(&file, c"user.colour").unwrap()
}

#[test]
fn images_owners_are_kept_or_their_loss_is_told() {
    let place = Place::new();
    let entry = Entry { path: "f", mode: 0o6755, owner: (33, 44), ..Entry::default() };
    place.layout(&[Tar::default().entry(&entry, b"").file("mine", "")]).write();
    let told = place.unpacked();
    let status = place.path("box/rootfs/f").metadata().unwrap();
    if ground::is_root() {
        assert_eq!((status.uid(), status.gid(), status.mode() & 0o7777), (33, 44, 0o6755));
        assert_eq!(told, "");
    } else if told.is_empty() {
        let me = nix::unistd::geteuid().as_raw();
        assert!(status.uid() != me && status.uid() != 33, "a subordinate id");
        assert_eq!(status.mode() & 0o7777, 0o6755);
        assert!(place.image(&["remove", "box"]).0 == 0 && !place.path("box").exists());
    }
}

/// Without newuidmap all is the user's own: then a set-id bit would say something else than the image does.
#[test]
fn images_owners_that_are_lost_take_their_set_id_bits_along() {
    if ground::is_root() {
        let why = "root gives files to everybody";
        return observe::skip::skip_for(observe::skip::Runner::Ordinary, "images", why);
    }
    let place = Place::new();
    let entry = Entry { path: "f", mode: 0o6755, owner: (33, 44), ..Entry::default() };
    let device = Entry { path: "null", kind: b'3', device: (1, 3), ..Entry::default() };
    place.layout(&[Tar::default().entry(&entry, b"").entry(&device, b"")]).write();
    let mut command: Command = place.command(&["unpack", "image", "box"]);
    let output = command.env("PATH", "/nowhere").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("1 files are yours") && errors.contains("f of 33:44"), "{errors}");
    assert!(errors.contains("1 devices were not made"), "{errors}");
    let status = place.path("box/rootfs/f").metadata().unwrap();
    assert_eq!((status.uid(), status.mode() & 0o7777), (nix::unistd::geteuid().as_raw(), 0o755));
    assert!(!place.path("box/rootfs/null").exists());
}
