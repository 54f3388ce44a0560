//! `explain`: what will be done with a bundle, told as the kernel calls it becomes.
//!
//! Only reads; Book: "config.json, told as calls" (`explain`).
//! Invariant: the plan that is told is the one that `run` would carry out; nothing is made, and no right is needed.

use super::create::{checked, facts};
use super::print;
use crate::bundle::Bundle;
use crate::config::Linux;
use crate::config::linux::NamespaceKind;
use crate::explain::{Look, Scene, ignored, page, story};
use crate::id::ContainerId;
use crate::plan::process::capabilities::Grantable;
use crate::plan::root::Way;
use crate::plan::{Facts, Plan};
use crate::{Error, Result, capabilities, cgroup};
use clap::ValueEnum;
use nix::unistd::{getegid, geteuid};
use stage3_cgroups::delegation::grants;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::PathBuf;

const AFTER: &str = "\
A call is printed as strace(1) does, but that a descriptor is told by what it is of: <rootfs>. A
call in [brackets] is made where it is needed, which only the machine knows.
  $   what does the same, typed; — where there is no command for it
  #   what it is for

A bundle without a user namespace is told as root would run it, whoever asks.

Examples:
  stage4-runtime explain box | less
  stage4-runtime explain box --format json | jq -r '.[].call[]'
  strace -f stage4-runtime run --bundle box mine               and compare";

/// Tell what would be done with a bundle, as the kernel calls it becomes
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct ExplainArgs {
    /// The directory with config.json, whose root need not be there; or with rootfs alone, as for `run`
    #[arg(default_value = ".", hide_default_value = true)]
    bundle: PathBuf,
    /// The container's name in the story
    #[arg(long, default_value = "mine")]
    id: ContainerId,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
enum Format {
    /// Numbered steps under headings
    #[default]
    Text,
    /// An array of objects: act, field, call, command, why
    Json,
}

/// The widest that is read with ease.
const WIDTH: usize = 100;

pub(super) fn explain(args: &ExplainArgs) -> Result<u8> {
    let bundle = Bundle::open(&args.bundle)?;
    let checked = checked(&bundle, Some(&[]))?;
    let view = View::of(&checked.config.linux)?;
    let mut warnings = checked.warnings;
    let mut plan = Plan::of(&checked.config, &args.id, bundle.path(), Way::Pivot, view.facts, &mut warnings)?;
    let layout = cgroup::layout()?;
    plan.cgroup = cgroup::settled(&layout, plan.cgroup);
    let delegated = || {
        let grants = grants(&layout, plan.cgroup.base);
        grants.iter().any(|grant| grant.home.as_ref().is_some_and(|home| home.make))
    };
    let steps = story(
        &plan,
        Scene {
            bundle: bundle.path(),
            layout: &layout,
            groups: view.privileged || delegated(),
            privileged: view.privileged,
            caller: view.caller,
            native: view.facts.native,
            known: view.facts.grantable.known,
            bounding: view.bounding,
        },
    );
    print(&match args.format {
        Format::Text => page(&steps, &ignored(&plan, &warnings), look()),
        Format::Json => {
            let json = serde_json::to_string_pretty(&steps).map_err(|e| Error::refused(e.to_string()))?;
            json + "\n"
        }
    })?;
    Ok(0)
}

/// Who runs it, in the story.
struct View {
    facts: Facts,
    privileged: bool,
    caller: (u32, u32),
    bounding: u64,
}

impl View {
    /// The caller; but without a user namespace nobody but root can run it, so it is told as root's.
    fn of(linux: &Linux) -> Result<Self> {
        const SYS_ADMIN: u64 = 1 << 21;
        let other_users = linux.namespace(NamespaceKind::User).is_some();
        let real = facts(linux)?;
        let known = real.grantable.known;
        if !other_users && real.grantable.held & SYS_ADMIN == 0 {
            let facts = Facts { grantable: Grantable { known, held: known }, within: false, ..real };
            return Ok(View { facts, privileged: true, caller: (0, 0), bounding: known });
        }
        let ours = capabilities::present()?;
        Ok(View {
            facts: real,
            privileged: ours.effective & SYS_ADMIN != 0,
            caller: (geteuid().as_raw(), getegid().as_raw()),
            // Whoever enters a user namespace begins with all of them.
            bounding: if other_users { known } else { ours.bounding },
        })
    }
}

/// As wide as the terminal, or as the environment says; and colours only for a terminal that wants them.
fn look() -> Look {
    let out = std::io::stdout();
    let terminal = crate::sys::tty::size(out.as_fd()).ok().map(|size| usize::from(size.columns));
    let asked = || std::env::var("COLUMNS").ok()?.parse().ok();
    let width = terminal.filter(|width| *width > 0).or_else(asked).unwrap_or(WIDTH).min(WIDTH);
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Look { width, colour: out.is_terminal() && !unwanted }
}
