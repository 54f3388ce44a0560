//! Whole stories, word by word, for machines that are not this one.
//!
//! No kernel calls. Invariant: the same configuration on the same layout is the same story, for everybody.

use serde_json::Value;
use stage2_namespaces::mountinfo;
use stage3_cgroups::Layout;
use stage4_runtime::config::check::{self, Verb};
use stage4_runtime::config::{Config, spec};
use stage4_runtime::explain::{Look, Scene, Step, ignored, page, story};
use stage4_runtime::plan::process::capabilities::Grantable;
use stage4_runtime::plan::root::Way;
use stage4_runtime::plan::{Facts, Plan};
use stage4_runtime::seccomp::Arch;
use std::path::Path;

/// Debian 12 under systemd.
const V2: (&str, &str) = (
    "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate",
    "0::/user.slice/user-1000.slice\n",
);

/// Version 1 with every controller that the complete example asks for.
const V1: (&str, &str) = (
    "34 29 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 29 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 29 0:32 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
38 29 0:34 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
39 29 0:35 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
40 29 0:36 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb
41 29 0:37 / /sys/fs/cgroup/rdma rw - cgroup cgroup rw,rdma
42 29 0:38 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices
43 29 0:39 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    "9:rdma:/\n8:devices:/\n7:hugetlb:/\n6:pids:/\n5:cpuset:/\n3:blkio:/\n2:memory:/\n\
     1:cpu,cpuacct:/\n0::/\n",
);

/// Linux 5.9 and later.
const CAPABILITIES: u64 = (1 << 41) - 1;

/// The story of `config` in /box, and what of it is ignored.
fn told(config: &Config, (mounts, groups): (&str, &str), user: Option<u32>) -> (Vec<Step>, Vec<String>) {
    let layout = Layout::parse(&mountinfo::parse(mounts).unwrap(), groups).unwrap();
    let mut warnings = check::config(config, Verb::Start).verdict("config.json").unwrap();
    let grantable = Grantable { known: CAPABILITIES, held: CAPABILITIES };
    let facts = Facts { grantable, native: Arch::X86_64, within: false };
    let (bundle, id) = (Path::new("/box"), "mine".parse().unwrap());
    let plan = Plan::of(config, &id, bundle, Way::Pivot, facts, &mut warnings).unwrap();
    let scene = Scene {
        bundle,
        layout: &layout,
        groups: user.is_none(),
        privileged: user.is_none(),
        caller: user.map_or((0, 0), |user| (user, user)),
        native: Arch::X86_64,
        known: CAPABILITIES,
        bounding: CAPABILITIES,
    };
    (story(&plan, scene), ignored(&plan, &warnings))
}

/// Beside the demo's snapshots, which are its steps, and their names as they are.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings
}

const LOOK: Look = Look { width: 100, colour: false };

/// The complete example, without what is refused: obsolete limits, flags that nobody has defined, an agent for system
/// calls, priorities of packets, files of version 2 whose controllers version 1 manages.
fn complete() -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/complete.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    json["process"]["scheduler"].as_object_mut().unwrap().retain(|key, _| key != "nice" && key != "priority");
    let linux = &mut json["linux"];
    linux["personality"].as_object_mut().unwrap().remove("flags");
    let seccomp = linux["seccomp"].as_object_mut().unwrap();
    seccomp.retain(|key, _| !key.starts_with("listener"));
    seccomp["syscalls"][0]["action"] = "SCMP_ACT_ERRNO".into();
    let resources = &mut linux["resources"];
    resources.as_object_mut().unwrap().remove("network");
    // Version 1 manages disks and pages of this layout; of version 2 there is what every group has.
    resources["unified"] = serde_json::json!({"cgroup.max.depth": "8"});
    resources["memory"].as_object_mut().unwrap().remove("kernel");
    resources["blockIO"].as_object_mut().unwrap().remove("leafWeight");
    resources["blockIO"]["weightDevice"][0].as_object_mut().unwrap().remove("leafWeight");
    serde_json::from_value(json).unwrap()
}

#[test]
fn explain_the_default() {
    let (steps, ignored) = told(&spec::default(), V2, None);
    settings().bind(|| insta::assert_snapshot!("explain-default", page(&steps, &ignored, LOOK)));
}

#[test]
fn explain_the_default_of_an_ordinary_user() {
    let (steps, ignored) = told(&spec::rootless(1000, 1000), V2, Some(1000));
    settings().bind(|| insta::assert_snapshot!("explain-rootless", page(&steps, &ignored, LOOK)));
}

#[test]
fn explain_every_field() {
    let (steps, ignored) = told(&complete(), V1, None);
    settings().bind(|| insta::assert_snapshot!("explain-complete", page(&steps, &ignored, LOOK)));
}

#[test]
fn explain_fits_the_page_and_numbers_its_acts() {
    for config in [spec::default(), spec::rootless(1000, 1000), complete()] {
        let (steps, ignored) = told(&config, V1, None);
        for width in [100, 60] {
            let text = page(&steps, &ignored, Look { width, colour: false });
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= width, "{longest}");
            assert!(text.contains(&format!("\n{:>4}  ", steps.len())), "every act has its number");
        }
        assert!(steps.iter().map(|step| step.act as u8).is_sorted(), "acts follow one another");
        assert!(steps.iter().all(|step| !step.why.is_empty() && !step.field.is_empty()));
    }
}

#[test]
fn explain_colours_only_where_asked() {
    let (steps, ignored) = told(&spec::default(), V2, None);
    let plain = page(&steps, &ignored, LOOK);
    let coloured = page(&steps, &ignored, Look { colour: true, ..LOOK });
    assert!(!plain.contains('\u{1b}') && coloured.contains('\u{1b}'));
    let bare = coloured.replace("\u{1b}[1m", "").replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
    assert_eq!(bare, plain);
}

#[test]
fn explain_refuses_to_print_what_would_move_the_cursor() {
    let mut config = spec::default();
    config.process.as_mut().unwrap().args = vec!["a\u{1b}[31m".to_owned()];
    let (steps, ignored) = told(&config, V2, None);
    let text = page(&steps, &ignored, LOOK);
    assert!(!text.contains('\u{1b}') && text.contains("[31m"), "{text}");
}
