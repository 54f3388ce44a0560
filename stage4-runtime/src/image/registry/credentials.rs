//! Name and password for a registry, where the user's other tools have put them.
//!
//! read(2); containers-auth.json(5), Docker's config.json. Book: "Images" (`images`).
//! Invariant: they are read when a registry asks for them, never shown, and no helper program is started.

use super::super::document;
use super::reference::Remote;
use crate::{Error, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::{env, fs};

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
}

/// Its text is a password.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// `user:password` in base64, as it is sent; None: nothing is known for it.
///
/// # Errors
/// A file that cannot be read; one that was named and is not there.
pub fn find(remote: &Remote) -> Result<Option<String>> {
    let (named, paths) = paths();
    for path in paths {
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !named => continue,
            text => text.map_err(|error| Error::io(format!("read({path:?})"), &error))?,
        };
        let file: File = document::read(&path.to_string_lossy(), &text)?;
        if let Some(entry) = chosen(&file, remote) {
            return whole(&entry.auth)
                .ok_or_else(|| {
                    Error::refused(format!("{path:?}: the entry for {} is not user:password", remote.host))
                        .with_hint("`podman login` or `skopeo login` writes one that is; identity tokens are not known here")
                })
                .map(Some);
        }
    }
    Ok(None)
}

/// Was the file named by the user? Where they are.
fn paths() -> (bool, Vec<PathBuf>) {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match variable("REGISTRY_AUTH_FILE") {
        Some(file) => (true, vec![file]),
        None => {
            let run = variable("XDG_RUNTIME_DIR").map(|it| it.join("containers/auth.json"));
            let home = variable("HOME").map(|it| it.join(".docker/config.json"));
            (false, run.into_iter().chain(home).collect())
        }
    }
}

/// What is said for the repository, for what is above it, or for the host.
fn chosen<'a>(file: &'a File, remote: &Remote) -> Option<&'a Entry> {
    // With a helper, Docker leaves an empty entry where the helper has one.
    let said = |key: &str| file.auths.get(key).filter(|entry| !entry.auth.is_empty());
    let mut place = format!("{}/{}", remote.host, remote.path);
    loop {
        if let Some(entry) = said(&place) {
            return Some(entry);
        }
        match place.rfind('/') {
            Some(at) => place.truncate(at),
            None => break,
        }
    }
    let hosts: &[&str] =
        if remote.host == "docker.io" { &["docker.io", "index.docker.io"] } else { &[&remote.host] };
    let fits = |key: &str| {
        let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"))?;
        hosts.contains(&bare.split('/').next()?).then_some(())
    };
    let other = || file.auths.iter().find(|(key, entry)| fits(key).is_some() && !entry.auth.is_empty());
    hosts.iter().find_map(|host| said(host)).or_else(|| other().map(|(_, entry)| entry))
}

fn whole(auth: &str) -> Option<String> {
    let text = BASE64_STANDARD.decode(auth.trim()).ok()?;
    // Docker pads with zeros.
    let end = text.iter().rposition(|byte| *byte != 0)? + 1;
    text[..end].contains(&b':').then(|| BASE64_STANDARD.encode(&text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_get_the_password_that_is_theirs() {
        let of = |text: &str| BASE64_STANDARD.encode(format!("u:{text}"));
        let file = File {
            auths: [
                "q.io",
                "q.io/a/b",
                "https://r.io:5000/v2/",
                "https://index.docker.io/v1/",
                "localhost:5000",
            ]
            .into_iter()
            .map(|key| (key.to_owned(), Entry { auth: of(key) }))
            .chain([("s.io".to_owned(), Entry { auth: String::new() })])
            .collect(),
        };
        for (reference, key) in [
            ("q.io/a/b/c", Some("q.io/a/b")),
            ("q.io/a/bc", Some("q.io")),
            ("r.io:5000/a", Some("https://r.io:5000/v2/")),
            ("box", Some("https://index.docker.io/v1/")),
            ("localhost:5000/a", Some("localhost:5000")),
            ("r.io/a", None),
            ("s.io/a", None),
            ("localhost:5001/a", None),
            ("xq.io/a", None),
        ] {
            let found = chosen(&file, &reference.parse().unwrap()).map(|entry| entry.auth.clone());
            assert_eq!(found, key.map(of), "{reference}");
        }
        assert_eq!(whole(&BASE64_STANDARD.encode("u:p\0\0")), Some(BASE64_STANDARD.encode("u:p")));
        assert!(
            whole("").is_none() && whole("?").is_none() && whole(&BASE64_STANDARD.encode("up")).is_none()
        );
    }
}
