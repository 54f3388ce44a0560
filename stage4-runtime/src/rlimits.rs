//! The limits of a process.
//!
//! setrlimit(2), 4.2BSD 1983; prlimit(2), Linux 2.6.36, 2010. Book: "Limits of a process" (`rlimits`).
//! Invariant: each limit, asked again, is what was set.

use crate::config::process::Rlimit;
use crate::plan::process::resource;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::sys::resource::{getrlimit, setrlimit};

/// Sets all of `limits` for this process and what it becomes.
///
/// # Errors
/// EPERM: a hard limit above the present one, without CAP_SYS_RESOURCE of the host.
pub fn apply(limits: &[Rlimit]) -> Result<()> {
    for (index, limit) in limits.iter().enumerate() {
        set(limit).map_err(|error| {
            let path = format!("process.rlimits[{index}]");
            let hint = error.hint().map_or_else(|| path.clone(), |hint| format!("{path}: {hint}"));
            error.with_hint(hint)
        })?;
    }
    Ok(())
}

fn set(limit: &Rlimit) -> Result<()> {
    let Rlimit { kind, soft, hard } = *limit;
    let number = resource(kind);
    let written = format!("prlimit(0, {kind}, {{rlim_cur={}, rlim_max={}}})", shown(soft), shown(hard));
    let present = getrlimit(number).map_err(|errno| Error::call(format!("prlimit(0, {kind})"), errno))?;
    setrlimit(number, soft, hard).map_err(|errno| {
        let error = Error::call(&written, errno);
        match errno {
            Errno::EPERM if hard > present.1 => error.with_hint(format!(
                "the hard limit is {} here: only CAP_SYS_RESOURCE of the host raises it, and nobody raises \
                 RLIMIT_NOFILE above /proc/sys/fs/nr_open",
                shown(present.1)
            )),
            _ => error,
        }
    })?;
    match getrlimit(number) {
        Ok(now) if now == (soft, hard) => Ok(()),
        Ok(now) => {
            Err(Error::refused(format!("{written}: the kernel has {} and {}", shown(now.0), shown(now.1))))
        }
        Err(errno) => Err(Error::call(format!("prlimit(0, {kind})"), errno)),
    }
}

fn shown(limit: u64) -> String {
    if limit == libc::RLIM_INFINITY { "RLIM_INFINITY".into() } else { limit.to_string() }
}
