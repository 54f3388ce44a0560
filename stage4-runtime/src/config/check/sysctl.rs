//! What is asked of kernel parameters: that they are the container's own.
//!
//! No kernel calls; sysctl(8), namespaces(7); config-linux.md, "Sysctl". Book: `config`.
//! Invariant: pure; a parameter that is not of one of the container's namespaces is refused, and no name or value
//! can lead to a file beside its own.

use super::Findings;
use crate::config::Config;
use crate::config::fault::At;
use crate::config::linux::NamespaceKind;

const RULE: &str = "config-linux.md, Sysctl";

/// The names below /proc/sys that lead to the parameter, or why there are none.
///
/// The first separator tells which of `.` and `/` parts the names; the other one is in a name, as its counterpart:
/// `net.ipv4.conf.eth0/1.forwarding` and `net/ipv4/conf/eth0.1/forwarding` are the same (sysctl(8)).
pub fn parts(name: &str) -> Option<Vec<String>> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let separator = name.chars().find(|c| matches!(c, '.' | '/'))?;
    let parts: Vec<String> = name
        .split(separator)
        .map(|part| if separator == '.' { part.replace('/', ".") } else { part.to_owned() })
        .collect();
    let sound = name.chars().all(known) && parts.iter().all(|part| !matches!(part.as_str(), "" | "." | ".."));
    sound.then_some(parts)
}

/// The kind of namespace that has a parameter of its own.
fn owner(parts: &[&str]) -> Option<NamespaceKind> {
    match parts {
        [
            "kernel",
            "msgmax" | "msgmnb" | "msgmni" | "sem" | "shmall" | "shmmax" | "shmmni" | "shm_rmid_forced",
        ]
        | ["fs", "mqueue", _] => Some(NamespaceKind::Ipc),
        ["net", _, ..] => Some(NamespaceKind::Network),
        ["kernel", "domainname"] => Some(NamespaceKind::Uts),
        ["user", _] => Some(NamespaceKind::User),
        _ => None,
    }
}

pub(super) fn check(config: &Config, at: At<'_>, found: &mut Findings) {
    for (name, value) in &config.linux.sysctl {
        let at = at.key(name);
        // CVE-2022-0811: values were handed on in a list parted by `+`.
        if value.contains(|c: char| c == '+' || (c.is_control() && c != '\t')) {
            found.refuse(&at, format!("{value:?} holds a control character or a +"), "CVE-2022-0811");
        }
        match parts(name) {
            Some(parts) => {
                namespaced(config, &parts.iter().map(String::as_str).collect::<Vec<_>>(), &at, found)
            }
            None => found.refuse(&at, format!("{name:?} is no name of a parameter"), "sysctl(8)"),
        }
    }
}

fn namespaced(config: &Config, parts: &[&str], at: &At<'_>, found: &mut Findings) {
    match (parts, owner(parts)) {
        (["kernel", "hostname"], _) => found.refuse(at, "is what hostname sets", RULE),
        (["kernel", "domainname"], _) if config.domainname.is_some() => {
            found.refuse(at, "is what domainname sets", RULE);
        }
        (_, Some(kind)) if config.linux.namespace(kind).is_none() => {
            found.refuse(at, format!("is the host's without a namespace of the type \"{kind}\""), RULE);
        }
        (_, Some(_)) => {}
        (_, None) => found.refuse(at, "is of no namespace: set here, it is set on the host", RULE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_sysctls_lead_to_one_file() {
        let same = parts("net.ipv4.conf.eth0/1.forwarding");
        assert_eq!(same, parts("net/ipv4/conf/eth0.1/forwarding"));
        assert_eq!(same.unwrap()[3], "eth0.1");
        for bad in [
            "",
            "net",
            ".",
            "net.",
            ".net.x",
            "net..x",
            "net/../kernel/x",
            "net.//.x",
            "net/./x",
            "net.a b",
            "net.a\nb",
            "net.a+b",
            "net.ä",
            "net./.x",
        ] {
            assert_eq!(parts(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn config_sysctls_have_the_namespace_that_the_kernel_gives_them() {
        assert_eq!(owner(&["kernel", "shm_rmid_forced"]), Some(NamespaceKind::Ipc));
        assert_eq!(owner(&["fs", "mqueue", "msg_max"]), Some(NamespaceKind::Ipc));
        assert_eq!(owner(&["net", "core", "somaxconn"]), Some(NamespaceKind::Network));
        assert_eq!(owner(&["user", "max_user_namespaces"]), Some(NamespaceKind::User));
        for host in
            [&["vm", "swappiness"][..], &["kernel", "core_pattern"], &["fs", "file-max"], &["kernel", "shm"]]
        {
            assert_eq!(owner(host), None, "{host:?}");
        }
    }
}
