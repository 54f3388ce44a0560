//! What is asked of hooks.
//!
//! No kernel calls; config.md, "POSIX-platform Hooks". Book: "Hooks" (`hooks`).
//! Invariant: pure.

use super::{Findings, text};
use crate::config::fault::At;
use crate::config::{Hook, Hooks};

const RULE: &str = "config.md, POSIX-platform Hooks";

pub(super) fn check(hooks: &Hooks, at: At<'_>, found: &mut Findings) {
    for (name, list) in hooks.lists() {
        let at = at.key(name);
        for (number, hook) in list.iter().enumerate() {
            one(hook, at.index(number), found);
        }
    }
}

fn one(hook: &Hook, at: At<'_>, found: &mut Findings) {
    text::absolute(&hook.path, &at.key("path"), RULE, found);
    text::arguments(&hook.args, at.key("args"), found);
    text::environment(&hook.env, at.key("env"), found);
    match hook.timeout {
        Some(timeout) if timeout <= 0 => {
            found.refuse(&at.key("timeout"), format!("{timeout} seconds are not more than 0"), RULE);
        }
        _ => {}
    }
}
