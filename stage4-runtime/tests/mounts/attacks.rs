//! What an image, or somebody in another container, plants; each named by the weakness it once was.
//!
//! openat2(2), RESOLVE_IN_ROOT. Book: "Mounts" (`mounts`).
//! Invariant: after each attempt the directory beside the image holds its canary and nothing else.

use crate::Claim;
use crate::ground::{Bundle, inside, inside_as, is_root, plans, seen, users};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::signal::{Signal, kill};
use serde_json::json;
use stage2_namespaces::Kinds;
use stage2_namespaces::birth::birth;
use stage2_namespaces::mount::{Incoming, PrivateMounts};
use stage3_cgroups::Layout;
use stage4_runtime::mounts::{Sources, mount_all};
use stage4_runtime::root::RootMount;
use std::fs;
use std::os::unix::fs::symlink;

pub const CLAIMS: &[Claim] = &[
    ("mounts_cve_2021_30465_a_target_behind_a_link_stays_in_the_root", links),
    ("mounts_cve_2021_30465_a_target_exchanged_meanwhile_stays_in_the_root", race),
    ("mounts_cve_2019_16884_nothing_is_mounted_into_proc", into_proc),
    ("mounts_cve_2019_19921_only_procfs_is_mounted_on_proc", on_proc),
    ("mounts_cve_2023_27561_proc_and_sys_are_no_links", proc_link),
    ("mounts_cve_2024_45310_nothing_that_exists_is_written_to", existing),
    ("mounts_cve_2019_18837_nothing_is_made_behind_a_planted_link", planted),
    ("mounts_cve_2026_41579_dev_is_no_link", dev_link),
    ("mounts_of_the_root_in_disguise_are_refused", disguise),
];

fn links() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    symlink(bundle.outside(), bundle.image("absolute")).unwrap();
    symlink("../../../../../..", bundle.image("up")).unwrap();
    symlink(bundle.outside().join("new"), bundle.image("dangling")).unwrap();
    symlink("/proc/1/root", bundle.image("magic")).unwrap();
    let outside = bundle.outside();
    let through = format!("/up{}/y", outside.display());
    let more = json!([
        {"destination": "/absolute/x", "type": "tmpfs"},
        {"destination": "/dangling", "source": "outside/canary", "options": ["bind"]},
        {"destination": through, "type": "tmpfs"},
    ]);
    inside(&bundle, &json!({"more": more}), || {
        let targets: Vec<_> = seen().into_iter().map(|line| line.target).collect();
        for name in ["x", "new", "y"] {
            assert!(targets.contains(&outside.join(name).display().to_string()), "{name}: {targets:?}");
        }
    })
    .unwrap();
    assert!(bundle.canary_sings());
    let magic = json!({"more": [{"destination": "/magic/x", "type": "tmpfs"}]});
    let error = inside(&bundle, &magic, || ()).unwrap_err();
    assert!(error.contains("ELOOP"), "{error}");
}

/// How often in the usual run; a hundred thousand were tried by hand.
const ROUNDS: usize = 2000;

fn race() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    fs::create_dir_all(bundle.image("volume/a")).unwrap();
    symlink(bundle.outside(), bundle.image("volume/b")).unwrap();
    let (a, b) = (bundle.image("volume/a"), bundle.image("volume/b"));
    let attacker = birth(Kinds::NONE, None, |_| {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).unwrap();
        while renameat2(AT_FDCWD, &a, AT_FDCWD, &b, RenameFlags::RENAME_EXCHANGE).is_ok() {}
        1
    })
    .unwrap();
    let rounds = std::env::var("STAGES_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    for _ in 0..rounds.div_ceil(200) {
        // Mounts on mounts slow the walk down: begin again now and then.
        crate::ground::apart(|| rush(&bundle, 200));
    }
    kill(attacker.pid, Signal::SIGKILL).unwrap();
    assert_eq!(attacker.wait().unwrap(), 128 + 9, "it exchanged them all the time");
    assert!(bundle.canary_sings());
}

fn rush(bundle: &Bundle, rounds: usize) {
    let proof = PrivateMounts::unshare(Incoming::Refused).unwrap();
    let bind = |to: String| json!({"destination": to, "source": "outside/canary", "options": ["bind"]});
    let rows: Vec<_> = (0..rounds)
        .map(|n| match n % 2 {
            0 => json!({"destination": "/volume/a", "type": "tmpfs", "options": ["size=4k"]}),
            _ => bind(format!("/volume/a/made{n}")),
        })
        .collect();
    let plans = plans(bundle, &json!({"mounts": rows})).unwrap();
    let layout = Layout::read().unwrap();
    let mut sources =
        Sources::open(&plans.root, &plans.mounts, &plans.devices, &plans.masks, (&layout, None)).unwrap();
    let root = RootMount::attach(&proof, &plans.root, &mut sources).unwrap();
    let mut made = 0;
    for mount in &plans.mounts {
        // Each by itself: an attempt that meets the exchange in its middle may be an error, but leads nowhere else.
        if let Ok(unsealed) = mount_all(&proof, &root, std::slice::from_ref(mount), &mut sources) {
            unsealed.seal().unwrap();
            made += 1;
        }
    }
    assert!(made > rounds / 10, "only {made} of {rounds} were made: the race was not one");
    // The root is still the host's here: a mount that strayed would cover the canary, or lie beside it.
    assert!(bundle.canary_sings());
    let (inside, all) = (format!("{}/", bundle.path().display()), seen());
    assert!(!all.iter().any(|line| line.target.starts_with(&inside) && line.target.ends_with("canary")));
}

fn into_proc() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    symlink("/proc/self/attr", bundle.image("attr")).unwrap();
    symlink("/proc/sys", bundle.image("sysctl")).unwrap();
    for target in ["/attr", "/sysctl", "/sysctl/kernel"] {
        let more = json!([{"destination": target, "type": "tmpfs"}]);
        let error = inside(&bundle, &json!({"more": more}), || ()).unwrap_err();
        assert!(error.contains("leads to a proc file system"), "{target}: {error}");
    }
    for target in ["/proc/self/attr", "/proc/sys/kernel/core_pattern", "/proc/../proc/sys"] {
        let more = json!([{"destination": target, "source": "outside/canary", "options": ["bind"]}]);
        inside(&bundle, &json!({"more": more}), || ()).unwrap_err();
    }
    let allowed =
        json!([{"destination": "/proc/uptime", "source": "outside/canary", "options": ["bind", "ro"]}]);
    inside(&bundle, &json!({"more": allowed}), || {
        assert_eq!(fs::read_to_string("/proc/uptime").unwrap(), "sings");
    })
    .unwrap();
    assert!(bundle.canary_sings());
}

fn on_proc() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    let bind =
        |source: &str| json!({"mounts": [{"destination": "/proc", "source": source, "options": ["rbind"]}]});
    let error = inside(&bundle, &bind("outside"), || ()).unwrap_err();
    assert!(error.contains("is no proc file system"), "{error}");
    inside(&bundle, &bind("/proc"), || {
        assert_ne!(
            fs::read_link("/proc/self").unwrap().to_str(),
            Some("1"),
            "the host's, as it was asked for"
        );
    })
    .unwrap();
}

fn proc_link() {
    if !is_root() {
        return;
    }
    for name in ["proc", "sys"] {
        for target in ["/volume", "../outside", "/missing"] {
            let bundle = Bundle::new();
            fs::create_dir(bundle.image("volume")).unwrap();
            fs::remove_dir(bundle.image(name)).unwrap();
            symlink(target, bundle.image(name)).unwrap();
            let kind = if name == "proc" { "proc" } else { "sysfs" };
            let mounts = json!([{"destination": format!("/{name}"), "type": kind}]);
            let error = inside(&bundle, &json!({"mounts": mounts}), || ()).unwrap_err();
            assert!(error.contains("is a symbolic link"), "{error}");
            assert!(bundle.canary_sings() && !bundle.image("missing").exists());
        }
    }
}

fn existing() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    fs::write(bundle.image("etc/hosts"), "mine").unwrap();
    symlink("hosts", bundle.image("etc/link")).unwrap();
    symlink(bundle.outside().join("canary"), bundle.image("etc/away")).unwrap();
    let bind = |to: &str| json!({"destination": to, "source": "outside/canary", "options": ["bind"]});
    let more = json!([bind("/etc/link"), bind("/etc/away")]);
    inside(&bundle, &json!({"more": more}), || {
        assert_eq!(fs::read_to_string("/etc/hosts").unwrap(), "sings", "the link is followed");
        assert_eq!(fs::read_link("/etc/link").unwrap().to_str(), Some("hosts"), "and stays");
    })
    .unwrap();
    assert_eq!(fs::read_to_string(bundle.image("etc/hosts")).unwrap(), "mine");
    assert!(bundle.canary_sings());
}

/// Files for devices that are bound are made while the root is still the host's: a link would lead there.
fn planted() {
    if !is_root() {
        return;
    }
    for name in ["null", "zero", "tty"] {
        for target in [String::new(), "../../outside/new".to_owned()] {
            let bundle = Bundle::new();
            let outside = bundle.outside();
            let target = if target.is_empty() { outside.join("new").display().to_string() } else { target };
            symlink(&target, bundle.image("dev").join(name)).unwrap();
            // Whoever is root inside could make files there, if only he came there.
            for directory in [bundle.image(""), bundle.image("dev"), outside] {
                std::os::unix::fs::chown(directory, Some(100_000), Some(100_000)).unwrap();
            }
            let mounts = json!([{"destination": "/proc", "type": "proc"}]);
            let made = inside_as(&bundle, &json!({"mounts": mounts}), Some(users(100_000, 65536)), || ());
            assert!(bundle.canary_sings(), "{name}: something was made behind {target}");
            let error = made.unwrap_err();
            assert!(error.contains(&format!("/dev/{name} exists")), "{error}");
        }
    }
}

fn dev_link() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    fs::remove_dir(bundle.image("dev")).unwrap();
    for target in [bundle.outside().display().to_string(), "../outside".into(), "/etc".into()] {
        symlink(&target, bundle.image("dev")).unwrap();
        let mounts = json!([{"destination": "/proc", "type": "proc"}]);
        let error = inside(&bundle, &json!({"mounts": mounts}), || ()).unwrap_err();
        assert!(error.contains("\"dev\"") && error.contains("symbolic link"), "{error}");
        assert!(bundle.canary_sings());
        fs::remove_file(bundle.image("dev")).unwrap();
    }
    assert_eq!(fs::read_dir(bundle.image("etc")).unwrap().count(), 0);
}

fn disguise() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new();
    symlink("/", bundle.image("root")).unwrap();
    symlink("/proc", bundle.image("early")).unwrap();
    for target in ["/root", "/early"] {
        let mounts = json!([{"destination": target, "type": "tmpfs"}]);
        let error = inside(&bundle, &json!({"mounts": mounts}), || ()).unwrap_err();
        assert!(error.contains("by a symbolic link of the image"), "{error}");
    }
}
