//! The kernel itself, which all share: its log, its newest calls, its controls.
//!
//! syslog(2), io_uring_setup(2), bpf(2), finit_module(2), TIOCSTI. Book: "The matrix".
//! Invariant: what would change something is asked with arguments that the kernel must refuse.

use super::{Ground, Seen, any, errno, files, one};
use crate::sys;
use nix::{errno::Errno, sys::stat::SFlag};
use std::{
    fs::OpenOptions,
    io::{IsTerminal, stdin},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::Path,
};

pub(super) fn log(ground: &Ground) -> Seen {
    let opened = |path: &Path| {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        options.open(path).map(drop).map_err(|error| errno(&error))
    };
    let device = files::node(ground, SFlag::S_IFCHR, (1, 11), opened);
    any(vec![("syslog(size)", sys::log_size().map(drop)), ("mknod(kmsg), open", device)])
}

pub(super) fn io_uring(_: &Ground) -> Seen {
    any(vec![("io_uring_setup", sys::io_uring()), ("userfaultfd", sys::userfaultfd())])
}

pub(super) fn bpf(_: &Ground) -> Seen {
    any(vec![("bpf(BPF_PROG_LOAD)", sys::bpf()), ("perf_event_open(processor 0)", sys::perf_of_processor())])
}

/// Who may is told that the argument is wrong; who may not, that he may not.
fn may(tried: Result<(), Errno>) -> Result<(), Errno> {
    match tried {
        Err(Errno::EPERM | Errno::EACCES) => Err(Errno::EPERM),
        Err(Errno::ENOSYS) => Err(Errno::ENOSYS),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) fn control(_: &Ground) -> Seen {
    any(vec![
        ("finit_module", may(sys::load_no_module())),
        ("swapon", may(sys::swap_on_nothing())),
        ("acct", may(sys::account_to_nothing())),
        ("kexec_load", may(sys::kexec_refused())),
    ])
}

pub(super) fn terminal(_: &Ground) -> Seen {
    if !stdin().is_terminal() {
        return Seen::Absent("stdin is no terminal of the run's".into());
    }
    one("ioctl(TIOCSTI)", sys::type_letter(stdin().as_fd()))
}
