//! Told: who the process is, and what it may.
//!
//! No kernel calls; capabilities(7), credentials(7). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; the order is that of `last_acts::drop_privileges`.

use super::Story;
use super::strace::perhaps;
use crate::plan::process::capabilities::names;

fn bits(set: u64) -> String {
    let names: Vec<String> = names(set).iter().map(|name| format!("1<<{name}")).collect();
    if names.is_empty() { "0".to_owned() } else { names.join("|") }
}

fn capset(effective: &str, permitted: &str, inheritable: &str) -> String {
    let head = "{version=_LINUX_CAPABILITY_VERSION_3, pid=0}";
    format!("capset({head}, {{effective={effective}, permitted={permitted}, inheritable={inheritable}}})")
}

/// As setpriv(1) takes a set.
fn list(set: u64) -> String {
    let names = names(set)
        .iter()
        .map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase()))
        .collect::<String>();
    format!("-all{names}")
}

pub(super) fn bounded(story: &mut Story<'_>, bounding: u64, inheritable: u64) {
    let calls = vec![capset("…", "…", &bits(inheritable))];
    let command = format!("setpriv --inh-caps={} …", list(inheritable));
    story.tell(
        "process.capabilities.inheritable",
        calls,
        Some(command),
        "first: beyond the bounding set nothing becomes inheritable",
    );
    let dropped = story.scene.known & story.scene.bounding & !bounding;
    let calls = names(dropped).iter().map(|name| format!("prctl(PR_CAPBSET_DROP, {name})")).collect();
    let command = format!("setpriv --bounding-set={} …", list(bounding));
    story.tell(
        "process.capabilities.bounding",
        calls,
        Some(command),
        "what is not in it can never be gained again",
    );
    story.tell_always(
        vec!["prctl(PR_SET_KEEPCAPS, 1)".to_owned()],
        None,
        "the permitted set survives the change of ids, to be cut down afterwards",
    );
}

pub(super) fn identity(story: &mut Story<'_>) {
    let user = &story.plan.process.user;
    let groups: Vec<String> = user.groups.iter().map(u32::to_string).collect();
    let call = format!("setgroups({}, [{}])", groups.len(), groups.join(", "));
    let denied = denied(story);
    let call = if denied { perhaps(call) } else { call };
    let command = match groups.is_empty() {
        true => "setpriv --clear-groups …".to_owned(),
        false => format!("setpriv --groups {} …", groups.join(",")),
    };
    let field = if groups.is_empty() { super::ALWAYS } else { "process.user.additionalGids" };
    let why = match denied {
        true => "denied for good in this user namespace: the caller's groups stay, as nobody's",
        false => "no group of the runtime's stays",
    };
    story.tell(field, vec![call], Some(command), why);
    let calls = (0..3).map(|stream| perhaps(format!("fchown({stream}, {}, -1)", user.uid))).collect();
    story.tell_always(
        calls,
        None,
        "standard input, output and error become its user's, so that /dev/stdout can be opened",
    );
    let command = format!("umask 0{:02o}", user.umask);
    let calls = vec![format!("umask(0{:02o})", user.umask)];
    let why = "what it takes away from the files it makes; 022 where nothing is said";
    story.tell("process.user.umask", calls, Some(command), why);
    let calls = vec![format!("setgid({})", user.gid), format!("setuid({})", user.uid)];
    let command = format!("setpriv --regid {} --reuid {} …", user.gid, user.uid);
    story.tell(
        "process.user",
        calls,
        Some(command),
        "the group first, for the user may not change it any more; and all six ids are asked for",
    );
}

/// Is the map an ordinary user's, for which setgroups(2) was given up?
fn denied(story: &Story<'_>) -> bool {
    use stage2_namespaces::users::Users;
    match &story.plan.namespaces.users {
        Some(Users::Mapped { gids, .. }) => gids.is_only(story.scene.caller.1),
        _ => false,
    }
}

pub(super) fn assumed(story: &mut Story<'_>) {
    let sets = story.plan.process.capabilities;
    let mut calls = vec![
        "prctl(PR_SET_KEEPCAPS, 0)".to_owned(),
        "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)".to_owned(),
        capset(&bits(sets.effective), &bits(sets.permitted), &bits(sets.inheritable)),
    ];
    let raise = |name: &String| format!("prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, {name}, 0, 0)");
    calls.extend(names(sets.ambient).iter().map(raise));
    let command = format!("setpriv --ambient-caps={} …", list(sets.ambient));
    story.tell(
        "process.capabilities",
        calls,
        Some(command),
        "exactly these; the kernel is asked for all five sets again",
    );
}
