//! A walk through the groups inside a group, however deep they are.
//!
//! openat(2), getdents64(2). Book: "The whole group" (`kill`).
//! Invariant: one descriptor and no recursion, whatever an owner of the tree has built; a group that goes meanwhile is no
//! error.
//!
//! The way up is `..`, and cannot lead elsewhere: a group may get another name, and only in version 1, but never
//! another parent (`cgroup1_rename()` in kernel/cgroup/cgroup-v1.c).

use crate::directory::Directory;
use crate::{Error, Result};
use nix::errno::Errno;
use std::time::Instant;

/// What is done on the way.
pub(super) trait Visit {
    /// On finding `name` in `parent`: shall we go in?
    fn find(&mut self, _parent: &Directory, _name: &str) -> Result<bool> {
        Ok(true)
    }

    /// In a group, before those inside it.
    fn enter(&mut self, _group: &Directory) -> Result<()> {
        Ok(())
    }

    /// After all that is inside `name`.
    fn leave(&mut self, _parent: &Directory, _name: &str) -> Result<()> {
        Ok(())
    }
}

/// Visits `names` in `top`, and all that is inside them.
///
/// # Errors
/// ETIMEDOUT at `end`: an owner who makes groups as fast as we walk would keep us for ever.
pub(super) fn walk(top: &Directory, names: Vec<String>, end: Instant, visit: &mut impl Visit) -> Result<()> {
    let mut here = top.again()?;
    let (mut pending, mut way) = (vec![names], Vec::<String>::new());
    while let Some(names) = pending.last_mut() {
        if Instant::now() > end {
            return Err(Error::call(format!("walk({:?})", top.path()), Errno::ETIMEDOUT).with_hint(
                "somebody makes groups in it faster than they are visited: stop them first, or --wait longer",
            ));
        }
        let Some(name) = names.pop() else {
            pending.pop();
            if let Some(name) = way.pop() {
                here = here.parent()?;
                visit.leave(&here, &name)?;
            }
            continue;
        };
        if !visit.find(&here, &name)? {
            continue;
        }
        let Some(child) = or_none(here.child(&name))? else { continue };
        visit.enter(&child)?;
        pending.push(or_none(child.children())?.unwrap_or_default());
        way.push(name);
        here = child;
    }
    Ok(())
}

/// A group may go while we look at it.
pub(super) fn or_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENODEV)) => Ok(None),
        result => result.map(Some),
    }
}
