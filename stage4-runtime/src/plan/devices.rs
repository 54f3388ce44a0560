//! The device files of the container, and the links beside them.
//!
//! No kernel calls; config-linux.md, "Devices" and "Default Devices". Book: "Devices" (`container-devices`).
//! Invariant: pure; where the host's /dev itself is bound, nothing is made in it.

use super::mounts::{Mount, What};
use crate::config::devices::DeviceKind;
use crate::config::{Config, devices as written};
use crate::{Error, Result};
use nix::sys::stat::{SFlag, makedev};
use std::path::{Path, PathBuf};

/// What is made in /dev.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Devices {
    /// The files.
    pub nodes: Vec<Node>,
    /// Are the links made, and `ptmx`?
    pub links: bool,
    /// Are the host's nodes bound from the start? In a user namespace mknod(2) makes no devices.
    pub bound: bool,
}

/// One device file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Relative to the root.
    pub path: PathBuf,
    /// S_IFCHR, S_IFBLK or S_IFIFO.
    pub kind: SFlag,
    /// Which device; 0 of a FIFO.
    pub device: u64,
    /// Permissions, to the letter.
    pub mode: u32,
    /// Owner, inside.
    pub uid: u32,
    /// Group, inside.
    pub gid: u32,
}

/// The link, and where it leads: config-linux.md, "Default Devices", and runtime-linux.md, "/dev symbolic links".
pub const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Every container has these, readable and writable by everybody.
const DEFAULT: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

impl Node {
    /// `b`, `c` or `p` with its numbers, as `ls -l` shows them.
    pub fn name(&self) -> String {
        let (major, minor) = (nix::sys::stat::major(self.device), nix::sys::stat::minor(self.device));
        match self.kind {
            SFlag::S_IFIFO => "p".to_owned(),
            SFlag::S_IFBLK => format!("b {major}:{minor}"),
            _ => format!("c {major}:{minor}"),
        }
    }
}

impl Devices {
    /// From a configuration that has been checked, and the plan of its mounts; `bound`: in a user namespace.
    ///
    /// # Errors
    /// A device without numbers, or in the place of the root.
    pub fn of(config: &Config, mounts: &[Mount], bound: bool) -> Result<Self> {
        let is_dev = |mount: &&Mount| mount.target == Path::new("dev");
        // What is mounted last is what is seen.
        match mounts.iter().rev().find(is_dev).map(|mount| &mount.what) {
            Some(What::Bind(_)) => Ok(Devices::default()),
            _ => Ok(Devices { nodes: nodes(&config.linux.devices)?, links: true, bound }),
        }
    }
}

fn nodes(written: &[written::Device]) -> Result<Vec<Node>> {
    let asked =
        written.iter().enumerate().map(|(index, device)| node(index, device)).collect::<Result<Vec<_>>>()?;
    let default = DEFAULT.iter().map(|(name, major, minor)| Node {
        path: Path::new("dev").join(name),
        kind: SFlag::S_IFCHR,
        device: makedev(*major, *minor),
        mode: 0o666,
        uid: 0,
        gid: 0,
    });
    let mut nodes: Vec<Node> =
        default.filter(|one| asked.iter().all(|other| other.path != one.path)).collect();
    nodes.extend(asked);
    Ok(nodes)
}

fn node(index: usize, device: &written::Device) -> Result<Node> {
    let refuse = |what: &str| Error::refused(format!("config.json: linux.devices[{index}].{what}"));
    let path: PathBuf = device.path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if path.as_os_str().is_empty() || path.iter().any(|part| part == "..") {
        return Err(refuse(&format!("path: {:?} cannot be a device", device.path)));
    }
    let kind = match device.kind {
        DeviceKind::Block => SFlag::S_IFBLK,
        DeviceKind::Char | DeviceKind::Unbuffered => SFlag::S_IFCHR,
        DeviceKind::Fifo => SFlag::S_IFIFO,
    };
    let number = |number: Option<i64>, name| {
        number
            .and_then(|n| u64::try_from(n).ok())
            .ok_or_else(|| refuse(&format!("{name}: no number of a device")))
    };
    let device_number = match kind {
        SFlag::S_IFIFO => 0,
        _ => makedev(number(device.major, "major")?, number(device.minor, "minor")?),
    };
    let (uid, gid) = (device.uid.unwrap_or(0), device.gid.unwrap_or(0));
    // As runc has it where nothing is said.
    let mode = device.file_mode.unwrap_or(0o666) & 0o7777;
    Ok(Node { path, kind, device: device_number, mode, uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(mounts: &[Mount], list: &str) -> Result<Devices> {
        let text = format!(r#"{{"ociVersion": "1.3.0", "linux": {{"devices": {list}}}}}"#);
        Devices::of(&serde_json::from_str(&text).unwrap(), mounts, false)
    }

    #[test]
    fn container_devices_of_the_configuration_replace_the_default_ones() {
        let all = devices(
            &[],
            r#"[{"path": "/dev//tty", "type": "c", "major": 4, "minor": 1, "uid": 7, "fileMode": 384},
            {"path": "/opt/pipe", "type": "p"}]"#,
        )
        .unwrap();
        assert_eq!(all.nodes.len(), 7);
        let tty = all.nodes.iter().find(|node| node.path == Path::new("dev/tty")).unwrap();
        assert_eq!((tty.name().as_str(), tty.mode, tty.uid), ("c 4:1", 0o600, 7));
        assert_eq!(all.nodes[6].name(), "p");
        for bad in
            [r#"{"path": "/", "type": "p"}"#, r#"{"path": "/dev/x", "type": "c", "major": -1, "minor": 1}"#]
        {
            let text = devices(&[], &format!("[{bad}]")).unwrap_err().to_string();
            assert!(text.starts_with("config.json: linux.devices[0]."), "{text}");
        }
    }

    #[test]
    fn container_devices_are_not_made_in_the_hosts_dev() {
        use crate::plan::mounts::{Bind, options::Attributes};
        let bind = Bind { source: "/dev".into(), deep: true, users: None };
        let (top, all) = (Attributes::default(), Attributes::default());
        let mount =
            Mount { index: 0, target: "dev".into(), what: What::Bind(bind), top, all, propagation: vec![] };
        assert_eq!(devices(&[mount], "[]").unwrap(), Devices::default());
        assert!(devices(&[], "[]").unwrap().links);
    }
}
