//! What is asked of id maps, and of the ids that go through them.
//!
//! No kernel calls; user_namespaces(7); config-linux.md, "User namespace mappings". Book: `config`.
//! Invariant: pure; a map that passes is one that the kernel takes in its one write.

use super::Findings;
use crate::config::fault::At;
use crate::config::linux::{IdMapping, Linux, NamespaceKind};
use crate::config::process::Process;
use stage2_namespaces::idmap::{Extent, IdMap};

const RULE: &str = "config-linux.md, User namespace mappings";
const KERNEL: &str = "user_namespaces(7)";

/// The kernel's own rules: lines, counts, overlaps, length.
pub(super) fn map(mappings: &[IdMapping], at: At<'_>, found: &mut Findings) -> Option<IdMap> {
    let extent = |one: &IdMapping| Extent { inside: one.container_id, outside: one.host_id, count: one.size };
    match IdMap::new(mappings.iter().map(extent).collect()) {
        Ok(map) => Some(map),
        Err(error) => {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            found.refuse(&at, format!("{error}{hint}"), KERNEL);
            None
        }
    }
}

/// The maps of the container's user namespace.
pub(super) fn of_namespace(linux: &Linux, at: At<'_>, found: &mut Findings) {
    let maps = [("uidMappings", &linux.uid_mappings), ("gidMappings", &linux.gid_mappings)];
    let Some(namespace) = linux.namespace(NamespaceKind::User) else {
        for (name, _) in maps.iter().filter(|(_, mappings)| !mappings.is_empty()) {
            found.refuse(&at.key(name), "is given, but no namespace of the type \"user\"", RULE);
        }
        return;
    };
    for (name, mappings) in maps {
        let at = at.key(name);
        if mappings.is_empty() {
            if namespace.path.is_none() {
                found.refuse(&at, "is missing; a new user namespace needs both maps", RULE);
            }
        } else if let Some(map) = map(mappings, at, found)
            && map.outside(0).is_none()
        {
            found.refuse(&at, "does not map 0 inside, as whom the container is set up", KERNEL);
        }
    }
}

/// The ids of the process exist in the new user namespace.
pub(super) fn of_process(process: &Process, linux: &Linux, found: &mut Findings) {
    if !linux.makes(NamespaceKind::User) {
        return;
    }
    let (at, user) = (At::Top.key("process"), &process.user);
    let at = at.key("user");
    mapped(user.uid, &linux.uid_mappings, &at.key("uid"), found);
    mapped(user.gid, &linux.gid_mappings, &at.key("gid"), found);
    let groups = at.key("additionalGids");
    for (number, gid) in user.additional_gids.iter().enumerate() {
        mapped(*gid, &linux.gid_mappings, &groups.index(number), found);
    }
}

fn mapped(id: u32, mappings: &[IdMapping], at: &At<'_>, found: &mut Findings) {
    let inside = |one: &IdMapping| id.checked_sub(one.container_id).is_some_and(|offset| offset < one.size);
    if !mappings.is_empty() && !mappings.iter().any(inside) {
        found.refuse(at, format!("{id} is mapped to no id outside"), KERNEL);
    }
}
