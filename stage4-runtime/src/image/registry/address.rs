//! Where a request may go.
//!
//! No kernel calls; RFC 3986. Book: "Images" (`images`).
//! Invariant: an address is of HTTPS, or of this machine and came from there; a registry of the world leads to neither
//! plain HTTP nor the services that listen on this machine only by it.

use super::super::super::{Error, Result};
use std::fmt;
use std::net::Ipv4Addr;
use ureq::http::Uri;

/// A URL that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    secure: bool,
    authority: String,
    /// Path and query.
    rest: String,
}

impl Address {
    /// The first of a registry: HTTPS, or not.
    pub fn of(server: &str, secure: bool) -> Self {
        Address { secure, authority: server.to_owned(), rest: "/v2/".to_owned() }
    }

    /// Another place there.
    pub fn at(&self, rest: String) -> Self {
        Address { rest, ..self.clone() }
    }

    /// With one more word in its query.
    pub fn asking(mut self, word: &str) -> Self {
        self.rest.push(if self.rest.contains('?') { '&' } else { '?' });
        self.rest.push_str(word);
        self
    }

    /// What a server leads to, who was asked here.
    ///
    /// # Errors
    /// No URL; plain HTTP, where it is not from this machine to this machine.
    pub fn led_to(&self, text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::refused(format!("{self} leads to {:?}: {why}", without_query(text)));
        let uri: Uri = text.parse().map_err(|_| wrong("no URL"))?;
        let rest = uri.path_and_query().map_or("/", |it| it.as_str());
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return match text.starts_with('/') && !text.starts_with("//") {
                true => Ok(self.at(rest.to_owned())),
                false => Err(wrong("neither a whole URL nor a whole path")),
            };
        };
        if authority.as_str().contains('@') {
            return Err(wrong("it names a user"));
        }
        let named = authority.as_str().to_ascii_lowercase();
        let secure = match scheme {
            "https" => true,
            "http" if is_this_machine(&named) && is_this_machine(&self.authority) => false,
            "http" => return Err(wrong("plain HTTP is spoken only on this machine")),
            _ => return Err(wrong("HTTPS is wanted")),
        };
        let usual = if secure { ":443" } else { ":80" };
        let authority = named.strip_suffix(usual).unwrap_or(&named).to_owned();
        Ok(Address { secure, authority, rest: rest.to_owned() })
    }

    /// Is it the same server, asked in the same way?
    pub fn is_beside(&self, other: &Address) -> bool {
        self.secure == other.secure && self.authority == other.authority
    }

    /// All of it; its query may hold a secret.
    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.rest)
    }
}

/// For eyes.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(without_query(&self.url()))
    }
}

fn without_query(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

/// localhost, 127.0.0.0/8 and [::1], as they are written in full.
pub fn is_this_machine(authority: &str) -> bool {
    let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let host = match authority.rsplit_once(':') {
        Some((host, digits)) if port(digits) => host,
        _ => authority,
    };
    matches!(host, "localhost" | "[::1]") || host.parse::<Ipv4Addr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_of_this_machine_are_told_from_others() {
        for here in ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:5000"] {
            assert!(is_this_machine(here), "{here}");
        }
        for other in
            ["127.1", "q.io", "localhost.q.io", "127.0.0.1.q.io", "[::2]:1", "0.0.0.0", "::1", "10.0.0.1:80"]
        {
            assert!(!is_this_machine(other), "{other}");
        }
    }

    #[test]
    fn registries_lead_only_where_they_may() {
        let (world, here) = (Address::of("q.io", true), Address::of("localhost:5000", false));
        assert!(world.led_to("/x?y").unwrap().is_beside(&world));
        assert!(world.led_to("HTTPS://Q.io:443/x").unwrap().is_beside(&world));
        assert!(!world.led_to("https://q.io:444/x").unwrap().is_beside(&world));
        assert!(!world.led_to("https://cdn.q.io/x").unwrap().is_beside(&world));
        assert!(!here.led_to("http://127.0.0.1:5000/x").unwrap().is_beside(&here));
        assert_eq!(
            here.led_to("http://localhost:5000/x?y#z").unwrap().asking("d=1").url(),
            "http://localhost:5000/x?y&d=1"
        );
        for text in [
            "http://q.io/x",
            "http://localhost/x",
            "//q.io/x",
            "ftp://q.io/x",
            "x",
            "?x",
            "",
            "https://u@q.io/x",
            "https:///x",
        ] {
            assert!(world.led_to(text).is_err(), "{text:?}");
        }
        assert!(here.led_to("http://q.io/x").is_err());
        assert!(!world.led_to("http://q.io/x?secret").unwrap_err().to_string().contains("secret"));
    }
}
