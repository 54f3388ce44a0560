//! What the kernel's security modules confine the process to, from its execve(2) on.
//!
//! /proc/thread-self/attr, Linux 2.6, 2003; attr/apparmor 5.8, 2020; apparmor(7), selinux(8). Book: "Labels" (`labels`).
//! Invariant: a label that was asked for is read back, or nothing is executed (CVE-2019-16884).

use crate::{Error, Result};
use nix::errno::Errno;
use nix::sys::uio::{pread, pwrite};
use std::ffi::CStr;
use std::os::fd::AsFd;

/// A profile that is the absence of one.
pub const UNCONFINED: &CStr = c"unconfined";

// ANCHOR: labels
/// The next execve(2) enters the AppArmor profile `profile`; `file` is attr/apparmor/exec of this thread.
pub fn enter_profile(file: impl AsFd, profile: &CStr) -> Result<()> {
    let order = [b"exec ", profile.to_bytes()].concat();
    write(&file, "attr/apparmor/exec", &order).map_err(|error| match error.errno() {
        Some(Errno::ENOENT) => error.with_hint(format!(
            "process.apparmorProfile: no profile {profile:?} is loaded; apparmor_parser(8) loads one"
        )),
        _ => error.with_hint("process.apparmorProfile: is AppArmor switched on (/sys/module/apparmor)?"),
    })?;
    // What is read has the mode behind it: `docker-default (enforce)`.
    let now = read(&file, "attr/apparmor/exec")?;
    let is_it =
        now.strip_prefix(profile.to_bytes()).is_some_and(|mode| mode.is_empty() || mode.starts_with(b" ("));
    said("process.apparmorProfile", profile, &now, is_it)
}
// ANCHOR_END: labels

/// The next execve(2) enters the SELinux context `label`; `file` is attr/exec of this thread.
pub fn enter_label(file: impl AsFd, label: &CStr) -> Result<()> {
    write(&file, "attr/exec", label.to_bytes()).map_err(|error| {
        error.with_hint(
            "process.selinuxLabel: SELinux is not switched on here, or its policy forbids the change",
        )
    })?;
    let now = read(&file, "attr/exec")?;
    let is_it = now == label.to_bytes();
    said("process.selinuxLabel", label, &now, is_it)
}

fn said(property: &str, asked: &CStr, now: &[u8], is_it: bool) -> Result<()> {
    match is_it {
        true => Ok(()),
        false => Err(Error::refused(format!(
            "{property}: asked for {asked:?}, the kernel has {:?}",
            String::from_utf8_lossy(now)
        ))),
    }
}

fn write(file: &impl AsFd, name: &str, text: &[u8]) -> Result<()> {
    let call = || format!("write(\"/proc/thread-self/{name}\", {:?})", String::from_utf8_lossy(text));
    match pwrite(file, text, 0) {
        Ok(length) if length == text.len() => Ok(()),
        Ok(_) => Err(Error::refused(format!("{}: only a part was taken", call()))),
        Err(errno) => Err(Error::call(call(), errno)),
    }
}

fn read(file: &impl AsFd, name: &str) -> Result<Vec<u8>> {
    let mut text = vec![0; 4096];
    let length = pread(file, &mut text, 0)
        .map_err(|errno| Error::call(format!("read(\"/proc/thread-self/{name}\")"), errno))?;
    text.truncate(length);
    while matches!(text.last(), Some(0 | b'\n')) {
        text.pop();
    }
    Ok(text)
}
