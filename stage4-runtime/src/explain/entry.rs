//! Told: what lies between the furnished root and its masks: hooks, pivot_root(2), the terminal, parameters.
//!
//! No kernel calls; pivot_root(2), sysctl(8). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; the order is that of `birth::raise` and of `birth::inside::furnish`.

use super::strace::{beneath, mount_setattr, move_mount, open_tree, openat, own_file, path, word, write};
use super::{Story, birth, group, mounts};
use crate::plan::hooks::HookPlan;
use crate::plan::mounts::What;
use crate::plan::root::Way;
use stage2_namespaces::Kinds;
use stage2_namespaces::mount::Propagation;
use std::path::Path;

pub(super) fn entered(story: &mut Story<'_>) {
    group::devices(story);
    given(story);
    let hooks = &story.plan.hooks;
    told(story, &hooks.prestart, "in the runtime's namespaces, when all is mounted; deprecated");
    told(
        story,
        &hooks.create_runtime,
        "in the runtime's namespaces, when all is mounted: here engines set up the network",
    );
    told(story, &hooks.create_container, "in the container's namespaces; its path is still the host's");
    let (calls, command) = match story.plan.root.way {
        Way::Pivot => (
            vec![
                "fchdir(<rootfs>)".to_owned(),
                "pivot_root(\".\", \".\")".to_owned(),
                "umount2(\".\", MNT_DETACH)".to_owned(),
                "chdir(\"/\")".to_owned(),
            ],
            format!("stage2-namespaces run --root {} -- …", path(&story.plan.root.path)),
        ),
        Way::Chroot => (
            vec!["fchdir(<rootfs>)".to_owned(), "chroot(\".\")".to_owned(), "chdir(\"/\")".to_owned()],
            format!("stage1-chroot run {} -- …", path(&story.plan.root.path)),
        ),
    };
    story.tell(
        "root.path",
        calls,
        Some(command),
        "the root of the whole mount namespace is exchanged, and the host's let go",
    );
    terminal(story);
    parameters(story);
    finished(story);
}

/// What only the parent can give.
fn given(story: &mut Story<'_>) {
    for (name, device) in &story.plan.linux.net_devices {
        let inside = device.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(name);
        let calls = vec!["sendto(<netlink>, [{nlmsg_len=…, …}, …], …, 0, NULL, 0)".to_owned()];
        let command = format!("ip link set {} netns PID name {}", word(name), word(inside));
        story.tell(
            format!("linux.netDevices[{name:?}]"),
            calls,
            Some(command),
            "RTM_NEWLINK with IFLA_NET_NS_FD; addresses that were to last are given again",
        );
    }
    if let Some(asked) = &story.plan.linux.intel_rdt {
        let class = asked.clos_id.as_deref().unwrap_or(story.plan.id.as_str());
        let file = format!("/sys/fs/resctrl/{}/tasks", class.trim_start_matches('/'));
        let command = format!("echo PID > {}", word(&file));
        story.tell(
            "linux.intelRdt",
            vec![format!("write(<{file}>, \"PID\\n\", …)")],
            Some(command),
            "a class of the processor's cache, made with its schemata if it is not there",
        );
    }
}

/// Hooks of one moment, in their order.
pub(super) fn told(story: &mut Story<'_>, hooks: &[HookPlan], why: &str) {
    for hook in hooks {
        let file = hook.path.to_string_lossy();
        let words: Vec<String> =
            hook.arguments.iter().map(|one| one.to_string_lossy().into_owned()).collect();
        let calls = vec![
            birth::clone3(Kinds::NONE, None, false),
            "prctl(PR_SET_PDEATHSIG, 0)".to_owned(),
            format!("execve({file:?}, {words:?}, …)"),
        ];
        let arguments: String = words.iter().skip(1).map(|one| format!(" {}", word(one))).collect();
        let command = format!("stage4-runtime state {} | {}{arguments}", story.plan.id, word(&file));
        story.tell(format!("hooks.{}[{}]", hook.moment, hook.index), calls, Some(command), why);
    }
}

fn terminal(story: &mut Story<'_>) {
    let Some(plan) = story.plan.process.terminal else { return };
    let mut calls = vec![
        beneath(Path::new("dev/pts"), "|O_DIRECTORY", true),
        openat("<rootfs/dev/pts>", "ptmx", "O_RDWR|O_NOCTTY|O_NOFOLLOW|O_CLOEXEC"),
        "ioctl(<ptmx>, TIOCSPTLCK, [0])".to_owned(),
        "ioctl(<ptmx>, TIOCGPTPEER, …)".to_owned(),
    ];
    if let Some((rows, columns)) = plan.size {
        calls.push(format!("ioctl(<ptmx>, TIOCSWINSZ, {{ws_row={rows}, ws_col={columns}, …}})"));
    }
    calls.extend([
        beneath(Path::new("dev"), "|O_DIRECTORY", true),
        openat("<rootfs/dev>", "console", "O_RDONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0644"),
        open_tree("<pty>, \"\"", false),
        move_mount("<pty>", "<rootfs/dev/console>"),
        "sendmsg(<console socket>, {…SCM_RIGHTS…}, MSG_NOSIGNAL)".to_owned(),
    ]);
    let why = "a terminal of the container's own devpts; its other end goes to whoever attends it";
    story.tell("process.terminal", calls, None, why);
}

fn parameters(story: &mut Story<'_>) {
    for one in &story.plan.parameters {
        let file = one.path.display().to_string();
        let calls = vec![own_file(&file, "O_WRONLY"), write(&format!("/proc/{file}"), &one.value)];
        let command = format!("sysctl -w {}", word(&format!("{}={}", one.name, one.value)));
        let why = "through the host's procfs, in the container's namespaces: the kernel looks at who writes";
        story.tell(format!("linux.sysctl[{:?}]", one.name), calls, Some(command), why);
    }
}

/// From the inside outwards: what is read-only cannot be changed any more.
fn finished(story: &mut Story<'_>) {
    let root = &story.plan.root;
    let late = |kind| matches!(kind, Propagation::Shared | Propagation::Unbindable);
    if let Some(spread) = root.propagation.filter(|spread| late(spread.kind)) {
        let word =
            Propagation::ALL.iter().find(|(_, kind)| *kind == spread.kind).map_or("", |(word, _)| *word);
        let r = if spread.recursive { "r" } else { "" };
        let calls = vec![mount_setattr("<rootfs>", spread.recursive, 0, 0, spread.flag())];
        story.tell(
            "linux.rootfsPropagation",
            calls,
            Some(format!("mount --make-{r}{word} /")),
            "between the mounts of this namespace and its copies",
        );
    }
    if root.readonly {
        let calls = vec![mount_setattr("<rootfs>", false, libc::MOUNT_ATTR_RDONLY, 0, 0)];
        story.tell(
            "root.readonly",
            calls,
            Some("mount -o remount,bind,ro /".to_owned()),
            "asked again with fstatfs(2)",
        );
    }
    sealed(story);
}

/// Mounts that could not be read-only before there was everything in them.
fn sealed(story: &mut Story<'_>) {
    for mount in &story.plan.mounts {
        let late = match &mount.what {
            What::New(system) => system.kind == "tmpfs" && !system.needs_mount(),
            What::Cgroup { .. } => story.scene.layout.kind() != stage3_cgroups::layout::Kind::V2,
            _ => false,
        };
        if late && mounts::is_readonly(mount) {
            let name = format!("<rootfs/{}>", mount.target.display());
            let command = format!("mount -o remount,bind,ro {}", path(&Path::new("/").join(&mount.target)));
            let calls = vec![mount_setattr(&name, false, libc::MOUNT_ATTR_RDONLY, 0, 0)];
            story.tell(
                format!("mounts[{}]", mount.index),
                calls,
                Some(command),
                "now that everything is in it",
            );
        }
    }
}
