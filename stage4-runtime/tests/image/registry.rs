//! Images from and to a registry that others have made.
//!
//! docker-registry(1), skopeo(1), openssl(1). Book: "Images" (`images`).
//! Invariant: what we push they read, and what they push we pull, digest for digest; nobody is asked but this machine.

use super::others::{here, image, ran};
use super::server::{Answer, Server};
use super::{Place, ground};
use serde_json::{Value, json};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

/// Debian's, on a port of its own; it ends with its test.
pub(super) struct Registry {
    child: Child,
    pub(super) port: u16,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// None: it is not here, and has been said.
pub(super) fn registry(place: &Place, more: &Value) -> Option<Registry> {
    if !here("docker-registry") {
        return None;
    }
    for attempt in 0..5 {
        // Free until somebody else takes it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut config = json!({
            "version": "0.1",
            "storage": { "filesystem": { "rootdirectory": place.path(&format!("registry{attempt}")) } },
            "http": { "addr": format!("127.0.0.1:{port}") },
        });
        for (room, said) in more.as_object().into_iter().flatten() {
            for (key, value) in said.as_object().into_iter().flatten() {
                config[room][key] = value.clone();
            }
        }
        fs::write(place.path("registry.yml"), config.to_string()).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(place.path("registry.yml")).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut registry = Registry { child, port };
        let mut ended = false;
        ground::until("the registry listens", || {
            ended = registry.child.try_wait().unwrap().is_some();
            ended || TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        if !ended {
            return Some(registry);
        }
    }
    panic!("the registry does not start");
}

/// With variables of its own, and no others that matter.
pub(super) fn asked(place: &Place, variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String, String) {
    let mut command = place.command(arguments);
    for name in ["REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } =
        command.env("HOME", place.path("")).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

pub(super) fn done(place: &Place, arguments: &[&str]) -> String {
    let (status, output, errors) = place.image(arguments);
    assert_eq!(status, 0, "{arguments:?}: {errors}");
    output
}

/// What is in an image, unpacked.
fn tree(place: &Place, image: &str) -> String {
    done(place, &["unpack", image, "box"]);
    let tree = place.tree();
    done(place, &["remove", "box"]);
    tree
}

fn skopeo(place: &Place, arguments: &[&str]) {
    let policy = ["--insecure-policy", "--tmpdir", ".", "copy", "--quiet"];
    let plain = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    ran(place, "skopeo", &[&policy[..], &plain, arguments].concat());
}

#[test]
fn registries_give_back_what_they_were_given() {
    let place = Place::new();
    let Some(registry) = registry(&place, &json!({})) else { return };
    image(&place);
    let there = format!("localhost:{}/ada/box", registry.port);
    let digest = done(&place, &["push", "image:v1", &format!("{there}:v7")]);
    assert_eq!(digest, done(&place, &["push", "image:v1", &format!("{there}@{}", digest.trim())]));
    assert_eq!(digest, done(&place, &["pull", &format!("{there}:v7"), "pulled"]));
    assert_eq!(digest, done(&place, &["pull", &format!("{there}@{}", digest.trim()), "pulled:exact"]));
    let wanted = tree(&place, "image:v1");
    assert_eq!((tree(&place, "pulled:v7"), tree(&place, "pulled:exact")), (wanted.clone(), wanted));
    let (status, _, errors) = place.image(&["pull", &format!("{there}:v8"), "pulled"]);
    assert!(status == 1 && errors.contains("404 Not Found: MANIFEST_UNKNOWN"), "{errors}");
    let other = format!("{there}@sha256:{}", "0".repeat(64));
    let (status, _, errors) = place.image(&["push", "image:v1", &other]);
    assert!(status == 1 && errors.contains("the image's manifest is"), "{errors}");
    let (status, _, errors) = place.image(&["pull", "no such thing", "pulled"]);
    assert!(status == 2 && errors.contains("is no reference"), "{errors}");
}

/// A blob that was damaged here is not sent on under its name.
#[test]
fn registries_are_given_no_damaged_image() {
    let place = Place::new();
    let Some(registry) = registry(&place, &json!({})) else { return };
    image(&place);
    let there = format!("127.0.0.1:{}/box:v1", registry.port);
    let told: Value = serde_json::from_str(&done(&place, &["inspect", "image", "--format", "json"])).unwrap();
    let layer = told["layers"][1]["digest"].as_str().unwrap();
    let path = place.path("image/blobs").join(layer.replace(':', "/"));
    let mut blob = fs::read(&path).unwrap();
    blob[20] ^= 1;
    fs::write(&path, blob).unwrap();
    let (status, _, errors) = place.image(&["push", "image:v1", &there]);
    assert!(status == 1 && errors.contains(&format!("blob {layer} is not what it is called")), "{errors}");
    assert!(place.image(&["pull", &there, "pulled"]).2.contains("404"));
}

/// Of their own types, and of Docker's, which stay what they are.
#[test]
fn registries_are_shared_with_skopeo() {
    let place = Place::new();
    let Some(registry) = registry(&place, &json!({})) else { return };
    if !here("skopeo") || !here("umoci") {
        return;
    }
    image(&place);
    let wanted = tree(&place, "image:v1");
    let there = |name: &str| format!("localhost:{}/{name}", registry.port);
    let digest = done(&place, &["push", "image:v1", &there("ours")]);
    skopeo(&place, &[&format!("docker://{}", there("ours")), "oci:copied:v1"]);
    assert_eq!(tree(&place, "copied:v1"), wanted);
    let told: Value =
        serde_json::from_str(&done(&place, &["inspect", "copied", "--format", "json"])).unwrap();
    assert_eq!(told["manifest"]["digest"].as_str(), Some(digest.trim()));
    for (format, name) in [("oci", "theirs"), ("v2s2", "docker")] {
        skopeo(&place, &["--format", format, "oci:image:v1", &format!("docker://{}", there(name))]);
        let digest = done(&place, &["pull", &there(name), name]);
        assert_eq!(tree(&place, name), wanted, "{name}");
        let again = there(&format!("{name}/again"));
        assert_eq!(done(&place, &["push", name, &again]), digest);
        skopeo(&place, &[&format!("docker://{again}"), &format!("oci:{name}2:v1")]);
        assert_eq!(tree(&place, &format!("{name}2")), wanted, "{name}");
    }
    let rootless: &[&str] = if ground::is_root() { &[] } else { &["--rootless"] };
    ran(&place, "umoci", &[&["unpack", "--image", "theirs:latest"], rootless, &["box"]].concat());
    assert_eq!(place.tree(), wanted);
    fs::remove_dir_all(place.path("box")).unwrap();
}

fn openssl(place: &Place, words: &str) {
    ran(place, "openssl", &words.split(' ').collect::<Vec<_>>());
}

#[test]
fn registries_are_believed_by_their_certificates() {
    let place = Place::new();
    if Command::new("openssl").arg("version").output().is_err() {
        return observe::skip::skip(
            "images",
            "openssl is not here to make certificates: apt-get install openssl",
        );
    }
    let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(&place, &format!("{key} -keyout ca.key -out ca.pem -subj /CN=stage4-authority"));
    openssl(
        &place,
        &format!(
            "{key} -CA ca.pem -CAkey ca.key -keyout key.pem -out cert.pem -subj /CN=stage4-registry -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE"
        ),
    );
    let tls = json!({ "certificate": place.path("cert.pem"), "key": place.path("key.pem") });
    let Some(registry) = registry(&place, &json!({ "http": { "tls": tls } })) else { return };
    image(&place);
    let there = format!("localhost:{}/box:v1", registry.port);
    let authority = place.path("ca.pem");
    let trusting = [("SSL_CERT_FILE", authority.to_str().unwrap())];
    let (status, digest, errors) = asked(&place, &trusting, &["push", "image:v1", &there]);
    assert_eq!(status, 0, "{errors}");
    assert_eq!(asked(&place, &trusting, &["pull", &there, "pulled"]), (0, digest, String::new()));
    assert_eq!(tree(&place, "pulled"), tree(&place, "image"));
    let (status, _, errors) = asked(&place, &[], &["pull", &there, "none"]);
    assert!(status == 1 && errors.contains("UnknownIssuer") && errors.contains("SSL_CERT_FILE"), "{errors}");
    // It is a certificate of localhost, and of nothing else.
    let (status, _, errors) =
        asked(&place, &trusting, &["pull", &there.replace("localhost", "127.0.0.1"), "none"]);
    assert!(status == 1 && errors.contains("not valid for name"), "{errors}");
    assert!(!place.path("none").exists());
}

/// Not by name this machine: whether it is one in truth does not matter.
#[test]
fn registries_elsewhere_are_not_spoken_to_in_plain_http() {
    let place = Place::new();
    let server = Server::new(|_| Answer::of("200 OK", b"{}"));
    for (host, why) in [("LOCALHOST", "speaks no TLS"), ("127.1", "")] {
        let there = format!("{host}:{}/box", server.port);
        let (status, _, errors) = place.image(&["pull", &there, "pulled"]);
        assert!(status == 1 && errors.contains("GET https://") && errors.contains(why), "{errors}");
        place.is_untouched(host);
    }
    assert!(server.heads().is_empty());
}

/// The proxy finds the registry; this machine is asked without one.
#[test]
fn registries_elsewhere_are_asked_through_a_proxy() {
    let place = Place::new();
    let proxy = Server::new(|_| Answer::of("403 Forbidden", b""));
    let through = format!("http://127.0.0.1:{}", proxy.port);
    let variables = [("HTTPS_PROXY", through.as_str()), ("HTTP_PROXY", &through)];
    let (status, _, errors) = asked(&place, &variables, &["pull", "registry.invalid/box", "pulled"]);
    assert!(status == 1 && errors.contains("GET https://registry.invalid/v2/box/"), "{errors}");
    let (status, _, errors) = asked(&place, &variables, &["pull", &proxy.place(), "pulled"]);
    assert!(status == 1 && errors.contains("403 Forbidden"), "{errors}");
    let heads = proxy.heads();
    let told = (heads[0].split("\r\n").next(), heads[1].split("\r\n").next());
    assert_eq!(
        told,
        (Some("CONNECT registry.invalid:443 HTTP/1.1"), Some("GET /v2/box/manifests/latest HTTP/1.1"))
    );
}
