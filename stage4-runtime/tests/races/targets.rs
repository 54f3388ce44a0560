//! Whatever is made by the hundred: mounts, masks, devices, each in a directory that is a link every other moment.
//!
//! openat2(2), RESOLVE_IN_ROOT; move_mount(2), mknodat(2). Book: "Whoever is faster" (`races`).
//! Invariant: of a container that was made all targets are inside; what is outside is looked at after each.

use crate::arena::{Arena, BATCH, Node, place};
use crate::ground::Bench;
use crate::naive::{self, Deed};
use crate::tally::{End, Tally};
use crate::{alone, rounds};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// What is made, and how that is seen.
struct Target {
    name: &'static str,
    node: fn(usize) -> Node,
    edit: fn(&mut Value, &Bench),
    /// How many of the targets are inside: in the directories, and where the links lead.
    inside: fn(&Arena, mountinfo: &str) -> (usize, usize),
    naive: Deed,
}

/// First with a hook, which sees all mounts before the host's are left; then, as is usual, without.
fn race(bench: Option<Bench>, target: &Target) {
    let _alone = alone();
    let Some(mut arena) = Arena::new(bench, target.node) else { return };
    let lost = naive::lost(&arena, target.naive);
    arena.remember();
    let containers = rounds().div_ceil(BATCH).max(2);
    let seen = arena.bench.path("shared/seen");
    let tally = Tally::race((target.name, containers, BATCH), 1, arena.attack(), |n| {
        if n == 0 || n == containers / 2 {
            arena.config("cat /proc/self/mountinfo", |config| {
                (target.edit)(config, &arena.bench);
                if n == 0 {
                    hook(config, &seen);
                }
            });
        }
        arena.sweep();
        end(&arena, target, &seen)
    });
    tally.met_the_link().tell(lost);
    arena.bench.nothing_is_left();
}

fn hook(config: &mut Value, seen: &Path) {
    let script = format!("cat /proc/self/mountinfo > {}", seen.display());
    config["hooks"] = json!({"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]});
}

fn end(arena: &Arena, target: &Target, seen: &Path) -> End {
    let (status, output, errors) = arena.bench.call(&["run", &arena.bench.id()]);
    let outside = arena.outside();
    let stray = fs::read_to_string(seen).unwrap_or_default();
    fs::remove_file(seen).ok();
    if let Some(point) = points(&stray).find(|point| Path::new(point).starts_with(&outside)) {
        return End::Escaped(format!("a mount at {point}"));
    }
    if let Some(harm) = arena.harm() {
        return End::Escaped(harm);
    }
    if status != 0 {
        // One of the exchanges was met in its middle; nothing that was begun has been left to itself.
        assert!(
            status == 1 && errors.contains("[root]") && !errors.contains("panicked"),
            "{status}: {errors}"
        );
        assert!(output.is_empty(), "it ran all the same: {output}");
        return End::Refused;
    }
    match (target.inside)(arena, &output) {
        (real, linked) if real + linked == BATCH => End::Made { linked },
        (real, linked) => End::Escaped(format!("only {real} and {linked} are inside: {output}")),
    }
}

fn points(mountinfo: &str) -> impl Iterator<Item = &str> {
    mountinfo.lines().filter_map(|line| line.split(' ').nth(4))
}

fn mounts(arena: &Arena, mountinfo: &str) -> (usize, usize) {
    let outside = arena.outside();
    let linked = points(mountinfo).filter(|point| Path::new(point).starts_with(&outside)).count();
    let real = |point: &&str| point.starts_with("/absolute") || point.starts_with("/relative");
    (points(mountinfo).filter(real).count(), linked)
}

fn add(config: &mut Value, list: &str, make: impl Fn(usize) -> Value) {
    let list = config.pointer_mut(list).unwrap().as_array_mut().unwrap();
    list.extend((0..BATCH).map(make));
}

/// Of four two are there, and two have to be made.
fn some(n: usize, node: Node) -> Node {
    if n % 4 < 2 { node } else { Node::Missing }
}

#[test]
fn exchanged_targets_of_tmpfs() {
    race(
        Bench::for_anybody(),
        &Target {
            name: "tmpfs",
            node: |n| some(n, Node::Directory),
            edit: |config, _| {
                add(
                    config,
                    "/mounts",
                    |n| json!({"destination": place(n), "type": "tmpfs", "options": ["size=4k"]}),
                );
            },
            inside: mounts,
            naive: naive::tmpfs,
        },
    );
}

#[test]
fn exchanged_targets_of_directories_that_are_bound() {
    race(
        Bench::for_anybody(),
        &Target {
            name: "bind, directory",
            node: |n| some(n, Node::Directory),
            edit: |config, bench| {
                let source = bench.path("shared");
                add(
                    config,
                    "/mounts",
                    |n| json!({"destination": place(n), "source": source, "options": ["bind"]}),
                );
            },
            inside: mounts,
            naive: naive::directory,
        },
    );
}

#[test]
fn exchanged_targets_of_files_that_are_bound() {
    race(
        Bench::for_anybody(),
        &Target {
            name: "bind, file",
            node: |n| some(n, Node::File),
            edit: |config, bench| {
                let source = bench.path("source");
                fs::write(&source, "").unwrap();
                add(
                    config,
                    "/mounts",
                    |n| json!({"destination": place(n), "source": source, "options": ["bind", "ro"]}),
                );
            },
            inside: mounts,
            naive: naive::file,
        },
    );
}

fn both(n: usize) -> Node {
    if n % 4 < 2 { Node::Directory } else { Node::File }
}

#[test]
fn exchanged_paths_that_are_masked() {
    race(
        Bench::for_anybody(),
        &Target {
            name: "maskedPaths",
            node: both,
            edit: |config, _| add(config, "/linux/maskedPaths", |n| json!(place(n))),
            inside: mounts,
            naive: naive::cover,
        },
    );
}

#[test]
fn exchanged_paths_that_are_read_only() {
    race(
        Bench::for_anybody(),
        &Target {
            name: "readonlyPaths",
            node: both,
            edit: |config, _| add(config, "/linux/readonlyPaths", |n| json!(place(n))),
            inside: mounts,
            naive: naive::readonly,
        },
    );
}

fn devices(config: &mut Value) {
    config["linux"]["devices"] = json!([]);
    add(config, "/linux/devices", |n| json!({"path": place(n), "type": "c", "major": 1, "minor": 3}));
}

#[test]
fn exchanged_targets_of_devices_that_are_made() {
    race(
        Bench::new(),
        &Target {
            name: "devices, mknod",
            node: |_| Node::Missing,
            edit: |config, _| devices(config),
            inside: |arena, _| arena.devices(),
            naive: naive::device,
        },
    );
}
