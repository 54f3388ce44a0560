//! Images that are built by hand: from, copy, run, config, commit.
//!
//! config.md, `history`. Book: "Images" (`image-build`).
//! Invariant: what is asserted is read from the image that came out, or said by its container.

use super::Place;
use super::craft::Tar;
use super::ground::{Bench, is_root};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;

fn done(place: &Place, arguments: &[&str]) {
    let (status, output, errors) = place.image(arguments);
    assert_eq!(status, 0, "{arguments:?}: {output}{errors}");
}

fn refused(place: &Place, arguments: &[&str], wanted: &str) {
    let (status, _, errors) = place.image(arguments);
    assert!(status == 1 && errors.contains(wanted), "{arguments:?}: {status} {errors}");
}

#[test]
fn image_build_from_nothing_runs_as_it_was_told() {
    let Some(bench) = Bench::for_anybody() else { return };
    fs::write(bench.path("hello"), "#!/bin/sh\necho \"$GREETING from $(pwd)\"; id -u\n").unwrap();
    bench.output(&["image", "from", "scratch", "new"]);
    bench.output(&["image", "copy", "new", "rootfs", "/"]);
    bench.output(&["image", "copy", "new", "hello", "/usr/local/bin/"]);
    bench.output(&[
        "image",
        "run",
        "new",
        "--",
        "sh",
        "-c",
        "mkdir /made 2>/dev/null || busybox mkdir /made",
    ]);
    bench.output(&["image", "run", "new", "--", "busybox", "chmod", "755", "/usr/local/bin/hello"]);
    bench.output(&["image", "config", "new", "--env", "GREETING=good morning", "--directory", "/made"]);
    let told = bench.output(&["image", "run", "new", "--", "/usr/local/bin/hello"]);
    assert_eq!(told, "good morning from /made\n0");
    let network = |which| {
        bench.output(&["image", "run", "new", "--network", which, "--", "readlink", "/proc/self/ns/net"])
    };
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(
        (network("host"), network("none") == network("host")),
        (ours.to_str().unwrap().to_owned(), false)
    );
    let (status, _, _) = bench.call(&["image", "run", "new", "--", "sh", "-c", "exit 3"]);
    assert_eq!(status, 3);
    bench.output(&["image", "config", "new", "--label", "a=b", "--", "/usr/local/bin/hello"]);
    bench.output(&["image", "commit", "new", "out:v1"]);
    let told: Value =
        serde_json::from_str(&bench.output(&["image", "inspect", "--format", "json", "out:v1"])).unwrap();
    let text = told.to_string();
    assert!(text.contains("COPY rootfs /; COPY hello /usr/local/bin/; RUN sh -c mkdir"), "{text}");
    assert!(
        text.contains("ENV GREETING=good morning") && text.contains("CMD [") && !text.contains("exit 3"),
        "{text}"
    );
    bench.output(&["image", "remove", "new"]);
    // Another one upon it: its layer holds what is new, and nothing else.
    bench.output(&["image", "from", "out:v1", "next"]);
    bench.output(&["image", "run", "next", "--", "sh", "-c", "echo more > /made/more"]);
    bench.output(&["image", "commit", "next", "out:v2"]);
    bench.output(&["image", "remove", "next"]);
    bench.output(&["image", "unpack", "out:v2", "box", "--set", "process.terminal=false"]);
    assert_eq!(fs::read_to_string(bench.path("box/rootfs/made/more")).unwrap(), "more\n");
    assert_eq!(bench.output(&["run", "--bundle", "box", &bench.id()]), "good morning from /made\n0");
    bench.output(&["image", "remove", "box"]);
    bench.nothing_is_left();
}

#[test]
fn image_build_copies_stay_in_the_root() {
    let place = Place::new();
    let passwd = "root:x:0:0::/:/bin/sh\nada:x:1000:1000::/:/bin/sh\n";
    let tar = Tar::default()
        .file("etc/passwd", passwd)
        .directory("there/")
        .symlink("out", "/outside")
        .symlink("up", "../../..");
    place.layout(&[tar]).write();
    done(&place, &["from", "image", "box"]);
    fs::create_dir_all(place.path("source/below")).unwrap();
    fs::write(place.path("source/file"), "1").unwrap();
    fs::write(place.path("source/below/other"), "2").unwrap();
    symlink("file", place.path("source/link")).unwrap();
    symlink("source/file", place.path("named")).unwrap();
    done(&place, &["copy", "box", "source", "there"]);
    assert_eq!(place.read("there/below/other"), "2");
    assert_eq!(fs::read_link(place.path("box/rootfs/there/link")).unwrap().to_str(), Some("file"));
    // What is named may be a link; where it goes may be one, and leads to a place inside.
    done(&place, &["copy", "box", "named", "new/name"]);
    assert!(place.path("box/rootfs/new/name").symlink_metadata().unwrap().is_file());
    done(&place, &["copy", "box", "source/file", "out/"]);
    assert_eq!(place.read("outside/file"), "1");
    done(&place, &["copy", "box", "source/file", "up/file"]);
    assert_eq!(place.read("file"), "1");
    if is_root() {
        done(&place, &["copy", "box", "source/file", "adas", "--chown", "ada:7"]);
        let status = fs::metadata(place.path("box/rootfs/adas")).unwrap();
        assert_eq!((status.uid(), status.gid()), (1000, 7));
        assert_eq!(fs::metadata(place.path("box/rootfs/file")).unwrap().uid(), 0);
    }
    refused(&place, &["copy", "box", "source/file", "../file"], "is no place in an image");
    refused(&place, &["copy", "box", "source/file", "there/.wh.file"], "is no place in an image");
    refused(&place, &["copy", "box", "nothing", "there/"], "ENOENT");
    refused(&place, &["copy", "box", "source/file", "x", "--chown", "nobody-knows"], "nobody-knows");
    fs::write(place.path("source/.wh.file"), "").unwrap();
    refused(&place, &["copy", "box", "source", "there"], "would remove something");
    assert_eq!(place.read("there/file"), "1");
    place.canary_sings("copied");
}

#[test]
fn image_build_is_one_at_a_time_and_knows_its_image() {
    let place = Place::new();
    place.layout(&[Tar::default().file("etc/passwd", "root:x:0:0::/:/bin/sh\n")]).write();
    done(&place, &["unpack", "image", "box"]);
    refused(&place, &["config", "box", "--env", "A=b"], "was not begun as an image");
    done(&place, &["remove", "box"]);
    done(&place, &["from", "image", "box"]);
    refused(&place, &["config", "box"], "nothing is said");
    refused(&place, &["config", "box", "--user", "ada"], "ada");
    let held = fs::File::open(place.path("box")).unwrap();
    let held = nix::fcntl::Flock::lock(held, nix::fcntl::FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .unwrap();
    refused(&place, &["config", "box", "--env", "A=b"], "somebody else works on");
    drop(held);
    done(&place, &["config", "box", "--env", "A=b"]);
    let config = fs::read_to_string(place.path("box/config.json")).unwrap();
    assert!(config.contains("\"A=b\""), "{config}");
    fs::remove_dir_all(place.path("image")).unwrap();
    place.layout(&[Tar::default().file("other", "")]).write();
    refused(&place, &["commit", "box", "out:v1"], "another one than at the beginning");
    done(&place, &["remove", "box"]);
    place.is_untouched("removed");
}

/// What podman would be given: it reads what we have written.
#[test]
fn image_build_is_read_by_podman() {
    if !is_root() {
        return observe::skip::skip_for(
            observe::skip::Runner::Root,
            "podman",
            "its store of images is root's here",
        );
    }
    let place = Place::new();
    let podman = |arguments: &[&str]| {
        std::process::Command::new("podman")
            .args(["--storage-driver", "vfs", "--root"])
            .arg(place.path("podman-root"))
            .arg("--runroot")
            .arg(place.path("podman-run"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
    };
    if podman(&["--version"]).is_err() {
        return observe::skip::skip(
            "podman reads our images",
            "podman is not installed: apt-get install podman",
        );
    }
    done(&place, &["from", "scratch", "box"]);
    fs::write(place.path("file"), "of ours").unwrap();
    done(&place, &["copy", "box", "file", "/etc/"]);
    done(&place, &["config", "box", "--env", "A=b", "--label", "c=d", "--", "/bin/none"]);
    done(&place, &["commit", "box", "out:v1"]);
    done(&place, &["remove", "box"]);
    // By a tar file: of a layout's path podman makes a name, and names have no capital letters.
    let packed = std::process::Command::new("tar")
        .arg("-C")
        .arg(place.path("out"))
        .arg("-cf")
        .arg(place.path("out.tar"))
        .arg(".")
        .status();
    assert!(packed.unwrap().success());
    let loaded = podman(&["load", "--quiet", "-i", place.path("out.tar").to_str().unwrap()]).unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let id = String::from_utf8(podman(&["images", "--quiet"]).unwrap().stdout).unwrap();
    let told = podman(&["image", "inspect", id.trim()]).unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told[0]["Config"]["Labels"]["c"], "d");
    assert_eq!(told[0]["Config"]["Cmd"], serde_json::json!(["/bin/none"]));
    // And the other way.
    let saved = place.path("saved.tar");
    let saving =
        podman(&["save", "--format", "oci-archive", "-o", saved.to_str().unwrap(), id.trim()]).unwrap();
    assert!(saving.status.success(), "{}", String::from_utf8_lossy(&saving.stderr));
    done(&place, &["unpack", "saved.tar", "box"]);
    assert_eq!(place.read("etc/file"), "of ours");
    podman(&["rmi", "--all", "--force"]).unwrap();
}
