//! `stage3-cgroups create` and `set`: a group that stays, and its limits.
//!
//! mkdir(2), write(2). Book: "The file system as interface" (`info`).
//! Invariant: a group whose limits were refused is removed again.

use super::limit::LimitArgs;
use super::{Named, note, note_left_out, ours, print};
use crate::controller::Controller;
use crate::group::Group;
use crate::layout::{Base, Layout};
use crate::limits::Setting;
use crate::name::GroupName;
use crate::{Error, Result};
use nix::unistd::User;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  stage3-cgroups create stage3-lab --memory 100M --swap 0 --pids 64
  stage3-cgroups create stage3-lab/inside                groups nest
  stage3-cgroups create stage3-theirs --owner learner    groups inside it are learner's to make";

/// Make a group, and print the writes that set its limits
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CreateArgs {
    /// The group: stage3-NAME, or stage3-NAME/INSIDE
    #[arg(value_name = "GROUP", value_parser = ours)]
    group: GroupName,

    /// Give the group to this user: groups inside it are theirs to make and to limit
    #[arg(long, value_name = "USER", value_parser = user)]
    owner: Option<User>,

    #[command(flatten)]
    limits: LimitArgs,
}

/// Change the limits of a group, and print the writes that do it
#[derive(Debug, clap::Args)]
pub struct SetArgs {
    #[command(flatten)]
    named: Named,

    #[command(flatten)]
    limits: LimitArgs,
}

fn user(name: &str) -> Result<User, String> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(format!("there is no user {name:?}")),
        Err(errno) => Err(format!("getpwnam({name:?}): {errno}")),
    }
}

/// Makes it.
pub fn create(args: &CreateArgs) -> Result<u8> {
    let layout = Layout::require()?;
    let (group, settings) = make(&layout, &args.group, &args.limits, &[])?;
    if let Some(owner) = &args.owner
        && let Err(error) = group.give_to(owner.uid, owner.gid)
    {
        return Err(undone(&group, error));
    }
    note_left_out(&group);
    tell(&group, &settings)
}

/// Makes a group with its limits, or nothing. `also`: controllers wanted beside those of the limits.
pub(super) fn make(
    layout: &Layout,
    name: &GroupName,
    args: &LimitArgs,
    also: &[Controller],
) -> Result<(Group, Vec<Setting>)> {
    let limits = args.limits();
    // What cannot be written down on this layout fails before anything is made.
    limits.settings_on(layout)?;
    let mut needed = limits.controllers();
    needed.extend(also);
    if !args.device.is_empty() {
        needed.push(Controller::Devices);
    }
    let group = Group::create(layout, Base::of(layout, name), name, &needed)?;
    match furnish(&group, args) {
        Ok(settings) => Ok((group, settings)),
        Err(error) => Err(undone(&group, error)),
    }
}

/// The error that is to be told is the first one.
fn undone(group: &Group, error: Error) -> Error {
    if let Err(left) = group.delete(Duration::ZERO) {
        note(&format!("{} could not be removed again: {left}", group.name()));
    }
    error
}

fn furnish(group: &Group, args: &LimitArgs) -> Result<Vec<Setting>> {
    let settings = group.set(&args.limits())?;
    if !args.device.is_empty() {
        group.allow_devices_only(&args.device)?;
    }
    Ok(settings)
}

/// Changes them.
pub fn set(args: &SetArgs) -> Result<u8> {
    let group = args.named.open()?;
    let settings = furnish(&group, &args.limits)?;
    match settings.is_empty() && args.limits.device.is_empty() {
        true => Err(Error::refused("no limit was named").with_hint("add --memory, --cpus, --pids, …")),
        false => tell(&group, &settings),
    }
}

/// What a reader would have typed.
fn tell(group: &Group, settings: &[Setting]) -> Result<u8> {
    let line = |setting: &Setting| {
        let directory =
            group.place(setting.controller).map(|place| place.directory.path().display().to_string());
        format!("echo {} > {}/{}\n", quoted(&setting.value), directory.unwrap_or_default(), setting.file)
    };
    let made = group.places().iter().map(|place| format!("{}\n", place.directory.path().display()));
    match settings.is_empty() {
        true => print(&made.collect::<String>()),
        false => print(&settings.iter().map(line).collect::<String>()),
    }
}

fn quoted(value: &str) -> String {
    if value.contains(' ') { format!("\"{value}\"") } else { value.to_owned() }
}
