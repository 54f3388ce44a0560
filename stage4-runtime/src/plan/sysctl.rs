//! Kernel parameters of the container's namespaces, as files below /proc/sys.
//!
//! No kernel calls; sysctl(8); config-linux.md, "Sysctl". Book: "config.json, field by field" (`config`).
//! Invariant: pure; a name leads to one file, and a value is one line.

use crate::config::Config;
use crate::config::check::sysctl::parts;
use crate::{Error, Result};
use std::path::PathBuf;

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// As it is written in config.json.
    pub name: String,
    /// Its file, relative to the root of a proc file system.
    pub path: PathBuf,
    /// What is written there.
    pub value: String,
}

/// All parameters, by name.
///
/// # Errors
/// Names that lead to no file, values that are not one line; the checker of config.json asks for more.
pub fn of(config: &Config) -> Result<Vec<Sysctl>> {
    let one = |(name, value): (&String, &String)| {
        let refuse = |what: &str| Error::refused(format!("config.json: linux.sysctl[{name:?}]: {what}"));
        let parts = parts(name).ok_or_else(|| refuse("no name of a parameter"))?;
        if value.contains(['\n', '\0']) {
            return Err(refuse("the value is not one line"));
        }
        let path = ["sys".to_owned()].into_iter().chain(parts).collect();
        Ok(Sysctl { name: name.clone(), path, value: value.clone() })
    };
    config.linux.sysctl.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(name: &str, value: &str) -> Result<Vec<Sysctl>> {
        let map = serde_json::json!({ name: value });
        let text = format!(r#"{{"ociVersion": "1.3.0", "linux": {{"sysctl": {map}}}}}"#);
        of(&serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn sysctl_names_become_files() {
        let plan = planned("net.ipv4.conf.eth0/1.forwarding", "1").unwrap();
        assert_eq!(plan[0].path, PathBuf::from("sys/net/ipv4/conf/eth0.1/forwarding"));
        assert!(planned("net.x", "1\n2").is_err());
        assert!(planned("net/../kernel/core_pattern", "1").is_err());
    }
}
