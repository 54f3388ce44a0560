//! `stage2-namespaces tree`: who is whose parent, and who owns what.
//!
//! ioctl_ns(2): NS_GET_PARENT, NS_GET_USERNS. Book: "Who owns whom" (`list`).
//! Invariant: every namespace that was found is drawn once in its tree.

use super::print;
use crate::Result;
use crate::census::{Census, Resident, command};
use crate::kind::Kind;
use clap::ValueEnum;
use stage1_chroot::printable;

/// Draw the parenthood of user and of pid namespaces
#[derive(Debug, clap::Args)]
pub struct TreeArgs {
    /// Which tree; without, both
    #[arg(value_enum)]
    which: Option<Which>,
}

/// The two kinds that have parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// User namespaces, with all that they own.
    User,
    /// Pid namespaces.
    Pid,
}

/// Draws the trees.
pub fn tree(args: &TreeArgs) -> Result<u8> {
    let census = Census::take()?;
    let mut text = String::new();
    for (which, kind) in [(Which::User, Kind::User), (Which::Pid, Kind::Pid)] {
        if args.which.is_none_or(|wanted| wanted == which) {
            let roots = census.residents.values().filter(|r| r.kind == kind && !has_parent(&census, r));
            roots.for_each(|root| draw(&census, root, ("", ""), &mut text));
        }
    }
    print(&text)
}

fn has_parent(census: &Census, resident: &Resident) -> bool {
    resident.parent.is_some_and(|inode| census.residents.contains_key(&(resident.kind, inode)))
}

/// Below a user namespace what it owns comes first, then its children.
fn below<'a>(census: &'a Census, of: &'a Resident) -> Vec<&'a Resident> {
    let all = || census.residents.values();
    let children = all().filter(|r| r.kind == of.kind && r.parent == Some(of.inode));
    match of.kind {
        Kind::User => {
            all().filter(|r| r.kind != Kind::User && r.owner == Some(of.inode)).chain(children).collect()
        }
        _ => children.collect(),
    }
}

fn draw(census: &Census, resident: &Resident, (first, rest): (&str, &str), text: &mut String) {
    text.push_str(&format!("{first}{}\n", line(resident)));
    let below = below(census, resident);
    for (i, child) in below.iter().enumerate() {
        let (branch, trunk) = if i + 1 == below.len() { ("└─", "  ") } else { ("├─", "│ ") };
        // What a user namespace owns is a leaf here; for pid namespaces the other tree tells the rest.
        match child.kind == resident.kind {
            true => draw(census, child, (&format!("{rest}{branch}"), &format!("{rest}{trunk}")), text),
            false => text.push_str(&format!("{rest}{branch}{}\n", line(child))),
        }
    }
}

fn line(resident: &Resident) -> String {
    let who = match (resident.pids.first(), resident.handles.first()) {
        (Some(pid), _) => format!("{} processes, {pid} {}", resident.pids.len(), short(&command(*pid))),
        (None, Some(handle)) => format!("no process, {}", printable(handle.to_string_lossy())),
        (None, None) => "no process".to_owned(),
    };
    let maker = resident.owner_uid.map(|uid| format!(", made by uid {uid}")).unwrap_or_default();
    format!("{}:[{}]{maker}: {who}", resident.kind, resident.inode)
}

fn short(text: &str) -> String {
    let clean = printable(text);
    match clean.chars().count() > 40 {
        true => clean.chars().take(40).chain(['…']).collect(),
        false => clean,
    }
}
