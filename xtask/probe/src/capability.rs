//! `probe can NEED`: tries what a demo needs, on this kernel, as this user.
//!
//! unshare(2), chroot(2), mount(2). Book: "How to use this book".
//! Invariant: the call itself is made, in this process alone, which then ends: a prediction is an experiment.

use crate::{Failure, Options, Result, say};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use serde_json::json;
use stage1_chroot::{
    Error,
    identity::{self, User},
    loan::{self, Capability},
    proc,
};
use std::process::ExitCode;

/// `probe can NEED`
pub(crate) fn print(options: &Options) -> Result<ExitCode> {
    let [need] = options.words()?[..] else { return Err(Failure::Usage("can NEED".into())) };
    let tried = match need {
        "chroot" => chroot(),
        "mounts" => mounts(),
        "userns" => loan::borrow(User::ROOT),
        "users" => users(),
        "namespaces" => namespaces(),
        other => {
            return Err(Failure::Usage(format!(
                "unknown need {other:?}: chroot, mounts, userns, users, namespaces"
            )));
        }
    };
    let answer = match &tried {
        Ok(()) => json!({ "possible": true }),
        Err(error) => json!({ "possible": false, "reason": error.to_string(), "remedy": error.hint() }),
    };
    say(answer)?;
    Ok(ExitCode::from(u8::from(tried.is_err())))
}

/// As `stage1-chroot run` does it: by right, else with a borrowed user namespace.
fn with(capability: Capability) -> stage1_chroot::Result<()> {
    loan::lacking(&[capability])?.map_or(Ok(()), |_| loan::borrow(User::ROOT))
}

fn chroot() -> stage1_chroot::Result<()> {
    with(Capability::SYS_CHROOT)?;
    nix::unistd::chroot("/").map_err(|errno| Error::call("chroot(\"/\")", errno))
}

/// Becoming another user, as `stage1-chroot run --user` does it.
fn users() -> stage1_chroot::Result<()> {
    let nobody: User = "65534".parse()?;
    match loan::lacking(&[Capability::SYS_CHROOT])? {
        Some(_) => loan::borrow(nobody),
        None => identity::drop_groups().and_then(|()| nobody.assume()),
    }
}

/// Every kind of namespace at once, as `stage2-namespaces run --all` makes them.
fn namespaces() -> stage1_chroot::Result<()> {
    with(Capability::SYS_ADMIN)?;
    let kinds = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWCGROUP
        | CloneFlags::from_bits_retain(libc::CLONE_NEWTIME);
    unshare(kinds).map_err(|errno| Error::call("unshare(all kinds)", errno))
}

/// A mount namespace, and a bind mount of /proc in it, as `stage1-chroot run --proc` makes it.
fn mounts() -> stage1_chroot::Result<()> {
    with(Capability::SYS_ADMIN)?;
    proc::private_mounts()?;
    mount(Some("/proc"), "/proc", None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .map_err(|errno| Error::call("mount(\"/proc\", \"/proc\", NULL, MS_BIND|MS_REC, NULL)", errno))
}
