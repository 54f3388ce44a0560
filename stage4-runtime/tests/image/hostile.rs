//! Images that mean harm, or are damaged: refused or contained, and nothing outside is ever written.
//!
//! Book: "Images" (`images`).
//! Invariant: each row is one image; after it the directory holds what it held before.

use super::craft::{Entry, Layout, Packed, Tar, digest, packed};
use super::{Place, ground};
use serde_json::{Value, json};
use std::fs;

/// One layer, and words of the error.
fn rows() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let entry = |entry: Entry<'_>| Tar::default().entry(&entry, b"").end();
    let whole = || Tar::default().file("a", "content");
    let pax = |records: &[(&str, &str)]| Tar::default().pax(records).file("a", "").end();
    let (long, deep) = ("n".repeat(256), "d/".repeat(2100));
    let mut wrong_sum = whole().end();
    wrong_sum[0] = b'b';
    vec![
        ("upwards", Tar::default().file("../outside/x", "").end(), "goes upwards"),
        ("upwards in the middle", Tar::default().file("a/../../outside/x", "").end(), "goes upwards"),
        ("upwards, absolute", Tar::default().file("/../outside/x", "").end(), "goes upwards"),
        ("a hard link upwards", Tar::default().hard_link("x", "../outside/canary").end(), "goes upwards"),
        ("a hard link to nothing", Tar::default().hard_link("x", "canary").end(), "which is not there"),
        ("a hard link to the root", Tar::default().hard_link("x", "/").end(), "hard link"),
        ("a hard link to a directory", Tar::default().directory("d/").hard_link("x", "d").end(), "linkat"),
        ("a whiteout of a parent", Tar::default().file("d/.wh..", "").end(), "would remove a directory"),
        ("a whiteout of the root", Tar::default().file(".wh.", "").end(), "would remove a directory"),
        ("a whiteout for a directory", Tar::default().file(".wh.d/x", "").end(), "is no directory"),
        (
            "the root as a file",
            entry(Entry { path: "./", kind: b'2', link: "/", ..Entry::default() }),
            "the root is a directory",
        ),
        ("no name", entry(Entry::default()), "no name"),
        ("a long name", pax(&[("path", &long)]), "more than Linux takes"),
        ("a deep path", pax(&[("path", &deep)]), "more than Linux takes"),
        ("NUL in a name", pax(&[("path", "a\0b")]), "wrong path"),
        (
            "attributes without end",
            entry(Entry { path: "pax", kind: b'x', size: 1 << 30, ..Entry::default() }),
            "attributes",
        ),
        (
            "a name without end",
            entry(Entry { path: "L", kind: b'L', size: 1 << 32, ..Entry::default() }),
            "attributes",
        ),
        (
            "a record that is shorter than it says",
            Tar::default()
                .entry(&Entry { path: "p", kind: b'x', size: 6, ..Entry::default() }, b"99 a=b")
                .end(),
            "not as long",
        ),
        ("attributes of nothing", Tar::default().pax(&[("path", "x")]).end(), "behind the attributes"),
        (
            "a gigantic file",
            entry(Entry { path: "big", size: 0o77_777_777_777, ..Entry::default() }),
            "truncated",
        ),
        ("a size that wraps around", pax(&[("size", "18446744073709551615")]), "bytes long"),
        ("an owner that nobody is", pax(&[("uid", "4294967295")]), "nobody can have"),
        ("a sparse file", entry(Entry { path: "s", kind: b'S', ..Entry::default() }), "sparse"),
        ("a type that there is not", entry(Entry { path: "s", kind: b'V', ..Entry::default() }), "of a type"),
        ("a file as a directory", Tar::default().file("f", "").file("f/x", "").end(), "f"),
        (
            "a circle of links",
            Tar::default().symlink("a", "b").symlink("b", "a").file("a/x", "").end(),
            "ELOOP",
        ),
        ("a link to nothing", entry(Entry { path: "l", kind: b'2', ..Entry::default() }), "symlinkat"),
        ("a wrong checksum", wrong_sum, "checksum"),
        ("cut in a content", whole().cut(512).unended(), "truncated"),
        ("cut in a header", whole().bytes(&[b'x'; 100]).unended(), "truncated"),
        ("something behind the end", whole().bytes(&[0; 1024]).bytes(b"x").unended(), "follows the end"),
        ("no archive", b"hello, world".to_vec(), "truncated"),
    ]
}

#[test]
fn images_that_mean_harm_are_refused_and_leave_nothing() {
    for (name, layer, words) in rows() {
        let place = Place::new();
        Layout::new(
            &place.path("image"),
            &[(Packed::Plain, Tar::default().directory("ok/").end()), (Packed::Gzip, layer)],
        )
        .write();
        let (status, _, errors) = place.image(&["unpack", "image", "box"]);
        assert!(status == 1 && errors.contains(words), "{name}: {status}: {errors}");
        assert!(!errors.contains("panicked"), "{name}: {errors}");
        place.is_untouched(name);
    }
}

/// What cannot be refused, for good images have it as well: every link is one inside the root.
#[test]
fn images_links_that_lead_out_lead_to_places_inside() {
    let place = Place::new();
    let outside = place.path("outside").to_str().unwrap().to_owned();
    let tar = Tar::default()
        .symlink("absolute", &outside)
        .file("absolute/planted", "1")
        .symlink("up", "../../../../../../../../outside")
        .file("up/planted", "2")
        .symlink("proc", "/proc/self/root")
        .symlink("passwd", &format!("{outside}/canary"))
        .file("passwd", "replaced")
        .hard_link("canary", "up/planted");
    // A second layer finds the links of the first.
    let second =
        Tar::default().file("absolute/.wh.canary", "").file("up/.wh.canary", "").file("absolute/more", "3");
    place.layout(&[tar, second]).write();
    place.unpacked();
    place.canary_sings("links");
    assert_eq!(place.read("outside/planted"), "2");
    assert_eq!(place.read(&format!("{}/planted", &outside[1..])), "1");
    assert_eq!((place.read("passwd"), place.read("canary")), ("replaced".to_owned(), "2".to_owned()));
}

/// docs.kernel.org, overlayfs: with these a layer would choose which directory of the machine is shown.
#[test]
fn images_attributes_that_steer_an_overlay_are_not_set() {
    let place = Place::new();
    let records =
        [("SCHILY.xattr.trusted.overlay.redirect", "/etc"), ("SCHILY.xattr.user.overlay.opaque", "y")];
    place.layout(&[Tar::default().pax(&records).directory("d/")]).write();
    let told = place.unpacked();
    assert!(told.contains("2 extended attributes were not set"), "{told}");
    let directory = fs::File::open(place.path("box/rootfs/d")).unwrap();
    assert!(stage4_runtime::image::attributes::get(&directory, c"user.overlay.opaque").is_err());
}

#[test]
fn images_that_grow_beyond_what_is_allowed_are_refused() {
    let place = Place::new();
    let zeros = "\0".repeat(4 << 20);
    place.layout(&[Tar::default().file("a", "x"), Tar::default().file("zeros", &zeros)]).write();
    let (status, _, errors) = place.image(&["unpack", "--limit", "1M", "image", "box"]);
    assert!(
        status == 1 && errors.contains("larger than 1048576 bytes") && errors.contains("--limit"),
        "{errors}"
    );
    place.is_untouched("a bomb");
}

/// The layout itself is wrong; the layer is good.
#[test]
fn images_that_are_not_what_they_are_called_are_refused() {
    type Spoil = fn(&mut Layout);
    let spoils: [(&str, Spoil, &str); 15] = [
        ("another content", |it| spoil(it, |bytes| bytes[20] ^= 1), "not what it is called"),
        ("a content that is cut", |it| spoil(it, |bytes| bytes.truncate(bytes.len() / 2)), "is said to have"),
        (
            "a stream that is cut",
            |it| {
                let whole = packed(Packed::Gzip, &Tar::default().file("a", &"x".repeat(9999)).end());
                it.manifest["layers"][0] =
                    it.blob("application/vnd.oci.image.layer.v1.tar+gzip", &whole[..whole.len() / 2]);
            },
            "truncated",
        ),
        (
            "zstd that is none",
            |it| {
                it.manifest["layers"][0] = it.blob(
                    "application/vnd.oci.image.layer.v1.tar+zstd",
                    b"\x28\xb5\x2f\xfdrubbish that goes on",
                );
            },
            "layer sha256",
        ),
        ("another diff id", |it| it.config["rootfs"]["diff_ids"][0] = json!(digest(b"x")), "diff id"),
        ("a layer too many", |it| it.config["rootfs"]["diff_ids"] = json!([]), "0 diff_ids for 1 layers"),
        (
            "a layer that is no layer",
            |it| it.manifest["layers"][0]["mediaType"] = json!("text/html"),
            "text/html",
        ),
        (
            "a digest that is a path",
            |it| it.manifest["layers"][0]["digest"] = json!("sha256:../../../outside/canary"),
            "is no digest",
        ),
        (
            "an algorithm that nobody knows",
            |it| it.manifest["layers"][0]["digest"] = json!("md5:00"),
            "is no digest",
        ),
        (
            "a blob that is not there",
            |it| it.manifest["layers"][0]["digest"] = json!(digest(b"y")),
            "has no blob",
        ),
        ("a size that is none", |it| it.manifest["layers"][0]["size"] = json!(-1), "size"),
        ("a user that nobody is", |it| it.config["config"] = json!({ "User": "eve" }), "does not have"),
        ("an environment that is none", |it| it.config["config"] = json!({ "Env": ["=x"] }), "env"),
        ("another schema", |it| it.manifest["schemaVersion"] = json!(1), "schemaVersion"),
        ("a root of another kind", |it| it.config["rootfs"]["type"] = json!("files"), "must be \"layers\""),
    ];
    for (name, spoil, words) in spoils {
        let place = Place::new();
        let mut layout = place.layout(&[Tar::default().file("a", "content")]);
        spoil(&mut layout);
        layout.write();
        let (status, _, errors) = place.image(&["unpack", "image", "box"]);
        assert!(status == 1 && errors.contains(words), "{name}: {status}: {errors}");
        place.is_untouched(name);
    }
}

fn spoil(layout: &mut Layout, change: impl Fn(&mut Vec<u8>)) {
    let name = layout.manifest["layers"][0]["digest"].as_str().unwrap().replace(':', "/");
    let path = layout.path.join("blobs").join(name);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn images_indexes_that_cannot_be_followed_are_refused() {
    type Write = fn(&mut Layout, Value);
    let indexes: [(&str, Write, &str); 7] = [
        ("none", |it, _| it.index(&json!([])), "has no image"),
        (
            "two, and none chosen",
            |it, one| {
                it.manifest["annotations"] = json!({ "other": "x" });
                let other = it.finished();
                it.index(&json!([one, other]));
            },
            "2 images",
        ),
        (
            "for another machine",
            |it, mut one| {
                one["platform"] = json!({ "os": "plan9", "architecture": "vax" });
                it.index(&json!([one, one]));
            },
            "has no image for",
        ),
        (
            "lists in lists without end",
            |it, mut one| {
                for _ in 0..9 {
                    let text = json!({ "schemaVersion": 2, "manifests": [one] }).to_string();
                    one = it.blob("application/vnd.oci.image.index.v1+json", text.as_bytes());
                }
                it.index(&json!([one]));
            },
            "deep",
        ),
        (
            "a manifest that is longer than any",
            |it, _| {
                let one = it.blob("application/vnd.oci.image.manifest.v1+json", &vec![b' '; 5 << 20]);
                it.index(&json!([one]));
            },
            "longer than 4 MiB",
        ),
        (
            "no JSON",
            |it, one| {
                it.index(&json!([one]));
                fs::write(it.path.join("index.json"), "{\"schemaVersion\": 2, ").unwrap();
            },
            "index.json",
        ),
        (
            "a link out of the layout",
            |it, one| {
                it.index(&json!([one]));
                fs::remove_file(it.path.join("index.json")).unwrap();
                std::os::unix::fs::symlink("../outside/canary", it.path.join("index.json")).unwrap();
            },
            "holds no image",
        ),
    ];
    for (name, write, words) in indexes {
        let place = Place::new();
        let mut layout = place.layout(&[Tar::default().file("a", "content")]);
        let manifest = layout.finished();
        write(&mut layout, manifest);
        let (status, _, errors) = place.image(&["unpack", "image", "box"]);
        assert!(status == 1 && errors.contains(words), "{name}: {status}: {errors}");
        place.is_untouched(name);
    }
}

#[test]
fn images_devices_are_roots_alone_and_behind_a_closed_door() {
    if !ground::is_root() {
        return observe::skip::skip_for(observe::skip::Runner::Root, "images", "only root makes devices");
    }
    let place = Place::new();
    let device = Entry { path: "zero", kind: b'3', mode: 0o666, device: (1, 5), ..Entry::default() };
    place.layout(&[Tar::default().entry(&device, b"")]).write();
    place.unpacked();
    assert!(place.tree().starts_with("zero c666"));
    let user = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "head", "-c1"])
        .arg(place.path("box/rootfs/zero"))
        .output()
        .unwrap();
    assert!(!user.status.success(), "another user of the machine opened it");
}
