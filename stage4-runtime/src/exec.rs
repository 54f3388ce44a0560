//! The program: found as its user finds it, and put in the place of this process.
//!
//! execve(2); faccessat2(2), Linux 5.8, 2020. Book: "The last acts" (`last-acts`).
//! Invariant: found inside the root, by the ids and capabilities it will run with; engines read two phrases in these
//! errors, "executable file not found in $PATH" and "permission denied", and make 127 and 126 of them.

use crate::beneath;
use crate::plan::process::ProcessPlan;
use crate::{Error, Failure, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::stat;
use nix::unistd::{AccessFlags, execve, faccessat, getpid};
use stage1_chroot::exec::refusal::{Found, explain};
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

/// The file that will be executed.
///
/// # Errors
/// 127: there is none; 126: there is one, which this user may not execute here.
pub fn find(plan: &ProcessPlan) -> Result<&CStr, Failure> {
    let mut denied = None;
    for candidate in &plan.candidates {
        match may_execute(candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::ENOENT | Errno::ENOTDIR) => (),
            // As execvp(3): what may not be executed here may be further on in $PATH.
            Err(errno) => {
                denied.get_or_insert((candidate, errno));
            }
        }
    }
    Err(match denied {
        Some((candidate, errno)) => refused(candidate, errno),
        None => not_found(plan),
    })
}

fn may_execute(file: &CStr) -> nix::Result<()> {
    faccessat(AT_FDCWD, file, AccessFlags::X_OK, AtFlags::AT_EACCESS)?;
    // A directory may be "executed", too: it may be searched.
    let kind = stat(file)?.st_mode & libc::S_IFMT;
    if kind == libc::S_IFREG { Ok(()) } else { Err(Errno::EACCES) }
}

fn refused(candidate: &CStr, errno: Errno) -> Failure {
    let found = Found::look(OsStr::from_bytes(candidate.to_bytes()).as_ref());
    let hint = explain(candidate, errno, &found).error.hint().map(str::to_owned);
    let error = match errno {
        Errno::EACCES | Errno::EPERM => Error::refused(format!("exec {candidate:?}: permission denied")),
        _ => Error::call(format!("exec {candidate:?}"), errno),
    };
    let error = match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    };
    Failure { status: 126, error }
}

fn not_found(plan: &ProcessPlan) -> Failure {
    let name = plan.arguments.first().map(CString::as_c_str).unwrap_or_default();
    let is_path = name.to_bytes().contains(&b'/');
    let error = match is_path {
        true => Error::refused(format!("exec {name:?}: no such file or directory"))
            .with_hint("process.args[0] is a path inside the container's root, or relative to process.cwd"),
        false => Error::refused(format!("exec {name:?}: executable file not found in $PATH")).with_hint(
            "process.args[0] is looked for in the PATH of process.env, inside the container's root",
        ),
    };
    Failure { status: 127, error }
}

/// Replaces this process by `program`; comes back only if that fails.
pub fn replace(program: &CStr, arguments: &[CString], environment: &[CString]) -> Failure {
    let Err(errno) = execve(program, arguments, environment);
    explain(program, errno, &Found::look(OsStr::from_bytes(program.to_bytes()).as_ref()))
}

/// The planned environment, with what only this process in this root knows: where its user is at home, if nobody says
/// so, and, with `listeners` sockets from descriptor 3 on, that they are for it (sd_listen_fds(3)).
pub fn environment(plan: &ProcessPlan, root: BorrowedFd<'_>, listeners: u16) -> Result<Vec<CString>> {
    let mut environment = plan.environment.clone();
    let mut add = |name: &str, value: &[u8]| {
        let variable = [name.as_bytes(), b"=", value].concat();
        environment.retain(|other| !other.to_bytes().starts_with(&variable[..=name.len()]));
        CString::new(variable).map(|variable| environment.push(variable)).ok();
    };
    if plan.is_homeless() {
        add("HOME", &home(root, plan.user.uid)?);
    }
    if listeners > 0 {
        add("LISTEN_FDS", listeners.to_string().as_bytes());
        add("LISTEN_PID", getpid().to_string().as_bytes());
    }
    Ok(environment)
}

/// The home that the root's own /etc/passwd has for `uid`; `/` where it knows none.
fn home(root: BorrowedFd<'_>, uid: u32) -> Result<Vec<u8>> {
    /// Far more than any: a file that is larger is not read to its end.
    const MOST: u64 = 16 << 20;
    let call = "openat2(root, \"etc/passwd\", RESOLVE_IN_ROOT)";
    // It could be a FIFO that nobody writes to.
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
    let file = match beneath::open(root, "etc/passwd".as_ref(), flags) {
        // Not there, or no file that this user's root may read: then there is nobody whom it knows.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ELOOP | Errno::ENXIO) => {
            return Ok(b"/".to_vec());
        }
        other => File::from(other.map_err(|errno| Error::call(call, errno))?),
    };
    if !file.metadata().map_err(|error| Error::io("fstat(\"/etc/passwd\")", &error))?.is_file() {
        return Ok(b"/".to_vec());
    }
    for line in BufReader::new(file.take(MOST)).split(b'\n') {
        let line = line.map_err(|error| Error::io("read(\"/etc/passwd\")", &error))?;
        if let Some(home) = home_in(&line, uid) {
            return Ok(home.to_vec());
        }
    }
    Ok(b"/".to_vec())
}

/// passwd(5): `name:password:UID:GID:GECOS:directory:shell`.
fn home_in(line: &[u8], uid: u32) -> Option<&[u8]> {
    let mut fields = line.split(|byte| *byte == b':').skip(2);
    let owner: u32 = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let home = fields.nth(2)?;
    (owner == uid && home.starts_with(b"/") && !home.contains(&0)).then_some(home)
}

/// The sockets that systemd has handed to this process, from descriptor 3 on: sd_listen_fds(3).
pub fn listeners() -> u16 {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u16>().ok();
    let pid = std::env::var("LISTEN_PID").ok().and_then(|pid| pid.parse::<i32>().ok());
    match pid == Some(getpid().as_raw()) {
        true => number("LISTEN_FDS").unwrap_or(0),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::home_in;

    #[test]
    fn a_home_is_the_sixth_field_of_its_users_line() {
        assert_eq!(home_in(b"root:x:0:0:root:/root:/bin/sh", 0), Some(&b"/root"[..]));
        assert_eq!(home_in(b"a:x:10:0::/home/a", 10), Some(&b"/home/a"[..]));
        for other in
            [&b"root:x:0:0:root:/root:/bin/sh"[..], b"", b"a:x:10", b"a:x:+1:0::relative:", b"a:x:10:0::rel:"]
        {
            assert_eq!(home_in(other, 10), None);
        }
    }
}
