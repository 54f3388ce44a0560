//! What an image of a registry is called: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`.
//!
//! No kernel calls; the grammar of the distribution project's `reference`. Book: "Images" (`images`).
//! Invariant: what is not in the grammar is refused and never mended; so every part can stand in a URL as it is.

use super::super::digest::Digest;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Where names without a host are.
const DOCKER: &str = "docker.io";

/// In bytes, as registries have it.
const LONGEST: (usize, usize) = (255, 128);

/// An image somewhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// With its port, where one is named.
    pub host: String,
    /// Of the repository.
    pub path: String,
    /// `latest` where neither tag nor digest is named.
    pub tag: Option<String>,
    /// Of the manifest; where there is a tag as well, this one counts.
    pub digest: Option<Digest>,
}

impl Remote {
    /// Who answers for the host.
    pub fn server(&self) -> &str {
        // What users call docker.io has its registry somewhere else.
        if self.host == DOCKER { "registry-1.docker.io" } else { &self.host }
    }

    /// What is asked for in the repository.
    pub fn wanted(&self) -> String {
        self.digest.as_ref().map_or_else(|| self.tag.clone().unwrap_or_default(), Digest::to_string)
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl FromStr for Remote {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is no reference: {why}");
        if text.contains("://") {
            return Err(wrong("it begins with the host, without a scheme"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("a tag is of letters, digits, `_`, `.` and `-`, and has at most 128 of them"));
        }
        let (host, path) = placed(name);
        if !is_host(host) {
            return Err(wrong("HOST[:PORT] is a name of letters, digits, `.` and `-`, or an address"));
        }
        if path.len() > LONGEST.0 || !path.split('/').all(is_component) {
            return Err(wrong(
                "a path is of small letters and digits, with `.`, `_`, `__` or `-` between them, and at most 255 long",
            ));
        }
        if host == DOCKER && is_id(name) {
            return Err(wrong("64 digits are an image's id, by which no registry finds one"));
        }
        let library = host == DOCKER && !path.contains('/');
        Ok(Remote {
            host: host.to_owned(),
            path: if library { format!("library/{path}") } else { path.to_owned() },
            tag: tag.or(digest.is_none().then_some("latest")).map(str::to_owned),
            digest,
        })
    }
}

/// The first part is a host where it looks like one.
fn placed(name: &str) -> (&str, &str) {
    let is_place =
        |first: &str| first.contains(['.', ':', '[']) || first == "localhost" || has_capitals(first);
    match name.split_once('/') {
        Some(("index.docker.io", path)) => (DOCKER, path),
        Some((first, path)) if is_place(first) => (first, path),
        _ => (DOCKER, name),
    }
}

fn has_capitals(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if !port.is_none_or(is_port) {
        return false;
    }
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name.split('.').all(is_label),
    }
}

fn is_label(label: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inside)
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let inside = |byte: u8| word(byte) || matches!(byte, b'.' | b'-');
    tag.len() <= LONGEST.1 && tag.bytes().next().is_some_and(word) && tag.bytes().all(inside)
}

fn is_component(component: &str) -> bool {
    let word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends = bytes.first().is_some_and(word) && bytes.last().is_some_and(word);
    let separates = |between: &[u8]| {
        matches!(between, b"" | b"." | b"_" | b"__") || between.iter().all(|byte| *byte == b'-')
    };
    ends && bytes.split(word).all(separates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_named_as_users_know_them() {
        for (text, whole, server) in [
            ("busybox", "docker.io/library/busybox:latest", "registry-1.docker.io"),
            ("ada/box:v1", "docker.io/ada/box:v1", "registry-1.docker.io"),
            ("docker.io/box", "docker.io/library/box:latest", "registry-1.docker.io"),
            ("index.docker.io/a/b", "docker.io/a/b:latest", "registry-1.docker.io"),
            ("localhost/box", "localhost/box:latest", "localhost"),
            ("localhost:5000", "docker.io/library/localhost:5000", "registry-1.docker.io"),
            ("[::1]:5000/a/b-c:T_1", "[::1]:5000/a/b-c:T_1", "[::1]:5000"),
            ("ghcr.io/a.b/c__d/e---f:1.2", "ghcr.io/a.b/c__d/e---f:1.2", "ghcr.io"),
            ("HOST/box", "HOST/box:latest", "HOST"),
        ] {
            let remote: Remote = text.parse().unwrap();
            assert_eq!((remote.to_string().as_str(), remote.server()), (whole, server), "{text}");
            assert_eq!(remote.to_string().parse::<Remote>().unwrap(), remote);
        }
        let digest = format!("sha256:{}", "a".repeat(64));
        let both: Remote = format!("q.io/box:v1@{digest}").parse().unwrap();
        assert_eq!((both.wanted(), both.tag.as_deref()), (digest.clone(), Some("v1")));
        let one: Remote = format!("q.io/box@{digest}").parse().unwrap();
        assert_eq!((one.wanted(), one.tag), (digest, None));
    }

    #[test]
    fn registries_are_named_by_nothing_else() {
        let (id, long, tag) = ("a".repeat(64), "a".repeat(256), "t".repeat(129));
        for text in [
            "",
            ":v1",
            "/",
            "/box",
            "box/",
            "a//b",
            "Box",
            "q.io/Box",
            "box:",
            "box:-v",
            "box:v/",
            "box@",
            "box@v1",
            "box@sha256:abc",
            "-a.io/box",
            "q..io/box",
            "q.io:/box",
            "q.io:0/box",
            "q.io:+1/box",
            "q.io:99999/box",
            "[::1/box",
            "[1]/box",
            "[::1%lo]/box",
            "u@q.io/box",
            "q.io/a_-b",
            "q.io/a..b",
            "q.io/a___b",
            "q.io/_a",
            "q.io/../b",
            "q.io/a%2fb",
            "q.io/a b",
            "q.io/a?b",
            "q.io/ä",
            "https://q.io/box",
            "docker://box",
            "a\n",
            &id,
            &long,
            &format!("box:{tag}"),
        ] {
            assert!(text.parse::<Remote>().is_err(), "{text:?}");
        }
    }
}
