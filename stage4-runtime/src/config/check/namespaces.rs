//! What is asked of namespaces, and of the settings that need one.
//!
//! No kernel calls; config-linux.md, "Namespaces"; sethostname(2). Book: `config`.
//! Invariant: pure; a setting whose namespace is the host's is refused, since it would be set on the host.

use super::{Findings, text};
use crate::config::Config;
use crate::config::fault::At;
use crate::config::linux::{Linux, NamespaceKind};

const RULE: &str = "config-linux.md, Namespaces";

pub(super) fn check(linux: &Linux, at: At<'_>, found: &mut Findings) {
    let list = at.key("namespaces");
    for (number, namespace) in linux.namespaces.iter().enumerate() {
        let at = list.index(number);
        if linux.namespaces[..number].iter().any(|other| other.kind == namespace.kind) {
            found.refuse(&at.key("type"), format!("\"{}\" is there twice", namespace.kind), RULE);
        }
        if let Some(path) = &namespace.path {
            text::absolute(path, &at.key("path"), RULE, found);
        }
    }
    offsets(linux, at.key("timeOffsets"), found);
}

/// Host name and domain name: not the host's.
pub(super) fn names(config: &Config, found: &mut Findings) {
    /// include/uapi/linux/utsname.h, __NEW_UTS_LEN.
    const LONGEST: usize = 64;
    let names = [("hostname", &config.hostname), ("domainname", &config.domainname)];
    for (field, name) in names.into_iter().filter_map(|(field, name)| Some((field, name.as_ref()?))) {
        let (top, rule) =
            (At::Top, if field == "hostname" { "config.md, Hostname" } else { "config.md, Domainname" });
        let at = top.key(field);
        text::line(name, &at, rule, found);
        if name.len() > LONGEST {
            found.refuse(&at, format!("{} bytes are more than {LONGEST}", name.len()), "sethostname(2)");
        }
        needs(&config.linux, NamespaceKind::Uts, &at, rule, found);
    }
}

/// The setting at `at` needs a namespace of `kind`, new or joined.
pub(super) fn needs(
    linux: &Linux,
    kind: NamespaceKind,
    at: &At<'_>,
    rule: &'static str,
    found: &mut Findings,
) {
    if linux.namespace(kind).is_none() {
        found.refuse(at, format!("is given, but no namespace of the type \"{kind}\""), rule);
    }
}

/// Offsets are written before anybody enters: a namespace that is joined has had its own for long.
fn offsets(linux: &Linux, at: At<'_>, found: &mut Findings) {
    const SECTION: &str = "config-linux.md, Offset for Time Namespace";
    if !linux.time_offsets.is_empty() && !linux.makes(NamespaceKind::Time) {
        found.refuse(&at, "is given, but no new namespace of the type \"time\"", SECTION);
    }
    for (clock, offset) in &linux.time_offsets {
        if offset.nanosecs >= 1_000_000_000 {
            let (at, what) = (at.key(clock.name()), format!("{} is a second or more", offset.nanosecs));
            found.refuse(&at.key("nanosecs"), what, "time_namespaces(7)");
        }
    }
}
