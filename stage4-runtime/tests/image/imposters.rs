//! Registries that do not keep their word.
//!
//! Book: "Images" (`images`).
//! Invariant: one error that says what is wrong, and of the image nothing.

use super::craft::{Tar, digest};
use super::server::{Answer, MANIFEST, Server, Then};
use super::{Place, ground};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A layout with an image of one layer; the digests of its manifest, its configuration and its layer.
fn crafted(place: &Place) -> [String; 3] {
    let mut layout = place.layout(&[Tar::default().file("a", &"content".repeat(2000))]);
    let manifest = layout.finished();
    layout.index(&json!([manifest]));
    [&manifest, &layout.manifest["config"], &layout.manifest["layers"][0]]
        .map(|it| it["digest"].as_str().unwrap().to_owned())
}

/// What is said when a registry spoils an answer; the path is asked for what is in the row.
fn refused(
    row: &str,
    reference: &str,
    part: usize,
    spoil: impl Fn(Answer) -> Answer + Send + Sync + 'static,
) -> String {
    let place = Place::new();
    let parts = crafted(&place);
    let wanted = if part == 0 { "manifests/".to_owned() } else { parts[part].clone() };
    let server = Server::of(
        place.path("image"),
        move |path, answer| {
            if path.contains(&wanted) { spoil(answer) } else { answer }
        },
    );
    let (status, output, errors) = place.image(&["pull", &(server.place() + reference), "pulled"]);
    assert_eq!((status, output.as_str()), (1, ""), "{row}: {errors}");
    assert_eq!(errors.lines().filter(|line| !line.starts_with("hint: ")).count(), 1, "{row}: {errors}");
    place.is_untouched(row);
    errors
}

fn other(mut answer: Answer) -> Answer {
    answer.body[5] ^= 1;
    answer
}

#[test]
fn registries_that_send_other_bytes_are_refused() {
    let exact = |reference: &str, part, spoil: fn(Answer) -> Answer, told: &str| {
        let errors = refused(told, reference, part, spoil);
        assert!(errors.contains(told), "{told}: {errors}");
    };
    let named = format!("@sha256:{}", "0".repeat(64));
    exact(
        &named,
        0,
        |_| Answer::of("200 OK", b"{}").with("Content-Type", MANIFEST),
        "is not what it is called",
    );
    exact("", 0, |it| it.with("Docker-Content-Digest", &digest(b"x")), "is not what it is called");
    exact("", 1, other, "is not what it is called");
    exact("", 2, other, "is not what it is called");
    exact("", 2, |it| Answer { length: None, ..other(it) }, "is not what it is called");
    exact("", 2, |it| Answer::of("200 OK", &it.body[1..]), "and is said to have");
    exact("", 2, |it| Answer { length: None, body: it.body[1..].to_vec(), ..it }, "and is said to have");
    exact("", 2, |it| Answer { body: it.body[1..].to_vec(), ..it }, "ended in the middle of the answer");
    exact("", 2, |it| Answer { length: None, then: Then::Again, ..it }, "has more bytes");
    exact("", 1, |it| Answer { length: None, then: Then::Again, ..it }, "has more bytes");
    exact("", 2, |_| Answer::of("404 Not Found", b""), "404 Not Found");
}

#[test]
fn registries_that_send_no_image_are_refused() {
    let manifest = |text: &Value| {
        let text = text.to_string();
        move |_: Answer| Answer::of("200 OK", text.as_bytes()).with("Content-Type", MANIFEST)
    };
    let says = |told: &str, errors: &str| assert!(errors.contains(told), "{told}: {errors}");
    let endless = |_| Answer { then: Then::Again, length: None, ..Answer::of("200 OK", &[b' '; 4096]) };
    says("longer than 4 MiB", &refused("endless", "", 0, endless));
    let both = json!({ "schemaVersion": 2, "manifests": [], "layers": [], "config": {} });
    says("at once", &refused("both", "", 0, manifest(&both)));
    let another = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
    says("is sent as", &refused("another", "", 0, manifest(&another)));
    says("text/html", &refused("page", "", 0, |it| it.with("Content-Type", "text/html")));
    says("EOF", &refused("empty", "", 0, |_| Answer::of("200 OK", b"").with("Content-Type", MANIFEST)));
    let huge = json!({ "schemaVersion": 2, "layers": [], "config": {
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b""), "size": 5 << 20 } });
    says("longer than 4 MiB", &refused("huge", "", 0, manifest(&huge)));
    let artifact = json!({ "schemaVersion": 2, "layers": [], "config": {
        "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 } });
    says("application/vnd.oci.empty.v1+json", &refused("artifact", "", 0, manifest(&artifact)));
}

/// An index that leads to an index, and on.
#[test]
fn registries_that_lead_in_circles_are_refused() {
    let place = Place::new();
    let lists: Vec<String> = (0..8)
        .scan(json!([]), |inner, _| {
            let text = json!({ "schemaVersion": 2, "manifests": inner }).to_string();
            *inner = json!([{ "mediaType": INDEX, "digest": digest(text.as_bytes()), "size": text.len() }]);
            Some(text)
        })
        .collect();
    let server = Server::new(move |head| {
        let text = lists.iter().find(|text| head.contains(&digest(text.as_bytes())));
        Answer::of("200 OK", text.unwrap_or(&lists[7]).as_bytes()).with("Content-Type", INDEX)
    });
    let (status, _, errors) = place.image(&["pull", &server.place(), "pulled"]);
    assert!(status == 1 && errors.contains("4 deep"), "{errors}");
    place.is_untouched("lists");
    for (to, told) in [
        ("/v2/box/manifests/latest", "more than 5 redirects"),
        ("http://registry.invalid/x?secret", "plain HTTP is spoken only on this machine"),
        ("ftp://registry.invalid/x", "HTTPS is wanted"),
        ("//registry.invalid/x", "neither a whole URL nor a whole path"),
    ] {
        let errors =
            refused(to, "", 0, move |_| Answer::of("307 Temporary Redirect", b"").with("Location", to));
        assert!(errors.contains(told) && !errors.contains("secret"), "{errors}");
    }
    let unavailable = refused("later", "", 0, |_| Answer::of("503 Service Unavailable", b""));
    assert!(unavailable.contains("503"), "{unavailable}");
}

/// A few failures of the moment are waited for; what is wrong for good is not asked again.
#[test]
fn registries_are_asked_again_and_not_for_ever() {
    let place = Place::new();
    crafted(&place);
    let failures = Arc::new(Mutex::new(2));
    let left = failures.clone();
    let server = Server::of(place.path("image"), move |path, answer| {
        let mut left = left.lock().unwrap();
        let fails = path.contains("manifests") && *left > 0;
        *left -= i32::from(fails);
        if fails { Answer::of("503 Service Unavailable", b"") } else { answer }
    });
    let pull = || place.image(&["pull", &server.place(), "pulled"]);
    assert_eq!(pull().0, 0);
    assert_eq!(server.asked("manifests/latest"), 3);
    *failures.lock().unwrap() = 100;
    assert_eq!(pull().0, 1);
    assert_eq!(server.asked("manifests/latest"), 6);
}

/// What was there is not fetched again, unless it is damaged; what fails leaves the layout as it was.
#[test]
fn registries_change_a_layout_wholly_or_not_at_all() {
    let place = Place::new();
    let [_, config, layer] = crafted(&place);
    let broken = Arc::new(Mutex::new(false));
    let (breaks, spoiled) = (broken.clone(), layer.clone());
    let server = Server::of(place.path("image"), move |path, answer| {
        if *breaks.lock().unwrap() && path.contains(&spoiled) { other(answer) } else { answer }
    });
    let pull = |layout: &str| place.image(&["pull", &server.place(), layout]);
    assert_eq!(pull("pulled").0, 0);
    assert_eq!(pull("pulled:again").0, 0);
    assert_eq!(server.asked(&layer), 1);
    let blob = |digest: &str| place.path("pulled/blobs").join(digest.replace(':', "/"));
    *broken.lock().unwrap() = true;
    fs::write(blob(&layer), "damaged").unwrap();
    fs::remove_file(blob(&config)).unwrap();
    let index = fs::read(place.path("pulled/index.json")).unwrap();
    assert_eq!(pull("pulled:third").0, 1);
    assert_eq!(fs::read(place.path("pulled/index.json")).unwrap(), index);
    assert_eq!(fs::read(blob(&layer)).unwrap(), b"damaged");
    assert!(!blob(&config).exists() && !place.path("pulled/blobs/sha256/.part").exists());
    *broken.lock().unwrap() = false;
    assert_eq!(pull("pulled:third").0, 0);
    assert_eq!(server.asked(&layer), 3);
    let (status, _, errors) = place.image(&["unpack", "pulled:third", "box"]);
    assert_eq!((status, place.read("a")), (0, "content".repeat(2000)), "{errors}");
    fs::create_dir(place.path("empty")).unwrap();
    *broken.lock().unwrap() = true;
    assert_eq!((pull("empty").0, pull("no/where").0, pull("outside").0), (1, 1, 1));
    assert_eq!(fs::read_dir(place.path("empty")).unwrap().count(), 0);
    assert!(!place.path("no").exists());
    place.canary_sings("pull");
}

#[test]
fn registries_that_fall_silent_are_left_at_once() {
    let place = Place::new();
    let [_, _, layer] = crafted(&place);
    let server = Server::of(place.path("image"), move |path, answer| match path.contains(&layer) {
        true => Answer { body: answer.body[..9].to_vec(), then: Then::Silence, ..answer },
        false => answer,
    });
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut command = place.command(&["pull", &server.place(), "pulled"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        ground::until("it has begun", || place.path("pulled/blobs/sha256/.part").exists());
        let begun = Instant::now();
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let status = child.wait().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(status.signal(), Some(signal as i32), "{status}");
        place.is_untouched("silent");
    }
}

/// A digest may be of another algorithm, and an image larger than is wanted.
#[test]
fn registries_images_may_be_named_in_other_ways() {
    let place = Place::new();
    let mut layout = place.layout(&[Tar::default().file("a", "x")]);
    layout.finished();
    let text = layout.config.to_string();
    let hex: String = Sha512::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::create_dir(place.path("image/blobs/sha512")).unwrap();
    fs::write(place.path("image/blobs/sha512").join(&hex), &text).unwrap();
    layout.manifest["config"]["digest"] = json!(format!("sha512:{hex}"));
    let manifest = layout.blob(MANIFEST, layout.manifest.to_string().as_bytes());
    layout.index(&json!([manifest]));
    let server = Server::of(place.path("image"), |_, answer| answer);
    let (status, _, errors) = place.image(&["pull", &server.place(), "pulled", "--limit", "100"]);
    assert!(status == 1 && errors.contains("more than 100") && errors.contains("--limit"), "{errors}");
    place.is_untouched("limit");
    let (status, _, errors) = place.image(&["pull", &server.place(), "pulled"]);
    assert_eq!(status, 0, "{errors}");
    assert!(place.path("pulled/blobs/sha512").join(hex).exists());
    let (status, _, errors) = place.image(&["unpack", "pulled", "box"]);
    assert_eq!((status, place.read("a").as_str()), (0, "x"), "{errors}");
}

/// Where a platform is asked for, another one's image is none.
#[test]
fn registries_are_asked_for_a_platform() {
    let place = Place::new();
    let [manifest, ..] = crafted(&place);
    let size = fs::read(place.path("image/blobs").join(manifest.replace(':', "/"))).unwrap().len();
    let of = |architecture: &str, digest: &str| {
        let platform = json!({ "os": "linux", "architecture": architecture });
        json!({ "mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform })
    };
    let nothing = digest(b"nothing");
    let list = json!({ "schemaVersion": 2, "manifests": [of("riscv64", &nothing), of("amd64", &manifest)] });
    let list = list.to_string();
    let server = Server::of(place.path("image"), move |path, answer| match path.ends_with("latest") {
        true => Answer::of("200 OK", list.as_bytes()).with("Content-Type", INDEX),
        false => answer,
    });
    let pull = |platform: &str, tag: &str| {
        place.image(&["pull", &format!("{}{tag}", server.place()), "pulled", "--platform", platform])
    };
    let (status, output, errors) = pull("linux/amd64", "");
    assert_eq!((status, output), (0, format!("{manifest}\n")), "{errors}");
    assert_eq!(server.asked(&nothing), 0);
    let (status, _, errors) = pull("linux/s390x", "");
    assert!(status == 1 && errors.contains("no image for linux/s390x"), "{errors}");
    let (status, _, errors) = pull("linux/s390x", &format!("@{manifest}"));
    assert!(status == 1 && errors.contains("is for linux/amd64, and not for linux/s390x"), "{errors}");
    let (status, _, errors) = pull("linux/riscv64", "");
    assert!(status == 1 && errors.contains("404"), "{errors}");
}
