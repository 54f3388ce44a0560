//! What carries requests: TLS with the certificates that this machine trusts, and patience that ends.
//!
//! connect(2); RFC 8446 (TLS 1.3). Book: "Images" (`images`).
//! Invariant: no certificate is taken unchecked; nothing waits longer than it says.

use super::address::Address;
use crate::{Error, Result};
use std::io;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// To find the host and to connect to it, each.
const CONNECT: Duration = Duration::from_secs(10);

/// Between two bytes; a registry that was given a large blob may read it once more before it answers.
const STALL: Duration = Duration::from_secs(60);

/// Who asks; `local`: only this machine, where no proxy is between.
pub fn agent(local: bool) -> Result<Agent> {
    // Err: somebody has chosen one before.
    rustls::crypto::ring::default_provider().install_default().ok();
    // SSL_CERT_FILE and SSL_CERT_DIR, or what the distribution has.
    let trusted = rustls_native_certs::load_native_certs();
    if trusted.certs.is_empty() && !local {
        let why = trusted.errors.first().map_or(String::new(), |error| format!(": {error}"));
        return Err(Error::refused(format!("no certificate is trusted here{why}"))
            .with_hint("apt-get install ca-certificates, or name a file of them in SSL_CERT_FILE"));
    }
    let roots = trusted.certs.iter().map(|it| Certificate::from_der(it).to_owned());
    let config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(RootCerts::from(roots)).build())
        .user_agent(concat!("stage4-runtime/", env!("CARGO_PKG_VERSION")))
        // Who is led where, and with which headers, is decided by `client`.
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(STALL))
        .timeout_per_write(Some(STALL));
    let config = if local { config.proxy(None) } else { config };
    Ok(config.build().into())
}

/// Does a server of this machine speak TLS? One whose certificate is not trusted does.
pub fn speaks_tls(agent: &Agent, address: &Address) -> Result<bool> {
    match agent.get(address.url()).call() {
        Ok(_) => Ok(true),
        Err(error) if is_no_tls(&error) || is_for_now(&error) => Ok(false),
        Err(error) => Err(failed(&format!("GET {address}"), error)),
    }
}

fn tls(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn is_no_tls(error: &ureq::Error) -> bool {
    matches!(tls(error), Some(rustls::Error::InvalidMessage(_)))
}

/// A connection that broke off; the next may not.
pub fn is_for_now(error: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error {
        ureq::Error::Io(error) => {
            matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        }
        _ => false,
    }
}

/// What went wrong with a request; an error of ours that came through it is told as it was.
pub fn failed(what: &str, error: ureq::Error) -> Error {
    let refused = |why: &dyn std::fmt::Display| Error::refused(format!("{what}: {why}"));
    if is_no_tls(&error) {
        return refused(&"the server speaks no TLS")
            .with_hint("plain HTTP is spoken only on this machine: to localhost, 127.0.0.0/8 and [::1]");
    }
    if let Some(error @ rustls::Error::InvalidCertificate(_)) = tls(&error) {
        return refused(error).with_hint("an authority of your own is named by SSL_CERT_FILE, in PEM");
    }
    match error {
        ureq::Error::Io(error) => match error.downcast::<Error>() {
            Ok(ours) => ours,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                refused(&"the connection ended in the middle of the answer")
            }
            Err(error) => Error::io(what, &error),
        },
        ureq::Error::Timeout(phase) => refused(&format!("no answer in time ({phase})")),
        ureq::Error::HostNotFound => {
            refused(&"no such host").with_hint("getent hosts NAME asks in the same way")
        }
        error => refused(&error),
    }
}
