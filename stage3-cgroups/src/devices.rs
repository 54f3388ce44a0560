//! Which device files a group may open, read, write and make.
//!
//! devices.allow and devices.deny, Linux 2.6.26, 2008; in version 2 a BPF program, Linux 4.15, 2018.
//! Book: "Devices" (`devices`).
//! Invariant: what no rule allows is denied; the list is in force as a whole or not at all.

pub mod program;

use crate::controller::Controller;
use crate::group::Group;
use crate::layout::Version;
use crate::sys::bpf::{attach_device_program, attached_device_programs, detach_if_ours, load_device_program};
use crate::{Error, Result};
use nix::errno::Errno;
use std::fmt;
use std::os::fd::AsFd;
use std::str::FromStr;

/// Character or block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `c`
    Character,
    /// `b`
    Block,
}

/// What may be done, as bits of the kernel's: `BPF_DEVCG_ACC_*`, linux/bpf.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(pub u32);

impl Access {
    /// `mknod(2)`, `m`
    pub const MAKE: Access = Access(1);
    /// `r`
    pub const READ: Access = Access(2);
    /// `w`
    pub const WRITE: Access = Access(4);
}

/// One device or many, and what may be done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Character or block.
    pub kind: Kind,
    /// The driver's number; none is every driver.
    pub major: Option<u32>,
    /// The device's number; none is every device of the driver.
    pub minor: Option<u32>,
    /// What may be done.
    pub access: Access,
}

/// As version 1 writes it and users do: `c 1:3 rwm`, `b 8:* r`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |n| n.to_string());
        let letter = |access: Access, letter| if self.access.0 & access.0 != 0 { letter } else { "" };
        let kind = if self.kind == Kind::Character { 'c' } else { 'b' };
        let access =
            letter(Access::READ, "r").to_owned() + letter(Access::WRITE, "w") + letter(Access::MAKE, "m");
        write!(f, "{kind} {}:{} {access}", number(self.major), number(self.minor))
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            Error::refused(format!("{text:?} is no rule for devices"))
                .with_hint("c or b, MAJOR:MINOR or *, and some of r, w, m: \"c 1:3 rwm\"; `ls -l /dev` shows the numbers")
        })
    }
}

fn parse(text: &str) -> Option<Rule> {
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, device, access] = words[..] else { return None };
    let kind = match kind {
        "c" => Kind::Character,
        "b" => Kind::Block,
        _ => return None,
    };
    let (major, minor) = device.split_once(':')?;
    let number = |text: &str| if text == "*" { Some(None) } else { text.parse().ok().map(Some) };
    let (major, minor) = (number(major)?, number(minor)?);
    let bit = |c| match c {
        'r' => Some(Access::READ.0),
        'w' => Some(Access::WRITE.0),
        'm' => Some(Access::MAKE.0),
        _ => None,
    };
    let access =
        access.chars().try_fold(0, |bits, c| bit(c).map(|bit| bits | bit)).filter(|bits| *bits != 0)?;
    Some(Rule { kind, major, minor, access: Access(access) })
}

/// What is decided about all devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// These may be used, and no others.
    Only(Vec<Rule>),
    /// All may be used but these.
    AllBut(Vec<Rule>),
}

impl Group {
    /// From now on only `allowed` devices may be used.
    ///
    /// # Errors
    /// EPERM: both versions ask for the administrator of the machine, not of a user namespace.
    pub fn allow_devices_only(&self, allowed: &[Rule]) -> Result<()> {
        self.decide_about_devices(&Policy::Only(allowed.to_vec()))
    }

    /// From now on `policy` decides which devices may be used.
    ///
    /// # Errors
    /// As of [`Group::allow_devices_only`].
    pub fn decide_about_devices(&self, policy: &Policy) -> Result<()> {
        let place = self.place(Controller::Devices).ok_or_else(|| {
            Error::refused("no hierarchy here can decide about devices")
                .with_hint("mount a version 2 hierarchy")
        })?;
        match place.hierarchy.version {
            Version::V1 => {
                // `a` takes everything away or gives it, and then the list is what it is.
                let (all, each, rules) = match policy {
                    Policy::Only(rules) => ("devices.deny", "devices.allow", rules),
                    Policy::AllBut(rules) => ("devices.allow", "devices.deny", rules),
                };
                place.directory.write(all, "a").map_err(explained)?;
                let lines: Vec<_> = rules.iter().map(Rule::to_string).collect();
                place.directory.write_each(each, &lines).map_err(explained)
            }
            Version::V2 => self.attach_device_program(policy),
        }
    }

    /// The version 2 way, which works beside version 1 in a hybrid layout.
    pub fn attach_device_program(&self, policy: &Policy) -> Result<()> {
        let place = self.unified().ok_or_else(|| {
            Error::refused("this group is in no hierarchy of version 2")
                .with_hint("mount -t cgroup2 none DIR")
        })?;
        let call = |call: &str, errno| explained(Error::call(format!("bpf({call})"), errno));
        let group = place.directory.as_fd();
        let there = attached_device_programs(group)
            .map_err(|errno| call("BPF_PROG_QUERY, BPF_CGROUP_DEVICE", errno))?;
        let program = load_device_program(&program::of(policy))
            .map_err(|errno| call("BPF_PROG_LOAD, BPF_PROG_TYPE_CGROUP_DEVICE", errno))?;
        let path = place.directory.path().display();
        attach_device_program(program.as_fd(), group)
            .map_err(|errno| call(&format!("BPF_PROG_ATTACH, <{path}>, BPF_CGROUP_DEVICE"), errno))?;
        // Only now: in between both lists hold, never none. Programs of others, as systemd's DeviceAllow=, stay.
        for id in there {
            detach_if_ours(id, group)
                .map_err(|errno| call(&format!("BPF_PROG_DETACH, <{path}>, {id}"), errno))?;
        }
        Ok(())
    }
}

fn explained(error: Error) -> Error {
    match error.errno() {
        Some(Errno::EPERM) if nix::unistd::geteuid().is_root() => {
            error.with_hint("a group cannot allow what the group above denies; or this is root of a container only")
        }
        Some(Errno::EPERM | Errno::EACCES) => error.with_hint(
            "only root of the machine decides about devices; as an ordinary user do without: files in /dev have owners",
        ),
        Some(Errno::EINVAL) => {
            error.with_hint("in version 1 the list of a group with groups inside it cannot be taken away")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_rules_are_written_as_they_are_read() {
        for text in ["c 1:3 rwm", "b 8:* r", "c *:* m"] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        for bad in ["", "a", "c 1:3", "c 1:3 x", "c 1 rwm", "d 1:3 r", "c 1:3 ", "c -1:3 r", "c 1:3 r w"] {
            assert!(bad.parse::<Rule>().is_err(), "{bad:?}");
        }
    }
}
