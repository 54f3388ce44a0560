//! Told: the birth, from the descriptors of the host's to the names inside.
//!
//! No kernel calls; clone3(2), setns(2), user_namespaces(7). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; the order is that of `birth::bear`, `birth::inside` and `surroundings`.

use super::strace::{openat, own_file, perhaps, word, write};
use super::{ALWAYS, Story, group, sources};
use crate::plan::namespaces::Joined;
use stage2_namespaces::idmap::IdMap;
use stage2_namespaces::users::Users;
use stage2_namespaces::{Kind, Kinds};
use stage3_cgroups::Version;

pub(super) fn born(story: &mut Story<'_>) {
    let doors = doors(story);
    if !doors.is_empty() {
        let open =
            |path: &String| openat(&format!("<{path}>"), "cgroup.procs", "O_WRONLY|O_NOFOLLOW|O_CLOEXEC");
        let why = "by these init goes in itself: only version 2 has a way to be born in a group";
        story.tell_always(doors.iter().map(open).collect(), None, why);
    }
    sources::opened(story);
    let proc = openat("AT_FDCWD", "/proc", "O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_PATH|O_DIRECTORY");
    story.tell_always(
        vec![proc],
        None,
        "the host's procfs, for what is written about init: no image has a say in it",
    );
    clone(story);
    if !doors.is_empty() {
        let enter = |path: &String| write(&format!("{path}/cgroup.procs"), "0");
        let command = format!("echo $$ > {}", word(&format!("{}/cgroup.procs", doors[0])));
        story.tell_always(
            doors.iter().map(enter).collect(),
            Some(command),
            "0 is whoever writes: init is in its group",
        );
    }
    maps(story);
    roots(story);
    surroundings(story);
    own_files(story);
}

/// The directories that init enters by cgroup.procs.
fn doors(story: &Story<'_>) -> Vec<String> {
    let born = story.plan.namespaces.joined.is_empty();
    let places = group::places(story);
    let needed = places.iter().filter(|(hierarchy, _)| !(born && hierarchy.version == Version::V2));
    needed.map(|(_, path)| path.display().to_string()).collect()
}

fn clone(story: &mut Story<'_>) {
    let namespaces = &story.plan.namespaces;
    let (born, joined) = (namespaces.born, namespaces.joined.clone());
    let mut calls = vec!["socketpair(AF_UNIX, SOCK_SEQPACKET|SOCK_CLOEXEC, 0, …)".to_owned()];
    let opened =
        joined.iter().map(|one| format!("openat(AT_FDCWD, {:?}, …)", one.path.display().to_string()));
    calls.extend(opened);
    if joined.is_empty() {
        let cradle = group::unified(&group::places(story)).map(|(_, path)| path.display().to_string());
        calls.push(clone3(born, cradle.as_deref(), false));
        let why = "one call: the process, all its namespaces, and the line on which both sides say how far they are";
        return story.tell("linux.namespaces", calls, Some(typed(story)), why);
    }
    calls.push("socketpair(AF_UNIX, SOCK_SEQPACKET|SOCK_CLOEXEC, 0, …)".to_owned());
    calls.push(clone3(Kinds::NONE, None, false));
    let (user, others): (Vec<_>, Vec<_>) = joined.iter().partition(|one| one.kind == Kind::User);
    let join =
        |one: &&Joined| format!("setns(<{}>, {})", one.path.display(), Kinds::NONE.with(one.kind, true));
    calls.extend(others.iter().chain(&user).map(join));
    calls.push(clone3(born, None, true));
    let why = "a joiner goes into the namespaces that are there, bears init in the new ones as its parent's child, and ends";
    story.tell("linux.namespaces", calls, Some(typed(story)), why);
}

/// `struct clone_args` as strace prints it.
pub(super) fn clone3(born: Kinds, cradle: Option<&str>, sibling: bool) -> String {
    let mut flags = vec!["CLONE_PIDFD".to_owned()];
    flags.extend(sibling.then(|| "CLONE_PARENT".to_owned()));
    flags.extend((!born.is_empty()).then(|| born.to_string()));
    flags.extend(cradle.map(|_| "CLONE_INTO_CGROUP".to_owned()));
    let signal = if sibling { "0" } else { "SIGCHLD" };
    let cgroup = cradle.map(|path| format!(", cgroup=<{path}>")).unwrap_or_default();
    format!(
        "clone3({{flags={}, pidfd=…, exit_signal={signal}, stack=NULL, stack_size=0{cgroup}}}, 88)",
        flags.join("|")
    )
}

/// The command of stage 2's that makes the same namespaces.
fn typed(story: &Story<'_>) -> String {
    let namespaces = &story.plan.namespaces;
    let mut options: Vec<String> = Vec::new();
    if !namespaces.joined.is_empty() {
        let enter = |one: &Joined| format!("--{}={}", long(one.kind), word(&one.path.to_string_lossy()));
        options.push("nsenter".to_owned());
        options.extend(namespaces.joined.iter().map(enter));
    }
    options.push("stage2-namespaces run".to_owned());
    let new = namespaces.born.with(Kind::Cgroup, namespaces.cgroup);
    let new = new.with(Kind::Time, new.has(Kind::Time) || namespaces.clocks.is_some());
    options.extend(new.iter().map(|kind| format!("--{}", long(kind))));
    if let Some(Users::Mapped { uids, gids }) = &namespaces.users {
        let extents = |option: &str, map: &IdMap| {
            let one = |e: &stage2_namespaces::idmap::Extent| {
                format!("{option} {}:{}:{}", e.inside, e.outside, e.count)
            };
            map.extents().iter().map(one).collect::<Vec<_>>()
        };
        options.extend(extents("--uid-map", uids));
        options.extend(extents("--gid-map", gids));
    }
    options.join(" ") + " -- …"
}

fn long(kind: Kind) -> &'static str {
    if kind == Kind::Mnt { "mount" } else { kind.name() }
}

fn maps(story: &mut Story<'_>) {
    let Some(Users::Mapped { uids, gids }) = &story.plan.namespaces.users else { return };
    let (uid, gid) = story.scene.caller;
    if gids.is_only(gid) {
        let why =
            "who could leave a group that is denied something would gain it: without that no map is taken";
        story.tell_always(vec![write("/proc/PID/setgroups", "deny")], None, why);
    }
    for (field, file, helper, map, own) in [
        ("linux.uidMappings", "uid_map", "newuidmap", uids, uid),
        ("linux.gidMappings", "gid_map", "newgidmap", gids, gid),
    ] {
        let numbers = map.extents().iter().flat_map(|e| [e.inside, e.outside, e.count]);
        let numbers = numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        let command = format!("{helper} PID {numbers}");
        let call = match uid == 0 || map.is_only(own) {
            true => write(&format!("/proc/PID/{file}"), &map.to_string()),
            false => perhaps(format!("execve(\"…/{helper}\", [{helper:?}, …], …)")),
        };
        story.tell(
            field,
            vec![call],
            Some(command),
            "written once, from outside; init enters its group meanwhile, and then waits for it",
        );
    }
}

/// In a user namespace init is nobody until it becomes its root.
fn roots(story: &mut Story<'_>) {
    let namespaces = &story.plan.namespaces;
    let calls = match &namespaces.users {
        Some(Users::Mapped { uids, gids }) => {
            let group = gids.outside(0).map(|_| {
                let denied = gids.is_only(story.scene.caller.1);
                let groups = "setgroups(0, [])".to_owned();
                ["setresgid(0, 0, 0)".to_owned(), if denied { perhaps(groups) } else { groups }]
            });
            let user = uids.outside(0).map(|_| "setresuid(0, 0, 0)".to_owned());
            group.into_iter().flatten().chain(user).collect()
        }
        None if namespaces.has_users() => ["setgroups(0, [])", "setresgid(0, 0, 0)", "setresuid(0, 0, 0)"]
            .map(|call| perhaps(call.to_owned()))
            .into(),
        _ => Vec::new(),
    };
    if !calls.is_empty() {
        story.tell(
            ALWAYS,
            calls,
            Some("setpriv --reuid 0 --regid 0 --clear-groups …".to_owned()),
            "root of its user namespace, where it has one",
        );
    }
}

fn surroundings(story: &mut Story<'_>) {
    let plan = story.plan;
    if plan.namespaces.cgroup {
        let why =
            "now, for its root is the group of whoever makes it: by the clone it would be the runtime's";
        story.tell(
            "linux.namespaces",
            vec!["unshare(CLONE_NEWCGROUP)".to_owned()],
            Some("unshare --cgroup …".to_owned()),
            why,
        );
    }
    if let Some(offsets) = plan.namespaces.clocks {
        clocks(story, offsets);
    }
    if let Some(name) = &plan.hostname {
        let call = format!("sethostname({name:?}, {})", name.len());
        story.tell(
            "hostname",
            vec![call],
            Some(format!("hostname {}", word(name))),
            "in the new uts namespace only",
        );
    }
    if let Some(name) = &plan.domainname {
        let call = format!("setdomainname({name:?}, {})", name.len());
        story.tell(
            "domainname",
            vec![call],
            Some(format!("domainname {}", word(name))),
            "the NIS domain; DNS does not read it",
        );
    }
    if plan.namespaces.born.has(Kind::Net) {
        loopback(story);
    }
}

fn loopback(story: &mut Story<'_>) {
    let calls = vec![
        "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE)".to_owned(),
        "sendto(<netlink>, [{nlmsg_len=32, nlmsg_type=0x10, …], 32, 0, NULL, 0)".to_owned(),
    ];
    let why = "RTM_NEWLINK with IFF_UP: a new network namespace has one link, and programs expect to reach themselves";
    story.tell_always(calls, Some("ip link set lo up".to_owned()), why);
}

fn clocks(story: &mut Story<'_>, offsets: stage2_namespaces::clocks::Offsets) {
    let line = |name: &str, at: Option<stage2_namespaces::clocks::Offset>| {
        at.map(|at| format!("{name} {} {}\n", at.seconds, at.nanoseconds)).unwrap_or_default()
    };
    let text = line("monotonic", offsets.monotonic) + &line("boottime", offsets.boottime);
    let calls = vec![
        "unshare(CLONE_NEWTIME)".to_owned(),
        write("/proc/self/timens_offsets", &text),
        "setns(</proc/self/ns/time_for_children>, CLONE_NEWTIME)".to_owned(),
    ];
    let option = |name: &str, at: Option<stage2_namespaces::clocks::Offset>| {
        at.map(|at| format!(" --{name} {}", at.seconds)).unwrap_or_default()
    };
    let (boottime, monotonic) =
        (option("boottime", offsets.boottime), option("monotonic", offsets.monotonic));
    let command = format!("stage2-namespaces run --time{boottime}{monotonic} -- …");
    story.tell(
        "linux.timeOffsets",
        calls,
        Some(command),
        "offsets are taken only before the first process enters",
    );
}

/// Files about itself, opened while init may.
fn own_files(story: &mut Story<'_>) {
    let process = &story.plan.process;
    let mut calls: Vec<String> = [
        (process.apparmor.is_some(), "thread-self/attr/apparmor/exec"),
        (process.selinux.is_some(), "thread-self/attr/exec"),
        (process.oom_score_adj.is_some(), "self/oom_score_adj"),
    ]
    .into_iter()
    .filter(|(wanted, _)| *wanted)
    .map(|(_, path)| own_file(path, "O_RDWR"))
    .collect();
    if story.plan.namespaces.has_users() {
        calls.insert(0, "prctl(PR_SET_DUMPABLE, SUID_DUMP_USER)".to_owned());
        calls.push("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE)".to_owned());
    }
    if !calls.is_empty() {
        story.tell_always(
            calls,
            None,
            "its own files in /proc, through the host's, while init may still open them",
        );
    }
}
