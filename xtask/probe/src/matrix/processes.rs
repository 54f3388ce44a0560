//! Ways to the host's processes: to see, signal, read and join them.
//!
//! ptrace(2), process_vm_readv(2), pidfd_getfd(2) (5.6, 2020), setns(2). Book: "The matrix".
//! Invariant: only the canary is touched, which the run itself has made to be touched.

use super::{Ground, Seen, any, errno, one};
use crate::{Failure, Options, Result, say, sys};
use nix::{
    errno::Errno,
    sched::{CloneFlags, setns},
    sys::{
        signal::{Signal, kill},
        uio::{RemoteIoVec, process_vm_readv},
    },
    unistd::{Pid, getpid, getppid},
};
use std::{
    fs::{self, File},
    io::IoSliceMut,
    process::{Command, ExitCode},
    time::Duration,
};

pub(super) fn signal(ground: &Ground) -> Seen {
    match kill(Pid::from_raw(ground.pid()), Signal::SIGUSR1) {
        Ok(()) => Seen::Ask(format!("kill({}, SIGUSR1) = 0", ground.pid())),
        Err(errno) => Seen::Contained(format!("kill({}, SIGUSR1): {errno:?}", ground.pid())),
    }
}

pub(super) fn memory(ground: &Ground) -> Seen {
    let pid = ground.pid();
    let mut byte = [0];
    let address =
        ground.number("address").and_then(|address| usize::try_from(address).ok()).unwrap_or_default();
    let read = process_vm_readv(
        Pid::from_raw(pid),
        &mut [IoSliceMut::new(&mut byte)],
        &[RemoteIoVec { base: address, len: 1 }],
    );
    let copied = sys::pidfd(pid).and_then(|pidfd| sys::fd_of(&pidfd, 0));
    any(vec![
        ("PTRACE_SEIZE", sys::seize(pid)),
        ("process_vm_readv", read.map(drop)),
        ("pidfd_getfd", copied.map(drop)),
    ])
}

pub(super) fn environment(ground: &Ground) -> Seen {
    let path = format!("/proc/{}/environ", ground.pid());
    match fs::read(&path) {
        Ok(bytes) if String::from_utf8_lossy(&bytes).contains(ground.word("secret")) => {
            Seen::Leaks(format!("the secret is in {path}"))
        }
        Ok(bytes) => Seen::Contained(format!("{path}: {} bytes without the secret", bytes.len())),
        Err(error) => Seen::Contained(format!("open({path}): {:?}", errno(&error))),
    }
}

/// Who gets our orphans?
pub(super) fn orphan(ground: &Ground) -> Seen {
    let command = Command::new(ground.at("/bin/probe")).arg("orphan").output();
    match command {
        Ok(output) => {
            let parent = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            ground.by_namespace("pid", &format!("an orphan's new parent is {parent}"))
        }
        Err(error) => Seen::Contained(format!("fork: {:?}", errno(&error))),
    }
}

/// `probe orphan`: leaves a child behind, which says who its parent is then.
pub(crate) fn orphaned(options: &Options) -> Result<ExitCode> {
    let failed = |error: std::io::Error| Failure::Failed(format!("/proc/self/exe: {error}"));
    let [parent] = options.words()?[..] else {
        let own = std::env::args_os().next().unwrap_or_default();
        Command::new(own).args(["orphan", &getpid().to_string()]).spawn().map_err(failed)?;
        return Ok(ExitCode::SUCCESS);
    };
    for _ in 0..2000 {
        if getppid().to_string() != parent {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    say(getppid())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn join(ground: &Ground) -> Seen {
    let path = format!("/proc/{}/ns/mnt", ground.pid());
    let tried = File::open(&path).map_err(|error| errno(&error));
    let tried: std::result::Result<(), Errno> = tried.and_then(|file| setns(file, CloneFlags::CLONE_NEWNS));
    one("setns(the canary's mount namespace)", tried)
}
