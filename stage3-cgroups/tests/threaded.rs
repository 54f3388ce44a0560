//! Version 2's rules about who may be where: no internal processes, threaded and invalid groups.
//!
//! Book: "Delegation" (`delegation`).
//! Invariant: where there is no version 2, none of these rules is there to be broken.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

mod ground;

use ground::{Lab, Sleeper, can, groups, run, stage3};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use stage3_cgroups::{Base, Controller, Group, Layout, Version};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The group's directory in version 2, if there is one.
fn unified(lab: &Lab) -> Option<PathBuf> {
    let layout = Layout::read().unwrap();
    let hierarchy = layout.unified()?;
    let base = hierarchy.base(Base::fitting(&layout)).unwrap();
    Some(base.iter().fold(hierarchy.mount.clone(), |path, part| path.join(part)).join(&lab.0))
}

fn lab() -> Option<(Lab, PathBuf)> {
    if !can(&[Controller::Freezer]) {
        return None;
    }
    let lab = Lab::made(&[]);
    match unified(&lab) {
        Some(path) => Some((lab, path)),
        None => {
            ground::skip("there is no hierarchy of version 2: mount -t cgroup2 none DIR");
            None
        }
    }
}

/// A controller of version 2 that limits whole processes.
fn controller() -> Option<Controller> {
    let layout = Layout::read().unwrap();
    let whole = [Controller::Memory, Controller::Io, Controller::Hugetlb, Controller::Misc, Controller::Rdma];
    whole.into_iter().find(|c| layout.home(*c).is_some_and(|home| home.version == Version::V2))
}

fn create(name: &str, needed: &[Controller]) -> stage3_cgroups::Result<Group> {
    let layout = Layout::read().unwrap();
    Group::create(&layout, Base::fitting(&layout), &name.parse().unwrap(), needed)
}

/// A group may become threaded only where the group above hands down nothing that limits whole processes.
fn hand_down_nothing(path: &std::path::Path) {
    let enabled = fs::read_to_string(path.join("cgroup.subtree_control")).unwrap();
    for name in enabled.split_whitespace() {
        fs::write(path.join("cgroup.subtree_control"), format!("-{name}")).unwrap();
    }
}

#[test]
fn delegation_no_internal_processes_are_told_by_name() {
    let Some((lab, _)) = lab() else { return };
    let Some(controller) = controller() else {
        return ground::skip("version 2 has no controller here: cargo xtask vm --cgroup v2");
    };
    let sleeper = lab.sleeper();
    let inside = format!("{}/inside", lab.0);
    let error = create(&inside, &[controller]).unwrap_err();
    let hint = error.hint().unwrap_or_default();
    let names =
        hint.contains("no internal processes") && hint.contains(&format!("{} (sleep)", sleeper.0.id()));
    assert!(error.to_string().contains("EBUSY") && names, "{error} {hint}");
    assert!(groups(&inside).is_empty());
    // And the other way round: who hands down takes nobody in.
    drop(sleeper);
    create(&inside, &[controller]).unwrap();
    let sleeper = Sleeper(Command::new("sleep").arg("50").spawn().unwrap());
    let told = contains("EBUSY").and(contains("use one inside it"));
    lab.verb("attach").arg(sleeper.0.id().to_string()).assert().code(1).stderr(told);
    stage3(&["attach", &inside, &sleeper.0.id().to_string()]).assert().success();
}

#[test]
fn delegation_to_groups_inside_ends_where_none_is_left_and_a_process_comes() {
    let Some((lab, path)) = lab() else { return };
    let Some(controller) = controller() else {
        return ground::skip("version 2 has no controller here: cargo xtask vm --cgroup v2");
    };
    let handed = || fs::read_to_string(path.join("cgroup.subtree_control")).unwrap();
    let inside = format!("{}/inside", lab.0);
    create(&inside, &[controller]).unwrap();
    assert!(handed().contains(controller.name(Version::V2)));
    let sleeper = Sleeper(Command::new("sleep").arg("50").spawn().unwrap());
    let pid = sleeper.0.id().to_string();
    lab.verb("attach").arg(&pid).assert().code(1).stderr(contains("EBUSY"));
    assert!(handed().contains(controller.name(Version::V2)), "somebody inside has it");
    stage3(&["delete", &inside]).assert().success();
    lab.verb("attach").arg(&pid).assert().success();
    assert_eq!(handed().trim(), "");
    assert!(fs::read_to_string(path.join("cgroup.procs")).unwrap().contains(&pid));
}

#[test]
fn delegation_invalid_groups_take_nobody_and_threaded_ones_take_threads() {
    let Some((lab, path)) = lab() else { return };
    let inside = format!("{}/t", lab.0);
    stage3(&["create", &inside]).assert().success();
    hand_down_nothing(&path);
    fs::write(path.join("t/cgroup.type"), "threaded").unwrap();
    let other = format!("{}/other", lab.0);
    stage3(&["create", &other]).assert().success();
    let invalid = contains("EOPNOTSUPP").and(contains("\"domain invalid\""));
    let process = Sleeper(Command::new("sleep").arg("50").spawn().unwrap());
    let pid = process.0.id().to_string();
    stage3(&["attach", &other, &pid]).assert().code(1).stderr(invalid);
    run(&["--group", &format!("{other}/x")], &["true"]).assert().code(1).stderr(contains("EOPNOTSUPP"));
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(!cgroup.contains(&lab.0), "moved in no hierarchy: {cgroup}");
    // Into a threaded one go its threads, all of them; the process counts for the group above.
    stage3(&["attach", &inside, &pid]).assert().success();
    assert!(fs::read_to_string(path.join("t/cgroup.threads")).unwrap().contains(&pid));
    assert!(fs::read_to_string(path.join("cgroup.procs")).unwrap().contains(&pid));
}

#[test]
fn delegation_threaded_groups_are_frozen_and_killed_as_whole_processes() {
    let Some((lab, path)) = lab() else { return };
    if Layout::read().unwrap().kind() != stage3_cgroups::layout::Kind::V2 {
        return; // beside version 1 the process itself is in groups that are not threaded
    }
    let inside = format!("{}/t", lab.0);
    stage3(&["create", &inside]).assert().success();
    hand_down_nothing(&path);
    fs::write(path.join("t/cgroup.type"), "threaded").unwrap();
    let sleeper = lab.sleeper();
    let pid = sleeper.0.id().to_string();
    // Its only thread goes deeper; the process stays one of the domain.
    fs::write(path.join("t/cgroup.threads"), &pid).unwrap();
    let told = contains("EOPNOTSUPP").and(contains("kill that one"));
    stage3(&["kill", &inside, "--wait", "0.2"]).assert().code(1).stderr(told);
    lab.verb("delete")
        .args(["--wait", "0"])
        .assert()
        .code(1)
        .stderr(contains(format!("held by {pid} (sleep)")));
    lab.verb("freeze").assert().success();
    lab.verb("kill").assert().success().stdout("killed: 1\n");
    assert_eq!(sleeper.state(), 'Z');
}

#[test]
fn delegation_a_limit_of_processes_is_refused_in_a_threaded_tree() {
    let Some((lab, path)) = lab() else { return };
    let Some(controller) = controller() else {
        return ground::skip("version 2 has no controller here: cargo xtask vm --cgroup v2");
    };
    stage3(&["create", &format!("{}/t", lab.0)]).assert().success();
    hand_down_nothing(&path);
    fs::write(path.join("t/cgroup.type"), "threaded").unwrap();
    let error = create(&format!("{}/t/in", lab.0), &[controller]).unwrap_err();
    assert!(error.to_string().contains(controller.name(Version::V2)) && error.hint().is_some(), "{error}");
    assert!(!path.join("t/in").exists());
}
