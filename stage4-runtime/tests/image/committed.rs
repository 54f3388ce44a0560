//! Bundles that become images: what was changed is in the layer, and nothing else.
//!
//! layer.md, "Creating". Book: "Images" (`images`).
//! Invariant: what is committed is unpacked again, and must be what it was.

use super::Place;
use super::craft::{Entry, Tar};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

fn base(place: &Place) {
    let sticky = Entry { path: "tmp", kind: b'5', mode: 0o1777, ..Entry::default() };
    let tar = Tar::default()
        .directory("./")
        .directory("etc/")
        .file("etc/kept", "k")
        .file("etc/edited", "1")
        .file("etc/quiet", "1")
        .file("etc/shut", "s")
        .directory("gone/")
        .file("gone/x", "")
        .entry(&sticky, b"")
        .file("kind", "")
        .hard_link("etc/hard", "etc/kept")
        .symlink("link", "etc/kept")
        .pax(&[("SCHILY.xattr.user.colour", "blue")])
        .file("coloured", "");
    let mut layout = place.layout(&[tar]);
    layout.config["config"] = json!({ "Cmd": ["old"], "Env": ["A=1", "B=2"], "Future": {"kept": true} });
    layout.config["history"] = json!([{ "created_by": "first" }]);
    layout.config["variant"] = json!("v2");
    layout.write();
}

fn committed(place: &Place, arguments: &[&str]) -> String {
    let (status, digest, errors) = place.image(&[&["commit", "box"], arguments].concat());
    assert_eq!(status, 0, "{errors}");
    assert!(digest.starts_with("sha256:"), "{digest}");
    digest
}

fn told(place: &Place, name: &str) -> Value {
    let (status, told, errors) = place.image(&["inspect", "--format", "json", name]);
    assert_eq!(status, 0, "{errors}");
    serde_json::from_str(&told).unwrap()
}

/// The names in a layer, as tar(1) reads it.
fn listed(place: &Place, layout: &str, digest: &Value) -> Vec<String> {
    let blob = format!("{layout}/blobs/{}", digest.as_str().unwrap().replace(':', "/"));
    let output = Command::new("tar").arg("-tzf").arg(place.path(&blob)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // A directory whose second has not passed since it was unpacked is not there, and later it is.
    let told = String::from_utf8(output.stdout).unwrap();
    told.lines().filter(|name| !name.ends_with('/') || name.starts_with("kind")).map(str::to_owned).collect()
}

fn edit(root: &Path) {
    let at = |name: &str| root.join(name);
    fs::write(at("etc/edited"), "22").unwrap();
    // As long as before, and as old: only what is in it is different.
    let old = fs::metadata(at("etc/quiet")).unwrap().modified().unwrap();
    fs::write(at("etc/quiet"), "2").unwrap();
    fs::File::options().write(true).open(at("etc/quiet")).unwrap().set_modified(old).unwrap();
    fs::set_permissions(at("etc/shut"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_dir_all(at("gone")).unwrap();
    fs::remove_file(at("kind")).unwrap();
    fs::create_dir(at("kind")).unwrap();
    fs::write(at("kind/in"), "i").unwrap();
    fs::hard_link(at("kind/in"), at("kind/twin")).unwrap();
    fs::remove_file(at("link")).unwrap();
    symlink("/new", at("link")).unwrap();
}

#[test]
fn images_committed_are_what_the_root_was() {
    let place = Place::new();
    base(&place);
    place.unpacked();
    edit(&place.path("box/rootfs"));
    let wanted = place.tree();
    let options = [
        "made:v1",
        "--from",
        "image",
        "--created-by",
        "RUN edit",
        "--env",
        "B=3",
        "--user",
        "0:0",
        "--label",
        "a=b",
    ];
    committed(&place, &[&options[..], &["--", "new", "words"]].concat());
    assert!(!place.path(".box.from.part").exists());
    assert_eq!(place.image(&["remove", "box"]).0, 0);

    let image = told(&place, "made:v1");
    let layers = image["layers"].as_array().unwrap();
    assert_eq!(layers[0]["diffId"], told(&place, "image")["layers"][0]["diffId"]);
    assert_eq!(
        listed(&place, "made", &layers[1]["digest"]),
        ["etc/edited", "etc/quiet", "etc/shut", "kind/", "kind/in", "kind/twin", "link", ".wh.gone",]
    );
    assert_eq!(
        image["recipe"],
        json!([{ "layer": 0, "words": "first" }, { "layer": 1, "words": "RUN edit" }])
    );
    let says = &image["parameters"];
    assert_eq!((&says["Cmd"], &says["Env"]), (&json!(["new", "words"]), &json!(["A=1", "B=3"])));
    assert_eq!((&says["User"], &says["Labels"]), (&json!("0:0"), &json!({"a": "b"})));
    assert_eq!(image["platform"], "linux/amd64/v2");
    let config =
        fs::read_to_string(place.path(&format!("made/blobs/{}", text(&image["config"]["digest"])))).unwrap();
    assert!(config.contains("\"Future\":{\"kept\":true}"), "what is not known is kept: {config}");

    let (status, _, errors) = place.image(&["unpack", "made:v1", "box"]);
    assert_eq!(status, 0, "{errors}");
    // Times in a layer are whole seconds; so are those of the first one's files.
    assert_eq!(place.tree(), wanted);
}

fn text(digest: &Value) -> String {
    digest.as_str().unwrap().replace(':', "/")
}

#[test]
fn images_from_nothing_are_the_same_whenever_they_are_made() {
    let place = Place::new();
    base(&place);
    place.unpacked();
    let wanted = place.tree();
    committed(&place, &["made:one", "--", "sh"]);
    committed(&place, &["made:two", "--entrypoint", "[\"a\"]"]);
    let [one, two] = ["made:one", "made:two"].map(|name| told(&place, name));
    assert_eq!(one["layers"], two["layers"]);
    assert_eq!(one["layers"].as_array().unwrap().len(), 1);
    // A name that is given again is the new one's, and nothing is changed in a layer of nothing.
    committed(&place, &["made:one", "--from", "made:two"]);
    let again = told(&place, "made:one");
    assert_eq!(again["parameters"]["Entrypoint"], json!(["a"]));
    assert_eq!(listed(&place, "made", &again["layers"][1]["digest"]), Vec::<String>::new());
    assert_eq!(place.image(&["remove", "box"]).0, 0);
    assert_eq!(place.image(&["unpack", "made:one", "box"]).0, 0);
    assert_eq!(place.tree(), wanted);
}

#[test]
fn images_that_cannot_be_committed_leave_nothing() {
    let place = Place::new();
    base(&place);
    place.unpacked();
    fs::write(place.path("box/rootfs/etc/.wh.odd"), "").unwrap();
    let (status, _, errors) = place.image(&["commit", "box", "made", "--from", "image"]);
    assert!(status == 1 && errors.contains("etc/.wh.odd") && errors.contains("would remove"), "{errors}");
    assert!(!place.path("made").exists());
    assert!(!place.path(".box.from.part").exists());
    let (status, _, errors) = place.image(&["commit", "box", "outside"]);
    assert!(status == 1 && errors.contains("no OCI layout"), "{errors}");
    place.canary_sings("commit");
    let (status, _, errors) = place.image(&["commit", "outside", "made"]);
    assert!(status == 1 && errors.contains("rootfs"), "{errors}");
    for wrong in
        [&["--env", "x"][..], &["--label", "=x"], &["--entrypoint", "sh"], &["--platform", "linux/amd64"]]
    {
        assert_eq!(place.image(&[&["commit", "box", "made"], wrong].concat()).0, 2, "{wrong:?}");
    }
}

#[test]
fn images_without_a_name_leave_the_layout_as_it_was() {
    let place = Place::new();
    base(&place);
    place.unpacked();
    committed(&place, &["made:one"]);
    let blobs = || {
        let entries = fs::read_dir(place.path("made/blobs/sha256")).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    // The name is given last, when all blobs are there.
    fs::write(place.path("made/index.json"), "{\"schemaVersion\": 2, \"manifests\": 1}").unwrap();
    fs::write(place.path("box/rootfs/etc/edited"), "another layer").unwrap();
    let before = blobs();
    let (status, _, errors) = place.image(&["commit", "box", "made:two"]);
    assert!(status == 1 && errors.contains("index.json"), "{errors}");
    assert_eq!(blobs(), before);
}
