//! A step as it is played here: by whom, and on which layout of control groups.
//!
//! /proc/self/mountinfo. Book: "How to use this book".
//! Invariant: the layout is what is mounted, and never what a distribution is known for.

use crate::{
    need::Need,
    script::{Command, Step, Text, Variant},
};
use std::{collections::BTreeSet, fs};

/// Which versions of control groups are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Version 1 only.
    V1,
    /// Both, or none.
    Hybrid,
    /// Version 2 only.
    V2,
}

impl Layout {
    /// That of this machine.
    pub fn here() -> Layout {
        Layout::of(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    fn of(mountinfo: &str) -> Layout {
        // After the hyphen: file system type, source, options (proc_pid_mountinfo(5)).
        let is = |line: &str, wanted: &str| {
            line.split_once(" - ").is_some_and(|(_, rest)| rest.split(' ').next() == Some(wanted))
        };
        let has = |wanted| mountinfo.lines().any(|line| is(line, wanted));
        match (has("cgroup"), has("cgroup2")) {
            (true, false) => Layout::V1,
            (false, true) => Layout::V2,
            _ => Layout::Hybrid,
        }
    }

    /// As snapshots are named; none for those without a suffix.
    fn suffix(self) -> Option<&'static str> {
        match self {
            Layout::V1 => Some("v1"),
            Layout::Hybrid => None,
            Layout::V2 => Some("v2"),
        }
    }
}

/// The hierarchies of version 1 as `cargo xtask vm` mounts them, which is how systemd does; snapshots are recorded there.
const RECORDED: &str = "blkio cpu,cpuacct cpuset devices freezer hugetlb memory misc net_cls,net_prio perf_event pids rdma systemd";

/// Those of this mountinfo, by their mount points' names.
fn hierarchies(mountinfo: &str) -> String {
    let first = mountinfo.lines().filter(|line| line.contains(" - cgroup "));
    let places = first.filter_map(|line| line.split(' ').nth(4));
    let names: BTreeSet<_> = places.filter_map(|place| place.rsplit('/').next()).collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}

/// A step with the variant that is played.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The step.
    pub step: &'a Step,
    /// An ordinary user plays it.
    pub ordinary: bool,
    variant: Option<&'a Variant>,
    rootless: bool,
    layout: Layout,
}

impl<'a> Part<'a> {
    /// What it needs of the machine.
    pub fn needs(&self) -> &'a [Need] {
        self.variant.and_then(|variant| variant.needs.as_deref()).unwrap_or(&self.step.needs)
    }

    /// Its commands, in order.
    pub fn commands(&self) -> &'a [Command] {
        match self.variant {
            Some(own) if !own.commands.is_empty() => &own.commands,
            _ => &self.step.commands,
        }
    }

    /// What the observation means.
    pub fn tell(&self) -> &'a Text {
        self.variant.and_then(|variant| variant.tell.as_ref()).unwrap_or(&self.step.tell)
    }

    /// Whether there is a snapshot for each layout.
    fn differs(&self) -> bool {
        if self.rootless { self.variant.is_some_and(|own| own.layouts) } else { self.step.layouts }
    }

    /// Whether the letters of its snapshot can be those of this machine: version 1 is mounted in many ways.
    pub fn is_recorded_on(&self, mountinfo: &str) -> bool {
        // Of a hybrid layout an ordinary user is given version 2's part alone, and so never all that root has.
        let part_only = self.ordinary && !self.rootless && self.layout == Layout::Hybrid;
        !self.differs() || self.layout == Layout::V2 || (hierarchies(mountinfo) == RECORDED && !part_only)
    }

    /// Whether it shows what an ordinary user sees whom control groups are refused.
    pub fn is_refused_groups(&self) -> bool {
        self.rootless && self.step.needs.iter().any(|need| need.is_of_groups())
    }

    /// The snapshot's name: the slug, with `@rootless`, `@v2` or `@rootless-v2` where something else is seen.
    pub fn snapshot(&self) -> String {
        let who = self.rootless.then_some("rootless");
        let layout = self.layout.suffix().filter(|_| self.differs());
        let suffix: Vec<_> = who.into_iter().chain(layout).collect();
        if suffix.is_empty() {
            self.step.slug.clone()
        } else {
            format!("{}@{}", self.step.slug, suffix.join("-"))
        }
    }
}

impl Step {
    /// The step for root or for an ordinary user; `met` tells whether needs are met for who asks.
    pub fn part(&self, ordinary: bool, layout: Layout, met: impl FnOnce(&[Need]) -> bool) -> Part<'_> {
        let by_layout = match layout {
            Layout::V1 => self.v1.as_ref(),
            Layout::Hybrid => None,
            Layout::V2 => self.v2.as_ref(),
        };
        let variant = |variant, rootless| Part { step: self, ordinary, variant, rootless, layout };
        let usual = variant(by_layout, false);
        match &self.rootless {
            // Who was given what the step needs plays as root does: control groups can be delegated.
            Some(own) if ordinary && (own.needs.is_none() || !met(usual.needs())) => variant(Some(own), true),
            _ => usual,
        }
    }

    /// All there can be.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let who = [false, true].into_iter();
        who.flat_map(|ordinary| {
            [Layout::Hybrid, Layout::V1, Layout::V2].map(|layout| self.part(ordinary, layout, |_| false))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test whose ground cannot be made fails")]
mod tests {
    use super::*;
    use crate::script::Script;

    const SCRIPT: &str = r#"
        [stage]
        name = "s"
        package = "p"
        years = "1979"
        title = { en = "t", ko = "t" }
        intro = { en = "t", ko = "t" }
        [[step]]
        slug = "a"
        series = "Part I"
        title = { en = "t", ko = "t" }
        say = { en = "t", ko = "t" }
        ask = { en = "t", ko = "t" }
        tell = { en = "t", ko = "t" }
        needs = ["groups"]
        layouts = true
        command = [{ run = "hybrid", shows = ["x"] }]
        v2.command = [{ run = "v2", shows = ["x"] }]
        rootless.needs = []
        rootless.layouts = true
        rootless.command = [{ run = "refused", shows = ["x"] }]
    "#;

    #[test]
    fn who_meets_the_needs_plays_as_root_does() {
        let script = Script::parse(SCRIPT).unwrap();
        let step = &script.steps[0];
        let named = |ordinary, layout, met: bool| {
            let part = step.part(ordinary, layout, |_| met);
            (part.commands()[0].run.clone(), part.snapshot())
        };
        let is = |run: &str, name: &str| (run.to_owned(), name.to_owned());
        assert_eq!(named(false, Layout::Hybrid, true), is("hybrid", "a"));
        assert_eq!(named(false, Layout::V1, true), is("hybrid", "a@v1"));
        assert_eq!(named(false, Layout::V2, false), is("v2", "a@v2"), "root is never rootless");
        assert_eq!(named(true, Layout::V2, true), is("v2", "a@v2"));
        assert_eq!(named(true, Layout::V2, false), is("refused", "a@rootless-v2"));
        assert!(step.part(true, Layout::V1, |_| false).needs().is_empty());
    }

    #[test]
    fn the_layout_is_what_is_mounted() {
        let v1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        let v2 = "41 31 0:38 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!((Layout::of(v1), Layout::of(v2)), (Layout::V1, Layout::V2));
        assert_eq!(Layout::of(&format!("{v1}{v2}")), Layout::Hybrid);
        assert_eq!(hierarchies(&format!("{v1}{v2}{}", v1.replace("cpu", "blkio"))), "blkio cpu");
    }
}
