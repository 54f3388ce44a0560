//! What each container, or process, has one of: a working directory, a console, and where its /proc comes from.
//!
//! fchdir(2), pty(7), open_tree(2). Book: "Whoever is faster" (`races`).
//! Invariant: where a process is, is told by a sign that it finds there.

use crate::arena::{Arena, EXCHANGED, Node, configure, furnish};
use crate::attacker::Attacker;
use crate::ground::Bench;
use crate::naive;
use crate::tally::{End, HANDS, Tally};
use crate::{alone, rounds};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{PROC_SUPER_MAGIC, statfs};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// By what it has read where it works.
fn by_sign((status, output, errors): (i32, String, String)) -> End {
    match output.trim() {
        "inside" => End::Made { linked: 0 },
        "linked" => End::Made { linked: 1 },
        "" if matches!(status, 1 | 255) && errors.contains("process.cwd") => End::Refused,
        other => End::Escaped(format!("{status}: {other}: {errors}")),
    }
}

#[test]
fn exchanged_working_directory_of_a_container() {
    let _alone = alone();
    let Some(arena) = Arena::new(Bench::for_anybody(), |_| Node::Missing) else { return };
    let lost = naive::strayed(&arena);
    let bundles = EXCHANGED.map(|name| {
        let bundle = arena.bench.path(&format!("bundle-{name}"));
        arena.config("cat sign", |config| config["process"]["cwd"] = json!(format!("/{name}")));
        fs::create_dir(&bundle).unwrap();
        fs::copy(arena.bench.path("config.json"), bundle.join("config.json")).unwrap();
        bundle.display().to_string()
    });
    let tally = Tally::race(("process.cwd", rounds(), 1), HANDS, arena.attack(), |n| {
        by_sign(arena.bench.call(&["run", "--bundle", &bundles[n % 2], &arena.bench.id()]))
    });
    tally.met_the_link().tell(lost);
    assert_eq!(arena.harm(), None);
    arena.bench.nothing_is_left();
}

#[test]
fn exchanged_working_directory_of_a_visitor() {
    let _alone = alone();
    let Some(arena) = Arena::new(Bench::for_anybody(), |_| Node::Missing) else { return };
    let lost = naive::strayed(&arena);
    let id = arena.bench.id();
    arena.config("sleep 100000", |_| ());
    arena.bench.output(&["run", "--detach", &id]);
    let tally = Tally::race(("exec --cwd", rounds(), 1), HANDS, arena.attack(), |n| {
        let directory = format!("/{}", EXCHANGED[n % 2]);
        by_sign(arena.bench.call(&["exec", "--cwd", &directory, &id, "cat", "sign"]))
    });
    tally.met_the_link().tell(lost);
    assert_eq!(arena.harm(), None);
    arena.bench.output(&["delete", "--force", &id]);
    arena.bench.nothing_is_left();
}

/// A /dev that the image has brought along, as with CVE-2025-52565; in it `console` is a link every other moment.
fn own_dev(config: &mut Value, arena: &Arena) {
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| {
        !mount["destination"].as_str().unwrap().starts_with("/dev/") || mount["type"] == "devpts"
    });
    let place = mounts.iter().position(|mount| mount["destination"] == "/dev").unwrap();
    mounts[place] =
        json!({"destination": "/dev", "source": arena.root().join("dev"), "options": ["bind", "dev"]});
    config["process"]["terminal"] = json!(true);
}

#[test]
fn exchanged_console() {
    let _alone = alone();
    let Some(mut arena) = Arena::new(Bench::for_anybody(), |_| Node::Missing) else { return };
    let (dev, victim) = (arena.root().join("dev"), arena.outside().join("console"));
    let decoy = arena.root().join(victim.strip_prefix("/").unwrap());
    [dev.join("console"), victim.clone(), decoy].iter().for_each(|path| furnish(path, Node::File));
    fs::create_dir(dev.join("pts")).unwrap();
    symlink(&victim, dev.join("console.link")).unwrap();
    arena.remember();
    let attack = || Attacker::begin(vec![(dev.join("console"), dev.join("console.link"))]);
    let attacker = attack();
    let lost = naive::lost_one(&arena.root(), "dev/console", &victim);
    attacker.end();
    arena.config("cat /proc/self/mountinfo", |config| own_dev(config, &arena));
    let tally = Tally::race(("/dev/console", rounds(), 1), HANDS, attack(), |_| {
        let (status, output, errors) = arena.bench.call(&["run", &arena.bench.id()]);
        let points: Vec<_> = output
            .lines()
            .filter_map(|line| line.split(' ').nth(4))
            .filter(|point| point.contains("console"))
            .collect();
        match (status, &points[..]) {
            (1, []) if errors.contains("/dev/console of the container") => End::Refused,
            (0, [point]) if point.starts_with("/dev/console") => End::Made { linked: 0 },
            _ => End::Escaped(format!("{status}: {points:?}: {errors}")),
        }
    });
    tally.refused_the_link().tell(lost);
    assert_eq!(arena.harm(), None);
    arena.bench.nothing_is_left();
}

/// A source is the host's, and whoever names it is believed; but what is mounted on /proc is looked at (CVE-2019-19921).
#[test]
fn exchanged_source_of_proc() {
    let _alone = alone();
    let Some(bench) = Bench::for_anybody() else { return };
    let (source, link) = (bench.path("shared/source"), bench.path("shared/source.link"));
    fs::create_dir(&source).unwrap();
    symlink("/proc", &link).unwrap();
    let attack = || Attacker::begin(vec![(source.clone(), link.clone())]);
    let attacker = attack();
    let lost = naive::in_mounts_of_its_own(|| {
        naive::count(|_| is_proc(&source) && bound(&source, &bench.path("rootfs/tmp")))
    });
    attacker.end();
    configure(&bench, "cat /proc/self/mountinfo", |config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        let place = mounts.iter().position(|mount| mount["destination"] == "/proc").unwrap();
        mounts[place] = json!({"destination": "/proc", "source": source, "options": ["rbind"]});
    });
    let tally = Tally::race(("source of /proc", rounds(), 1), HANDS, attack(), |_| {
        let (status, output, errors) = bench.call(&["run", &bench.id()]);
        let on_proc = output.lines().find(|line| line.split(' ').nth(4) == Some("/proc"));
        match (status, on_proc) {
            (1, None) if errors.contains("no proc file system") => End::Refused,
            (0, Some(line)) if line.contains(" - proc ") => End::Made { linked: 1 },
            _ => End::Escaped(format!("{status}: {on_proc:?}: {errors}")),
        }
    });
    tally.refused_the_link().tell(lost);
    bench.nothing_is_left();
}

fn is_proc(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == PROC_SUPER_MAGIC)
}

/// What was a proc file system a moment ago is mounted, and is none.
fn bound(source: &Path, target: &Path) -> bool {
    std::thread::yield_now();
    if mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>).is_err() {
        return false;
    }
    let lost = !is_proc(target);
    umount2(target, MntFlags::MNT_DETACH).unwrap();
    lost
}
