//! What init needs of the host, opened while the host can be reached.
//!
//! open_tree(2), open(2) O_PATH. Book: "A container's birth" (`birth`).
//! Invariant: after the birth nothing of the host is looked up by its path any more.

use super::Order;
use crate::mounts::Sources;
use crate::procfs::Procfs;
use crate::{Error, Result};
use stage2_namespaces::nsfs::Namespace;
use stage3_cgroups::Group;
use stage3_cgroups::group::Doors;

/// Descriptors.
#[derive(Debug)]
pub struct Outside {
    /// By which init enters its group, where it is not born in it.
    pub doors: Option<Doors>,
    /// What its mounts are made of.
    pub sources: Sources,
    /// The host's /proc.
    pub proc: Procfs,
}

impl Outside {
    /// Opens all of it.
    ///
    /// # Errors
    /// Something is not there, or not what it should be.
    pub fn open(order: &Order<'_>, group: Option<&Group>) -> Result<Self> {
        let plan = order.plan;
        // A joiner may not put anybody into the group: the right to do so is asked of who does it.
        let born = plan.namespaces.joined.is_empty() && group.is_some_and(|group| group.cradle().is_some());
        Ok(Outside {
            doors: group.map(|group| group.doors(born)).transpose()?,
            sources: Sources::open(
                &plan.root,
                &plan.mounts,
                &plan.devices,
                &plan.masks,
                (order.layout, group),
            )?,
            proc: Procfs::open()?,
        })
    }
}

/// The namespaces that are joined.
///
/// # Errors
/// A path that is no namespace, or one of another kind.
pub fn namespaces(order: &Order<'_>) -> Result<Vec<Namespace>> {
    let open = |joined: &crate::plan::namespaces::Joined| {
        let place = format!("config.json: linux.namespaces[{}].path", joined.index);
        let namespace = Namespace::open(&joined.path).map_err(|error| {
            let hint = error
                .hint()
                .unwrap_or("the path must lead to a namespace, as /proc/PID/ns/net does")
                .to_owned();
            Error::refused(format!("{place}: {error}")).with_hint(hint)
        })?;
        match namespace.kind() == joined.kind {
            true => Ok(namespace),
            false => Err(Error::refused(format!(
                "{place}: {:?} is a {} namespace, wanted is {}",
                joined.path,
                namespace.kind(),
                joined.kind
            ))
            .with_hint("`ls -l /proc/PID/ns` shows a process's namespaces by their kinds")),
        }
    };
    order.plan.namespaces.joined.iter().map(open).collect()
}
