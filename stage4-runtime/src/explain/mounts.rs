//! Told: what is taken from the host, the root, and each mount in its order.
//!
//! No kernel calls; open_tree(2), fsopen(2), move_mount(2), mount_setattr(2). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; attributes and options are those of the plan's, in the order of the leaves that apply them.

use super::Story;
use super::sources::{copied_null, copied_root, prepared, tree_of};
use super::strace::{self, beneath, mount_setattr, move_mount, openat, path, perhaps, word};
use crate::plan::mounts::options::Attributes;
use crate::plan::mounts::{FileSystem, Mount, What};
use crate::plan::root::Seat;
use stage2_namespaces::mount::Incoming;
use stage3_cgroups::layout::Kind;
use std::path::Path;

pub(super) fn mounted(story: &mut Story<'_>) {
    let (flag, option) = match story.plan.root.incoming() {
        Incoming::Welcome => ("MS_SLAVE", "rslave"),
        Incoming::Refused => ("MS_PRIVATE", "rprivate"),
    };
    let call = format!("mount(NULL, \"/\", NULL, MS_REC|{flag}, NULL)");
    let asked = story.plan.root.propagation.is_some();
    let why = "nothing that is mounted from here on travels to the host";
    story.tell(
        if asked { "linux.rootfsPropagation" } else { super::ALWAYS },
        vec![call],
        Some(format!("mount --make-{option} /")),
        why,
    );
    let mut calls = Vec::new();
    if !story.scene.privileged {
        calls.extend(copied_root(story));
    }
    let (seat, why) = match story.plan.root.seat {
        Seat::Above => (Path::new("/"), "on top of the host's root, where paths do not see it yet"),
        Seat::Path => (story.plan.root.path.as_path(), "where hooks of createContainer look for it"),
    };
    calls.push(openat("AT_FDCWD", &path(seat), "O_RDONLY|O_CLOEXEC|O_PATH|O_DIRECTORY"));
    calls.push(move_mount("<rootfs>", &format!("<{}>", seat.display())));
    story.tell("root.path", calls, None, why);
    story.tell_always(
        vec!["umask(000)".to_owned()],
        None,
        "while mounts and devices are made, modes are to the letter",
    );
    for mount in &story.plan.mounts {
        one(story, mount);
    }
    if !story.scene.privileged && !story.plan.masks.masked.is_empty() {
        let mut calls = vec![openat("AT_FDCWD", "/dev/null", "O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_PATH")];
        calls.extend(copied_null());
        story.tell(
            "linux.maskedPaths",
            calls,
            None,
            "the last moment at which the host's /dev/null can be reached",
        );
    }
}

fn one(story: &mut Story<'_>, mount: &Mount) {
    let place = mount.target.display().to_string();
    let target = format!("<rootfs/{place}>");
    let mut calls = vec![beneath(&mount.target, "", true)];
    let why = match &mount.what {
        What::Bind(bind) => {
            if !story.scene.privileged {
                calls.insert(0, tree_of(&bind.source, bind.deep));
                calls.splice(1..1, prepared(mount, bind));
            }
            calls.push(move_mount(&format!("<{}>", bind.source.display()), &target));
            "what is asked of it was set before anybody could see it; the target is made where it is missing"
        }
        What::New(system) if system.needs_mount() => {
            calls.extend([format!("fchdir({target})"), by_mount(mount, system)]);
            calls.extend(spread(&format!("<{}>", system.kind), mount));
            "only mount(2) can say all of it; on `.`, which is a descriptor, so that no path of the container is used"
        }
        What::New(system) => {
            calls.extend(new(mount, system));
            calls.push(move_mount(&format!("<{}>", system.kind), &target));
            why_so(mount, system)
        }
        What::Again(system) => {
            calls.extend(again(mount, system));
            "only what is asked about is changed"
        }
        What::Cgroup { .. } => {
            calls.extend(cgroups(story, mount, &target));
            "of each hierarchy the container's own group"
        }
    };
    story.tell(field(mount), calls, Some(typed(mount, &story.plan.root.path)), why);
}

fn why_so(mount: &Mount, system: &FileSystem) -> &'static str {
    let straight = mount.target == Path::new("proc") || mount.target == Path::new("sys");
    match is_readonly(mount) && system.kind == "tmpfs" {
        true => "read-only later, when everything is in it",
        false if straight => {
            "a directory without links on its way, or nothing: a link here would hide the real one (CVE-2023-27561)"
        }
        false => "made where nobody sees it, with its attributes from the first moment; then attached",
    }
}

pub(super) fn field(mount: &Mount) -> String {
    format!("mounts[{}]", mount.index)
}

fn asked(mount: &Mount) -> u64 {
    mount.top.after(mount.all).set
}

pub(super) fn is_readonly(mount: &Mount) -> bool {
    asked(mount) & libc::MOUNT_ATTR_RDONLY != 0
}

fn spread(name: &str, mount: &Mount) -> Vec<String> {
    mount.propagation.iter().map(|one| mount_setattr(name, one.recursive, 0, 0, one.flag())).collect()
}

fn configured(system: &FileSystem, name: &str) -> Vec<String> {
    let flag = |key: &str| format!("fsconfig({name}, FSCONFIG_SET_FLAG, {key:?}, NULL, 0)");
    let text =
        |key: &str, value: &str| format!("fsconfig({name}, FSCONFIG_SET_STRING, {key:?}, {value:?}, 0)");
    let source = system.source.iter().map(|source| text("source", source));
    let superblock = system.superblock.iter().map(|key| flag(key));
    let data = system.data.iter().map(|one| match &one.value {
        Some(value) => text(&one.key, value),
        None => flag(&one.key),
    });
    source.chain(superblock).chain(data).collect()
}

fn new(mount: &Mount, system: &FileSystem) -> Vec<String> {
    let name = format!("<{}>", system.kind);
    let mut calls = vec![format!("fsopen({:?}, FSOPEN_CLOEXEC)", system.kind)];
    calls.extend(configured(system, &name));
    let tmpfs = system.kind == "tmpfs";
    if tmpfs && system.data.iter().all(|one| one.key != "mode") {
        // That of the directory it covers, where there is one.
        calls.push(perhaps(format!("fsconfig({name}, FSCONFIG_SET_STRING, \"mode\", …, 0)")));
    }
    calls.push(format!("fsconfig({name}, FSCONFIG_CMD_CREATE, NULL, NULL, 0)"));
    let now = if tmpfs { asked(mount) & !libc::MOUNT_ATTR_RDONLY } else { asked(mount) };
    calls.push(format!("fsmount({name}, FSMOUNT_CLOEXEC, {})", strace::attributes(now)));
    calls.extend(spread(&name, mount));
    calls
}

fn by_mount(mount: &Mount, system: &FileSystem) -> String {
    let source = system.source.as_deref().unwrap_or("none");
    let flags =
        if asked(mount) == 0 && system.legacy == 0 && system.superblock.is_empty() { "0" } else { "…" };
    format!("mount({source:?}, \".\", {:?}, {flags}, {:?})", system.kind, data(system).join(","))
}

fn data(system: &FileSystem) -> Vec<String> {
    let one = |datum: &crate::plan::mounts::options::Datum| match &datum.value {
        Some(value) => format!("{}={value}", datum.key),
        None => datum.key.clone(),
    };
    system.data.iter().map(one).collect()
}

fn again(mount: &Mount, system: &FileSystem) -> Vec<String> {
    let mut calls = Vec::new();
    if !(system.superblock.is_empty() && system.data.is_empty()) {
        calls.push("fspick(<target>, \"\", FSPICK_CLOEXEC|FSPICK_EMPTY_PATH)".to_owned());
        calls.extend(configured(system, "<target>"));
        calls.push("fsconfig(<target>, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)".to_owned());
    }
    let changes = [(true, mount.all), (false, mount.top)];
    let changes = changes.into_iter().filter(|(_, attributes): &(bool, Attributes)| !attributes.is_empty());
    calls.extend(changes.map(|(deep, one)| mount_setattr("<target>", deep, one.set, one.clear, 0)));
    calls.extend(spread("<target>", mount));
    calls
}

/// The directories that are shown.
pub(super) fn shown(story: &Story<'_>, mount: &Mount) -> Vec<String> {
    let own = matches!(mount.what, What::Cgroup { own: true });
    let places = super::group::places(story);
    let alone = story.scene.layout.kind() == Kind::V2;
    if alone && !own {
        return story.scene.layout.unified().map(|one| one.mount.display().to_string()).into_iter().collect();
    }
    if !places.is_empty() {
        return places.iter().map(|(_, path)| path.display().to_string()).collect();
    }
    let here = |one: &stage3_cgroups::layout::Hierarchy| {
        one.here.as_ref().map(|here| one.mount.join(here.trim_start_matches('/')).display().to_string())
    };
    story.scene.layout.useful().filter_map(here).collect()
}

fn cgroups(story: &Story<'_>, mount: &Mount, target: &str) -> Vec<String> {
    let (attributes, shown) = (mount.top.after(mount.all), shown(story, mount));
    let clear = attributes.clear & !libc::MOUNT_ATTR_RDONLY;
    let prepared = |place: &String| {
        let name = format!("<{place}>");
        let copied = (!story.scene.privileged).then(|| tree_of(Path::new(place), false));
        copied.into_iter().chain([mount_setattr(&name, false, attributes.set, clear, libc::MS_PRIVATE)])
    };
    if story.scene.layout.kind() == Kind::V2 {
        let attached = shown.iter().map(|place| move_mount(&format!("<{place}>"), target));
        return shown.iter().flat_map(prepared).chain(attached).collect();
    }
    let system = "fsconfig(<tmpfs>, FSCONFIG_SET_STRING, ";
    let now = strace::attributes(attributes.set & !libc::MOUNT_ATTR_RDONLY);
    let mut calls = vec![
        "fsopen(\"tmpfs\", FSOPEN_CLOEXEC)".to_owned(),
        format!("{system}\"source\", \"cgroup\", 0)"),
        format!("{system}\"mode\", \"755\", 0)"),
        "fsconfig(<tmpfs>, FSCONFIG_CMD_CREATE, NULL, NULL, 0)".to_owned(),
        format!("fsmount(<tmpfs>, FSMOUNT_CLOEXEC, {now})"),
        move_mount("<tmpfs>", target),
    ];
    for place in &shown {
        let name = hierarchy_of(story, place);
        calls.extend(prepared(place));
        calls.push(format!("mkdirat(<tmpfs>, {name:?}, 0755)"));
        calls.push(move_mount(&format!("<{place}>"), &format!("<tmpfs/{name}>")));
    }
    calls
}

/// The name of the hierarchy that a group's directory is in.
fn hierarchy_of(story: &Story<'_>, place: &str) -> String {
    let hierarchy = story.scene.layout.useful().find(|one| Path::new(place).starts_with(&one.mount));
    let name = hierarchy.and_then(|one| one.mount.file_name()).unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Of mount(8).
const WORDS: [(u64, &str); 8] = [
    (libc::MOUNT_ATTR_RDONLY, "ro"),
    (libc::MOUNT_ATTR_NOSUID, "nosuid"),
    (libc::MOUNT_ATTR_NODEV, "nodev"),
    (libc::MOUNT_ATTR_NOEXEC, "noexec"),
    (libc::MOUNT_ATTR_NOATIME, "noatime"),
    (libc::MOUNT_ATTR_STRICTATIME, "strictatime"),
    (libc::MOUNT_ATTR_NODIRATIME, "nodiratime"),
    (libc::MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"),
];

/// What mount(8) is told for the same.
fn typed(mount: &Mount, root: &Path) -> String {
    let target = path(&root.join(&mount.target));
    let set = asked(mount);
    let words = WORDS.into_iter().filter_map(|(bit, word)| (set & bit != 0).then_some(word));
    let mut words: Vec<&str> = words.collect();
    match &mount.what {
        What::Bind(bind) => {
            let how = if bind.deep { "--rbind" } else { "--bind" };
            let bound = format!("mount {how} {} {target}", path(&bind.source));
            match words.is_empty() {
                true => bound,
                false => format!("{bound} && mount -o remount,bind,{} {target}", words.join(",")),
            }
        }
        What::New(system) | What::Again(system) => {
            let data = data(system).join(",");
            words.extend(system.superblock.iter().copied().filter(|word| *word != "ro"));
            words.extend((!data.is_empty()).then_some(data.as_str()));
            words.splice(0..0, matches!(mount.what, What::Again(_)).then_some("remount"));
            let options =
                if words.is_empty() { String::new() } else { format!(" -o {}", word(&words.join(","))) };
            format!(
                "mount -t {}{options} {} {target}",
                word(&system.kind),
                word(system.source.as_deref().unwrap_or("none"))
            )
        }
        What::Cgroup { .. } => format!("mount --bind /sys/fs/cgroup/…/GROUP {target}/…"),
    }
}
