//! Images that are mounted: layers that bundles share, and nothing that stays.
//!
//! Kernel's overlayfs.rst. Book: "Images" (`image-mount`).
//! Invariant: what a mounted bundle shows is what an unpacked one has; the store goes with its last bundle.

use super::craft::{Entry, Layout, Packed, Tar};
use super::{Place, ground};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;

/// Three layers: replaced, removed, a directory that hides the one below, links through all of them.
fn layers() -> [Tar; 3] {
    let sticky = Entry { path: "tmp", kind: b'5', mode: 0o1777, ..Entry::default() };
    let root = Entry { path: "./", kind: b'5', mode: 0o711, ..Entry::default() };
    [
        Tar::default()
            .entry(&root, b"")
            .directory("etc/")
            .file("etc/kept", "k")
            .file("etc/changed", "1")
            .file("etc/gone", "g")
            .directory("d/")
            .file("d/old", "o")
            .directory("replaced/")
            .file("replaced/x", "x")
            .symlink("lib", "d")
            .entry(&sticky, b""),
        Tar::default()
            .file("etc/changed", "22")
            .file("etc/.wh.gone", "")
            .file("d/.wh..wh..opq", "")
            .file("d/new", "n")
            .hard_link("etc/again", "etc/kept")
            .file("replaced", "a file now"),
        Tar::default().file("lib/through", "t").file("etc/.wh.again", "").file("last", ""),
    ]
}

fn image(place: &Place) -> Layout {
    let mut layout = place.layout(&layers());
    layout.write();
    layout
}

/// Mounts for a shell's `command`; its output.
fn mounted(place: &Place, bundle: &str, command: &str) -> String {
    let arguments = ["mount", "image", bundle, "--store", "store", "--", "sh", "-c", command];
    let (status, output, errors) = place.image(&arguments);
    assert_eq!(status, 0, "{output}{errors}");
    output
}

fn stored(place: &Place) -> Vec<PathBuf> {
    let layers = fs::read_dir(place.path("store/layers")).into_iter().flatten();
    layers.map(|layer| layer.unwrap().path().join("files")).collect()
}

fn inodes(place: &Place) -> Vec<u64> {
    let mut inodes: Vec<_> = stored(place)
        .iter()
        .map(|layer| std::os::unix::fs::MetadataExt::ino(&fs::metadata(layer).unwrap()))
        .collect();
    inodes.sort();
    inodes
}

fn removed(place: &Place, bundle: &str) {
    let (status, _, errors) = place.image(&["remove", bundle]);
    assert_eq!(status, 0, "{errors}");
}

const LISTED: &str =
    r#"find . ! -path . ! -type d -printf '%p %M %s %l %Ts\n' -o -type d -printf '%p %M\n' | sort"#;

#[test]
fn image_mount_shows_what_unpack_makes() {
    let place = Place::new();
    image(&place);
    place.unpacked();
    let unpacked = std::process::Command::new("sh")
        .args(["-c", LISTED])
        .current_dir(place.path("box/rootfs"))
        .output()
        .unwrap();
    let unpacked = String::from_utf8(unpacked.stdout).unwrap();
    assert!(unpacked.contains("./replaced -") && !unpacked.contains("gone"), "{unpacked}");
    let shown = mounted(&place, "m", &format!("cd m/rootfs && {LISTED}"));
    assert_eq!(shown, unpacked);
    // A store of a whiteout that the kernel made, and a root with the image's own mode.
    let whiteouts = stored(&place)
        .iter()
        .filter(|layer| {
            fs::symlink_metadata(layer.join("etc/gone")).is_ok_and(|it| it.file_type().is_char_device())
        })
        .count();
    assert_eq!(whiteouts, 1);
    assert_eq!(fs::metadata(place.path("store")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(place.path("m/upper")).unwrap().permissions().mode() & 0o777, 0o711);
    removed(&place, "m");
    removed(&place, "box");
    assert!(!place.path("store").exists());
    place.is_untouched("removed");
}

#[test]
fn image_mount_shares_layers_and_nothing_that_is_written() {
    let place = Place::new();
    image(&place);
    mounted(
        &place,
        "one",
        "echo mine > one/rootfs/note; rm one/rootfs/last; echo 333 > one/rootfs/etc/changed",
    );
    let before = inodes(&place);
    let told = mounted(&place, "two", "ls two/rootfs; cat two/rootfs/etc/changed");
    assert!(told.contains("last\n") && told.contains("22") && !told.contains("note"), "{told}");
    assert_eq!(inodes(&place), before, "nothing was unpacked again");
    assert_eq!(stored(&place).len(), 3);
    // Again: what was written is there.
    let told = mounted(&place, "one", "cat one/rootfs/note one/rootfs/etc/changed; ls one/rootfs");
    assert!(told.starts_with("mine\n333\n") && !told.contains("last"), "{told}");
    // Of two layers of the three, a third bundle.
    fs::rename(place.path("image"), place.path("whole")).unwrap();
    Layout::new(
        &place.path("image"),
        &layers()[..2].iter().map(|layer| (Packed::Zstd, layer.clone().end())).collect::<Vec<_>>(),
    )
    .write();
    let told = mounted(&place, "three", "ls three/rootfs/etc");
    assert!(told.contains("again"), "{told}");
    removed(&place, "one");
    assert_eq!(stored(&place).len(), 3, "two has them");
    removed(&place, "two");
    assert_eq!(stored(&place).len(), 2, "three has two of them");
    removed(&place, "three");
    fs::remove_dir_all(place.path("whole")).unwrap();
    place.is_untouched("removed");
}

#[test]
fn image_mount_refuses_what_is_not_its_own() {
    let place = Place::new();
    image(&place);
    mounted(&place, "m", "true");
    fs::rename(place.path("image"), place.path("first")).unwrap();
    place.layout(&[Tar::default().file("other", "")]).write();
    let refused = |arguments: &[&str], wanted: &str| {
        let (status, _, errors) = place.image(arguments);
        assert!(status == 1 && errors.contains(wanted), "{errors}");
    };
    refused(&["mount", "image", "m", "--store", "store", "--", "true"], "not of this image's layers");
    fs::create_dir(place.path("open")).unwrap();
    fs::set_permissions(place.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    refused(&["mount", "image", "n", "--store", "open", "--", "true"], "that only you write to");
    if !ground::is_root() {
        refused(&["mount", "image", "n", "--store", "store"], "-- COMMAND");
    }
    // Links that lead to a store that does not know the bundle: nothing there is removed.
    fs::create_dir_all(place.path("victim/layers/precious/files")).unwrap();
    fs::create_dir_all(place.path("false/layers")).unwrap();
    std::os::unix::fs::symlink(place.path("victim/layers/precious/files"), place.path("false/layers/0"))
        .unwrap();
    removed(&place, "false");
    assert!(place.path("victim/layers/precious/files").exists());
    removed(&place, "m");
    assert!(!place.path("store").exists());
}

#[test]
fn image_mount_of_a_damaged_image_leaves_nothing() {
    let place = Place::new();
    image(&place);
    let blobs = fs::read_dir(place.path("image/blobs/sha256")).unwrap();
    let last = blobs.map(|blob| blob.unwrap().path()).find(|path| {
        let text = fs::read(path).unwrap();
        text.starts_with(&[0x1f, 0x8b]) && {
            let mut out = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&text[..]), &mut out).unwrap();
            out.windows(11).any(|it| it == b"lib/through")
        }
    });
    let last = last.unwrap();
    let mut text = fs::read(&last).unwrap();
    let middle = text.len() / 2;
    text[middle] ^= 0xff;
    fs::write(&last, text).unwrap();
    let (status, _, errors) = place.image(&["mount", "image", "m", "--store", "store", "--", "true"]);
    assert_eq!(status, 1, "{errors}");
    assert!(!place.path("store").exists(), "{errors}");
    place.is_untouched(&errors);
}

#[test]
fn image_mount_by_root_stays_until_it_is_removed() {
    if !ground::is_root() {
        return observe::skip::skip_for(
            observe::skip::Runner::Root,
            "image mount",
            "only root mounts on the host",
        );
    }
    let place = Place::new();
    image(&place);
    let (status, output, errors) = place.image(&["mount", "image", "m", "--store", "store"]);
    assert_eq!(status, 0, "{output}{errors}");
    assert_eq!(fs::read_to_string(place.path("m/rootfs/etc/changed")).unwrap(), "22");
    let (status, _, errors) = place.image(&["mount", "image", "m", "--store", "store"]);
    assert!(status == 1 && errors.contains("mounted already"), "{errors}");
    let held = fs::File::open(place.path("m/rootfs/etc/kept")).unwrap();
    let (status, _, errors) = place.image(&["remove", "m"]);
    assert!(status == 1 && errors.contains("EBUSY"), "{errors}");
    drop(held);
    removed(&place, "m");
    assert!(!place.path("store").exists());
    place.is_untouched("removed");
}
