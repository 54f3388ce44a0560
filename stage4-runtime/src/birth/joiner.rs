//! A process that goes into namespaces which are there already, and gives birth to init in them.
//!
//! setns(2), clone3(CLONE_PARENT). Book: "Pods" (`joined`).
//! Invariant: the parent stays where it is; init is its child all the same, and the joiner is gone when this returns.

use crate::conversation::{Line, Word, failed};
use crate::{Error, Failure, Result};
use nix::errno::Errno;
use nix::sched::setns;
use nix::unistd::Pid;
use stage2_namespaces::birth::{Child, Newborn, birth, birth_of_sibling};
use stage2_namespaces::nsfs::Namespace;
use stage2_namespaces::{Kind, Kinds};
use std::cell::Cell;

// ANCHOR: pod
/// Gives birth in `joined` and in new namespaces of the kinds `born`; what the joiner does `before` it joins them, its
/// child inherits.
///
/// # Errors
/// A namespace that may not be joined; what the birth says.
pub fn bear(
    joined: Vec<Namespace>,
    born: Kinds,
    before: impl FnOnce() -> Result<()>,
    life: impl FnOnce(Newborn) -> u8,
) -> Result<Child, Failure> {
    let (ours, its) = Line::pair().map_err(failed)?;
    let (ours, its) = (Cell::new(Some(ours)), Cell::new(Some(its)));
    let joiner = birth(Kinds::NONE, None, |_| {
        let begotten = |newborn: Newborn| {
            // The joiner's silence is news, whatever we wait for ourselves.
            drop((ours.take(), its.take()));
            life(newborn)
        };
        let said =
            before().and_then(|()| join_all(&joined)).and_then(|()| birth_of_sibling(born, None, begotten));
        let word = match said {
            Ok(child) => Word::Born(child.pid.as_raw()),
            Err(error) => Word::Failed(failed(error)),
        };
        u8::from(its.take().is_none_or(|line| line.say(&word).is_err()))
    })
    .map_err(failed)?;
    drop(its.take());
    let said = match ours.take() {
        Some(line) => line.hear().map_err(failed)?,
        None => None,
    };
    joiner.wait().map_err(failed)?;
    match said {
        Some(Word::Born(pid)) => Child::adopt(Pid::from_raw(pid)).map_err(failed),
        Some(Word::Failed(failure)) => Err(failure),
        _ => Err(failed(Error::refused("the process that joins namespaces has ended without a word"))),
    }
}
// ANCHOR_END: pod

/// Whatever the present rights reach, then the user namespace, then the rest by the rights that it gives: the
/// namespaces of a pod may belong to the host or to the pod's own user namespace.
pub(crate) fn join_all(joined: &[Namespace]) -> Result<()> {
    let user = joined.iter().find(|namespace| namespace.kind() == Kind::User);
    let others = joined.iter().filter(|namespace| namespace.kind() != Kind::User);
    let mut later = Vec::new();
    for namespace in others {
        match join(namespace) {
            Err(Errno::EPERM) if user.is_some() => later.push(namespace),
            joined => joined.map_err(|errno| explain(namespace, errno))?,
        }
    }
    user.into_iter()
        .chain(later)
        .try_for_each(|namespace| join(namespace).map_err(|errno| explain(namespace, errno)))
}

fn join(namespace: &Namespace) -> nix::Result<()> {
    setns(namespace, Kinds::NONE.with(namespace.kind(), true).flags())
}

fn explain(namespace: &Namespace, errno: Errno) -> Error {
    let kind = namespace.kind();
    let error = Error::call(format!("setns(<{kind} namespace {}>)", namespace.inode()), errno);
    match errno {
        Errno::EPERM => {
            error.with_hint("needs CAP_SYS_ADMIN in the user namespace that owns it; list that one, too")
        }
        Errno::EINVAL if kind == Kind::User => error.with_hint("we are in that user namespace already"),
        _ => error,
    }
}
