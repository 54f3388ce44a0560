//! User namespaces whose only purpose is their maps: mounts show owners through them.
//!
//! mount_setattr(2), MOUNT_ATTR_IDMAP, Linux 5.12, 2021. Book: "Mounts" (`mounts`).
//! Invariant: the process that a namespace is made by is gone before it is used.

use crate::plan::mounts::MappedBy;
use crate::{Error, Result};
use stage2_namespaces::birth::birth;
use stage2_namespaces::nsfs::Namespace;
use stage2_namespaces::users::Users;
use stage2_namespaces::{Kind, Kinds};
use std::os::fd::{AsFd, BorrowedFd};

/// The namespaces made so far: mounts with the same maps share one.
#[derive(Debug, Default)]
pub(crate) struct Owners(Vec<(MappedBy, Namespace)>);

impl Owners {
    /// The namespace that has these maps.
    pub(super) fn namespace(&mut self, by: &MappedBy) -> Result<BorrowedFd<'_>> {
        let place = match self.0.iter().position(|(known, _)| known == by) {
            Some(place) => place,
            None => {
                let namespace = match by {
                    MappedBy::Maps(users) => made(users)?,
                    MappedBy::Namespace(path) => Namespace::open(path)?,
                };
                if namespace.kind() != Kind::User {
                    return Err(Error::refused(format!(
                        "{by:?} is of the kind {}, not a user namespace",
                        namespace.kind()
                    )));
                }
                self.0.push((by.clone(), namespace));
                self.0.len() - 1
            }
        };
        Ok(self.0[place].1.as_fd())
    }
}

/// A namespace lives as long as its descriptor; the process in it only has to live until that is open.
fn made(users: &Users) -> Result<Namespace> {
    let child = birth(Kinds::NONE.with(Kind::User, true), None, |_| {
        // Ends with the signal below, or with the runtime if that ends first.
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).ok();
        nix::unistd::pause();
        0
    })?;
    let namespace = users.give(&child).and_then(|()| Namespace::of(child.pid.as_raw(), Kind::User));
    child.signal(libc::SIGKILL)?;
    child.wait()?;
    namespace
}
