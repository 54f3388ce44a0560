//! What is asked of device nodes and of the rules which devices may be opened.
//!
//! No kernel calls; mknod(2); config-linux.md, "Devices" and "Allowed Device list". Book: `config`.
//! Invariant: pure; no number of a device is cut to fit.

use super::{Findings, text};
use crate::config::devices::{Device, DeviceKind, DeviceRule};
use crate::config::fault::At;

const RULE: &str = "config-linux.md, Devices";

/// include/linux/kdev_t.h, MINORBITS: 12 bits of major, 20 of minor.
const MAJORS: i64 = 1 << 12;
const MINORS: i64 = 1 << 20;

pub(super) fn nodes(devices: &[Device], at: At<'_>, found: &mut Findings) {
    for (number, device) in devices.iter().enumerate() {
        let at = at.index(number);
        node(device, at, found);
        if let Some(other) =
            devices[..number].iter().find(|other| other.path == device.path && *other != device)
        {
            let what = format!("{:?} is another device already, {}", device.path, other.kind);
            found.refuse(&at.key("path"), what, RULE);
        }
    }
}

fn node(device: &Device, at: At<'_>, found: &mut Findings) {
    text::absolute(&device.path, &at.key("path"), RULE, found);
    text::downwards(&device.path, &at.key("path"), found);
    for (name, given, end) in [("major", device.major, MAJORS), ("minor", device.minor, MINORS)] {
        match given {
            Some(given) => below(given, end, &at.key(name), found),
            None if device.kind == DeviceKind::Fifo => {}
            None => found.refuse(
                &at.key(name),
                format!("is missing; only type p needs none, not {}", device.kind),
                RULE,
            ),
        }
    }
    match device.file_mode {
        // Some engines write the type into the mode, as st_mode has it; only the rest is a mode.
        Some(mode) if mode & !0o17_7777 != 0 => {
            let what = format!("{mode} is no file mode: it is decimal, at most 4095 (07777)");
            found.refuse(&at.key("fileMode"), what, RULE);
        }
        _ => {}
    }
    for (name, id) in [("uid", device.uid), ("gid", device.gid)] {
        text::id(id.unwrap_or_default(), &at.key(name), found);
    }
}

/// Numbers of a device, here and in limits of disks.
pub(super) fn numbers(major: i64, minor: i64, at: At<'_>, found: &mut Findings) {
    below(major, MAJORS, &at.key("major"), found);
    below(minor, MINORS, &at.key("minor"), found);
}

fn below(number: i64, end: i64, at: &At<'_>, found: &mut Findings) {
    if !(0..end).contains(&number) {
        found.refuse(at, format!("{number} is not from 0 to {}", end - 1), "makedev(3)");
    }
}

pub(super) fn rules(rules: &[DeviceRule], at: At<'_>, found: &mut Findings) {
    for (number, rule) in rules.iter().enumerate() {
        let at = at.index(number);
        for (name, given, end) in [("major", rule.major, MAJORS), ("minor", rule.minor, MINORS)] {
            match given {
                // -1 is how engines write "all".
                None | Some(-1) => {}
                Some(given) => below(given, end, &at.key(name), found),
            }
        }
        if let Some(access) = &rule.access {
            let sound = !access.is_empty()
                && access.chars().all(|c| "rwm".contains(c) && access.matches(c).count() == 1);
            if !sound {
                let what = format!("{access:?} is not made of r, w and m, each at most once");
                found.refuse(&at.key("access"), what, "config-linux.md, Allowed Device list");
            }
        }
    }
}
