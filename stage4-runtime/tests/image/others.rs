//! What others make of images, and we of theirs.
//!
//! umoci(1), skopeo(1). Book: "Images" (`images`).
//! Invariant: both unpack the same bytes to the same file system, side by side; every difference fails.

use super::craft::{Entry, Tar};
use super::{Place, ground};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// False: it is not here, and has been said.
pub(super) fn here(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        observe::skip::skip(
            "images",
            &format!("{program} is not here to agree with: apt-get install {program}"),
        );
    }
    found
}

pub(super) fn ran(place: &Place, program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(place.path("")).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(super) fn image(place: &Place) {
    let odd = |path, kind, mode| Entry { path, kind, mode, ..Entry::default() };
    let first = Tar::default()
        .directory("./")
        .directory("etc/")
        .file("etc/passwd", "root:x:0:0::/:/bin/sh\n")
        .file("etc/group", "root:x:0:\n")
        .entry(&odd("tmp", b'5', 0o1777), b"")
        .entry(&odd("set", b'0', 0o4755), b"")
        .entry(&odd("pipe", b'6', 0o600), b"")
        .directory("usr/")
        .directory("usr/lib/")
        .file("usr/lib/x", "x")
        .symlink("lib", "usr/lib")
        .hard_link("y", "usr/lib/x")
        .directory("o/")
        .file("o/old", "");
    let second = Tar::default()
        .file("lib/through", "a link")
        .file("usr/lib/.wh.x", "")
        .directory("o/")
        .file("o/.wh..wh..opq", "")
        .file("o/new", "")
        .pax(&[("SCHILY.xattr.user.colour", "blue")])
        .file("etc/new", "n");
    let mut layout = place.layout(&[first, second]);
    layout.config["config"] = json!({
        "Cmd": ["sh"], "Env": ["A=b"], "WorkingDir": "/tmp", "Labels": {"l": "m"}, "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGINT",
    });
    layout.config["history"] =
        json!([{ "created_by": "/bin/sh -c #(nop) ADD a in / " }, { "created_by": "RUN b # buildkit" }]);
    let mut manifest = layout.finished();
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "v1" });
    layout.index(&json!([manifest]));
}

#[test]
fn images_become_what_umoci_makes_of_them() {
    if !here("umoci") {
        return;
    }
    let place = Place::new();
    image(&place);
    place.unpacked();
    let ours = place.tree();
    let config: Value = serde_json::from_slice(&fs::read(place.path("box/config.json")).unwrap()).unwrap();
    assert_eq!(place.image(&["remove", "box"]).0, 0);
    let rootless: &[&str] = if ground::is_root() { &[] } else { &["--rootless"] };
    ran(&place, "umoci", &[&["unpack", "--image", "image:v1"], rootless, &["box"]].concat());
    assert_eq!(ours, place.tree());
    let theirs: Value = serde_json::from_slice(&fs::read(place.path("box/config.json")).unwrap()).unwrap();
    fs::remove_dir_all(place.path("box")).unwrap();
    assert_eq!(config["process"]["args"], theirs["process"]["args"]);
    assert_eq!(config["process"]["cwd"], theirs["process"]["cwd"]);
    for (key, value) in config["annotations"].as_object().unwrap() {
        assert_eq!(*value, theirs["annotations"][key], "{key}");
    }
}

/// The same image by every way that there is: a directory, a tar file of one, and what docker save writes.
#[test]
fn images_are_the_same_in_whatever_skopeo_puts_them() {
    if !here("skopeo") {
        return;
    }
    let place = Place::new();
    image(&place);
    place.unpacked();
    let wanted = place.tree();
    assert_eq!(place.image(&["remove", "box"]).0, 0);
    let policy = ["--insecure-policy", "--tmpdir", ".", "copy", "--quiet"];
    for (to, name) in [
        ("oci-archive:o.tar:v2", "o.tar:v2"),
        ("docker-archive:d.tar:box:v3", "d.tar:box:v3"),
        ("oci:copied:v4", "copied:v4"),
    ] {
        ran(&place, "skopeo", &[&policy[..], &["oci:image:v1", to]].concat());
        let (status, told, errors) = place.image(&["inspect", "--format", "json", name]);
        assert_eq!(status, 0, "{errors}");
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            told["recipe"],
            json!([{ "layer": 0, "words": "ADD a in /" }, { "layer": 1, "words": "RUN b" }])
        );
        assert_eq!(told["parameters"]["StopSignal"], "SIGINT");
        assert_eq!(told["layers"].as_array().unwrap().len(), 2);
        let (status, _, errors) = place.image(&["unpack", name, "box"]);
        assert_eq!(status, 0, "{errors}");
        assert_eq!(place.tree(), wanted, "{name}");
        assert_eq!(place.image(&["remove", "box"]).0, 0);
    }
}

/// What we write, they read: a layer over one of theirs, with whiteouts.
#[test]
fn images_of_ours_are_read_by_umoci_and_skopeo() {
    if !here("umoci") || !here("skopeo") {
        return;
    }
    let place = Place::new();
    image(&place);
    place.unpacked();
    fs::remove_file(place.path("box/rootfs/o/new")).unwrap();
    fs::write(place.path("box/rootfs/etc/more"), "more").unwrap();
    let times = fs::FileTimes::new()
        .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890));
    for changed in ["etc", "o", "etc/more"] {
        fs::File::open(place.path("box/rootfs").join(changed)).unwrap().set_times(times).unwrap();
    }
    let wanted = place.tree();
    assert_eq!(place.image(&["commit", "box", "made:v2", "--from", "image:v1"]).0, 0);
    assert_eq!(place.image(&["remove", "box"]).0, 0);
    let rootless: &[&str] = if ground::is_root() { &[] } else { &["--rootless"] };
    ran(&place, "umoci", &[&["unpack", "--image", "made:v2"], rootless, &["box"]].concat());
    assert_eq!(place.tree(), wanted);
    fs::remove_dir_all(place.path("box")).unwrap();
    ran(
        &place,
        "skopeo",
        &[
            "--insecure-policy",
            "--tmpdir",
            ".",
            "copy",
            "--quiet",
            "oci:made:v2",
            "docker-archive:d.tar:box:v2",
        ],
    );
    assert_eq!(place.image(&["unpack", "d.tar:box:v2", "box"]).0, 0);
    assert_eq!(place.tree(), wanted);
}
