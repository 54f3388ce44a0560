//! The engine's commands, each run to its end or to its timeout.
//!
//! clone3(2), pidfd_open(2), poll(2); config.md, "POSIX-platform Hooks". Book: "Hooks" (`hooks`).
//! Invariant: a hook gets its arguments, its environment, the state on its standard input, and nothing else of ours;
//! when [`run`] returns it has ended.

mod talk;

use crate::plan::hooks::HookPlan;
use crate::sys::signals;
use crate::{Error, Result};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, execve, pipe2, setpgid};
use stage1_chroot::descriptors::close_others_on_exec;
use stage1_chroot::printable;
use stage2_namespaces::Kinds;
use stage2_namespaces::birth::{Child, birth};
use std::os::fd::OwnedFd;
use std::time::Instant;
use talk::{End, Talk};

/// Runs each of `hooks` with `state`, up to the first that fails.
///
/// # Errors
/// That one's, which names it. What follows from it is the caller's to say: for all moments but poststop
/// the container is ended, for that one it is a warning (runtime.md, Lifecycle).
pub fn run_all(hooks: &[HookPlan], state: &[u8]) -> Result<()> {
    hooks.iter().try_for_each(|hook| run(hook, state))
}

// ANCHOR: hooks
/// Runs one hook in the namespaces and the root of this process, which must have one thread.
///
/// # Errors
/// It could not be executed, did not end with 0, or not in time; with what it wrote.
pub fn run(hook: &HookPlan, state: &[u8]) -> Result<()> {
    let pipe = || pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|errno| Error::call("pipe2(O_CLOEXEC)", errno));
    let (their_input, our_output) = pipe()?;
    let (our_input, their_output) = pipe()?;
    let begun = Instant::now();
    let child = birth(Kinds::NONE, None, |_| become_hook(hook, &their_input, &their_output))?;
    drop((their_input, their_output));
    let mut talk = Talk::new(our_input, our_output, state)?;
    let end = talk.until_end(&child, hook.timeout.map(|timeout| begun + timeout));
    // Nothing of it goes on after its time, or after an error of ours: it cannot have been waited for yet, so that the
    // number is still its own.
    let ended_by_itself = matches!(end, Ok(End::Itself));
    if !ended_by_itself {
        end_group(&child);
    }
    let status = child.wait()?;
    talk.last_words()?;
    verdict(hook, end?, status, &talk)
}
// ANCHOR_END: hooks

/// Of the hook's process: executes it, or says why not where its errors are read.
fn become_hook(hook: &HookPlan, input: &OwnedFd, output: &OwnedFd) -> u8 {
    let furnished = dup2_stdin(input)
        .and_then(|()| dup2_stdout(output))
        .and_then(|()| dup2_stderr(output))
        .and_then(|()| setpgid(Pid::from_raw(0), Pid::from_raw(0)))
        .and_then(|()| set_pdeathsig(None))
        .and_then(|()| signals::reset());
    let Err(error) = furnished
        .map_err(|errno| Error::call("dup2, setpgid", errno))
        .and_then(|()| close_others_on_exec(0))
        .map(|()| execve(&hook.path, &hook.arguments, &hook.environment))
        .and_then(|executed| match executed {
            Ok(never) => Ok(never),
            Err(errno) => Err(Error::call(format!("execve({:?})", hook.path), errno)),
        });
    // Read by `verdict`; standard error is the pipe, or nothing can be said at all.
    eprint!("{error}");
    if error.errno() == Some(nix::errno::Errno::ENOENT) { 127 } else { 126 }
}

/// Kills the hook and what it has left behind in its group. It may not have made its group yet.
fn end_group(child: &Child) {
    // By number: it has not been waited for, so that the number still means it and its group.
    killpg(child.pid, Signal::SIGKILL).ok();
    child.signal(libc::SIGKILL).ok();
}

fn verdict(hook: &HookPlan, end: End, status: u8, talk: &Talk<'_>) -> Result<()> {
    let said = match printable(talk.said().trim()) {
        said if said.is_empty() => String::new(),
        said => format!(": {said}"),
    };
    match (end, status) {
        (End::Itself, 0) => Ok(()),
        (End::Itself, status) => {
            Err(Error::refused(format!("{hook} failed with status {status}{said}")).with_hint(match status {
                126 | 127 => "its path is the runtime's, but for startContainer, where it is the container's",
                _ => "the words are the hook's own; try it by hand with the container's state on its standard input",
            }))
        }
        (End::TimeIsUp, _) => {
            let seconds = hook.timeout.unwrap_or_default().as_secs();
            Err(Error::refused(format!("{hook} did not end within {seconds} s and was killed{said}"))
                .with_hint("its timeout, in seconds, stands beside its path"))
        }
    }
}
