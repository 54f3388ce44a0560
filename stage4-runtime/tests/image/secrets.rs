//! Names, passwords and tokens: who is told, and who is not.
//!
//! docker-registry(1). Book: "Images" (`images`).
//! Invariant: a secret is known to whom it is for, and to nobody that he leads to.

use super::Place;
use super::others::image;
use super::registry::{asked, registry};
use super::server::{Answer, Server};
use serde_json::json;
use std::fs;

/// `s3cret-word`, as bcrypt has it.
const SECRET: &str = "ada:$2b$05$abcdefghijklmnopqrstuuEpHRRKIlpAGo.iP7Bpa.htQEJMAAnRe\n";

/// `ada:s3cret-word`, and another one.
const RIGHT: &str = "YWRhOnMzY3JldC13b3Jk";
const WRONG: &str = "YWRhOndyb25n";

fn file(place: &Place, name: &str, host: &str, auth: &str) -> String {
    let path = place.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, json!({ "auths": { host: { "auth": auth } } }).to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn registries_are_told_the_password_that_they_ask_for() {
    let place = Place::new();
    fs::write(place.path("htpasswd"), SECRET).unwrap();
    let words = json!({ "realm": "stage4", "path": place.path("htpasswd") });
    let Some(registry) = registry(&place, &json!({ "auth": { "htpasswd": words } })) else { return };
    image(&place);
    let host = format!("localhost:{}", registry.port);
    let there = format!("{host}/box:v1");
    let push = |variables: &[(&str, &str)]| asked(&place, variables, &["push", "image:v1", &there]);
    let (status, _, errors) = push(&[]);
    assert!(status == 1 && errors.contains("401") && errors.contains("auth.json"), "{errors}");
    let wrong = file(&place, "wrong.json", &host, WRONG);
    let (status, _, errors) = push(&[("REGISTRY_AUTH_FILE", &wrong)]);
    assert!(status == 1 && errors.contains("401") && !errors.contains(WRONG), "{errors}");
    let (status, _, errors) = push(&[("REGISTRY_AUTH_FILE", "/no/such/file")]);
    assert!(status == 1 && errors.contains("ENOENT"), "{errors}");
    file(&place, "run/containers/auth.json", &host, RIGHT);
    assert_eq!(push(&[("XDG_RUNTIME_DIR", place.path("run").to_str().unwrap())]).0, 0);
    // What was named is read, and nothing else.
    file(&place, ".docker/config.json", &host, RIGHT);
    assert_eq!(push(&[("REGISTRY_AUTH_FILE", &wrong)]).0, 1);
    let (status, _, errors) = asked(&place, &[], &["pull", &there, "pulled"]);
    assert_eq!(status, 0, "{errors}");
}

/// A token for the registry, a password for who gives tokens out, and neither for where a redirect leads.
#[test]
fn registries_secrets_go_to_nobody_else() {
    let place = Place::new();
    image(&place);
    let store = Server::of(place.path("image"), |_, answer| answer);
    let tokens = Server::new(|_| Answer::of("200 OK", br#"{"access_token":"t0ken"}"#));
    let (blobs, realm) = (store.port, tokens.port);
    let server = Server::of(place.path("image"), move |path, answer| {
        if path.contains("blobs/") {
            let to = format!("http://127.0.0.1:{blobs}{path}?signed");
            return Answer::of("307 Temporary Redirect", b"").with("Location", &to);
        }
        answer
    });
    let behind = server.port;
    let guard = Server::new(move |head| {
        let words = format!(
            r#"Bearer realm="http://localhost:{realm}/token?a=b",service="the store",scope="repository:box:pull""#
        );
        let to = format!("http://localhost:{behind}{}", head.split(' ').nth(1).unwrap());
        match head.contains("authorization: Bearer t0ken\r\n") {
            true => Answer::of("302 Found", b"").with("Location", &to),
            false => Answer::of("401 Unauthorized", b"").with("WWW-Authenticate", &words),
        }
    });
    let named = file(&place, "auth.json", &format!("localhost:{}", guard.port), RIGHT);
    let (status, _, errors) =
        asked(&place, &[("REGISTRY_AUTH_FILE", &named)], &["pull", &guard.place(), "pulled"]);
    assert_eq!(status, 0, "{errors}");
    assert_eq!(guard.asked(RIGHT), 0);
    assert_eq!(tokens.heads().len(), 1);
    assert!(
        tokens.heads()[0].starts_with("GET /token?a=b&service=the%20store&scope=repository%3Abox%3Apull ")
    );
    assert_eq!(tokens.asked(&format!("authorization: Basic {RIGHT}\r\n")), 1);
    assert!(!server.heads().is_empty() && !store.heads().is_empty());
    for other in [&server, &store] {
        assert!(other.heads().iter().all(|head| !head.to_lowercase().contains("authorization")));
    }
}
