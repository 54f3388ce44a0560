//! Told: the last acts, by which init becomes the container's process.
//!
//! No kernel calls; capabilities(7), credentials(7). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; the order is that of `last_acts`.

use super::strace::{own_file, perhaps, word};
use super::{Story, filter, privileges, schedule};
use crate::plan::Plan;
use crate::seccomp::install::named;

pub(super) fn changed(story: &mut Story<'_>) {
    let plan = story.plan;
    let undumpable = "prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE)".to_owned();
    story.tell_always(
        vec![undumpable.clone()],
        None,
        "nobody inside may look into a process that has the host's files open (CVE-2016-9962)",
    );
    if plan.process.is_homeless() {
        let call = "openat2(<rootfs>, \"etc/passwd\", {flags=O_RDONLY|O_NONBLOCK|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT}, 24)";
        story.tell_always(
            vec![call.to_owned()],
            None,
            "where its user is at home, for HOME, which nobody has set",
        );
    }
    keyring(story);
    session(story);
    schedule::scheduled(story);
    schedule::labelled(story);
    directory(story);
    limited(story);
    closed(story);
    let sets = &plan.process.capabilities;
    privileges::bounded(story, sets.bounding, sets.inheritable);
    privileges::identity(story);
    privileges::assumed(story);
    story.tell_always(vec![undumpable], None, "again, for the change of ids has made it dumpable");
    found(story);
    released(story);
}

fn keyring(story: &mut Story<'_>) {
    let keyring = format!("_ses.{}", story.plan.id);
    let calls = vec![
        format!("keyctl(KEYCTL_JOIN_SESSION_KEYRING, {keyring:?})"),
        perhaps("keyctl(KEYCTL_SETPERM, …)".to_owned()),
    ];
    story.tell_always(
        calls,
        Some(format!("keyctl session {} …", word(&keyring))),
        "the caller's keys stay the caller's",
    );
}

/// Nothing of the host's is left to it.
fn released(story: &mut Story<'_>) {
    let calls = vec![
        "prctl(PR_SET_PDEATHSIG, 0)".to_owned(),
        "close_range(3, 4294967295, CLOSE_RANGE_CLOEXEC)".to_owned(),
        perhaps("close_range(3, …, 0)".to_owned()),
        "close_range(…, 2147483647, 0)".to_owned(),
    ];
    story.tell_always(
        calls,
        None,
        "its parent may end now; and all descriptors of the host's are closed but the line, which execve(2) closes",
    );
}

fn session(story: &mut Story<'_>) {
    let mut calls = vec!["setsid()".to_owned()];
    if story.plan.process.terminal.is_none() {
        let why = "no terminal of the caller's can be typed into from inside (TIOCSTI)";
        return story.tell_always(calls, Some("setsid …".to_owned()), why);
    }
    calls.push("ioctl(<pty>, TIOCSCTTY, 0)".to_owned());
    calls.extend((0..3).map(|stream| format!("dup2(<pty>, {stream})")));
    story.tell(
        "process.terminal",
        calls,
        Some("setsid --ctty …".to_owned()),
        "a session of its own, that its terminal controls",
    );
}

fn directory(story: &mut Story<'_>) {
    let cwd = story.plan.process.directory.to_string_lossy().into_owned();
    let flags = "flags=O_RDONLY|O_CLOEXEC|O_PATH|O_DIRECTORY, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT";
    let calls = vec![format!("openat2(<rootfs>, {cwd:?}, {{{flags}}}, 24)"), "fchdir(<cwd>)".to_owned()];
    let why = "found beneath the root, made where it is missing, and asked for at the end (CVE-2024-21626)";
    story.tell("process.cwd", calls, Some(format!("cd {}", word(&cwd))), why);
    story.tell_always(
        vec![own_file("self/setgroups", "O_RDONLY")],
        None,
        "may setgroups(2) be called in this user namespace?",
    );
}

fn limited(story: &mut Story<'_>) {
    for (index, limit) in story.plan.process.rlimits.iter().enumerate() {
        let kind = limit.kind.to_string();
        let call = format!(
            "prlimit64(0, {kind}, {{rlim_cur={}, rlim_max={}}}, NULL)",
            bound(limit.soft),
            bound(limit.hard)
        );
        let plain = |limit: u64| if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() };
        let option = kind.trim_start_matches("RLIMIT_").to_lowercase();
        let command = format!("prlimit --{option}={}:{} …", plain(limit.soft), plain(limit.hard));
        story.tell(
            format!("process.rlimits[{index}]"),
            vec![call],
            Some(command),
            "before the right to raise it goes",
        );
    }
}

/// As strace prints a limit.
fn bound(limit: u64) -> String {
    match limit {
        u64::MAX => "RLIM64_INFINITY".to_owned(),
        limit if limit > 1024 && limit.is_multiple_of(1024) => format!("{}*1024", limit / 1024),
        limit => limit.to_string(),
    }
}

/// Closed to privileges, so that the filter may come last; or open to them, so that it must come now.
fn closed(story: &mut Story<'_>) {
    if story.plan.process.no_new_privileges {
        let calls = vec!["prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)".to_owned()];
        let why = "execve(2) gives nothing that it has not: no set-user-ID program works inside";
        story.tell("process.noNewPrivileges", calls, Some("setpriv --no-new-privs …".to_owned()), why);
    } else {
        filtered(story);
    }
}

/// The filter, where there is one.
pub(super) fn filtered(story: &mut Story<'_>) {
    let Plan { filter: Some(program), .. } = story.plan else { return };
    let flags = named(program.flags).join("|");
    let flags = if flags.is_empty() { "0" } else { &flags };
    let call = format!(
        "seccomp(SECCOMP_SET_MODE_FILTER, {flags}, {{len={}, filter=…}})",
        program.instructions.len()
    );
    let why = filter::refusals(program, story.scene.native);
    let Some(agent) = &story.plan.agent else {
        return story.tell("linux.seccomp", vec![call], None, &why);
    };
    let messenger =
        "clone3({flags=CLONE_PIDFD|CLONE_FILES, pidfd=…, exit_signal=SIGCHLD, stack=NULL, stack_size=0}, 88)";
    let dies = perhaps("prctl(PR_SET_PDEATHSIG, SIGKILL)".to_owned());
    story.tell("linux.seccomp", vec![messenger.to_owned(), dies, call], None, &why);
    let name = agent.path.file_name().unwrap_or_default();
    let calls = vec![
        "sendmsg(<line>, {…cmsg_type=SCM_RIGHTS…}, MSG_NOSIGNAL)".to_owned(),
        format!("connect(…, {{sa_family=AF_UNIX, sun_path=\"/proc/self/fd/…/{}\"}}, …)", name.display()),
        "sendmsg(<agent>, {…cmsg_type=SCM_RIGHTS…}, MSG_NOSIGNAL)".to_owned(),
    ];
    let why =
        "a messenger, whom the filter does not bind, gives its listener to the parent, and that to the agent";
    story.tell("linux.seccomp.listenerPath", calls, None, why);
}

/// By its user's rights, while there still is somebody to tell.
fn found(story: &mut Story<'_>) {
    let candidates = &story.plan.process.candidates;
    let look = |(place, file): (usize, &std::ffi::CString)| {
        let call = format!("faccessat2(AT_FDCWD, {:?}, X_OK, AT_EACCESS)", file.to_string_lossy());
        if place == 0 { call } else { perhaps(call) }
    };
    let calls = candidates.iter().enumerate().map(look).collect();
    story.tell(
        "process.args",
        calls,
        None,
        "the first that its user may execute, in the PATH of process.env",
    );
}
