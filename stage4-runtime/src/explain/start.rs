//! Told: from the release to execve(2), and what comes when the process has ended.
//!
//! No kernel calls; execve(2). Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; the order is that of `birth`, of `last_acts` and of `death`.

use super::strace::{perhaps, word};
use super::{Story, entry, group, process};

pub(super) fn started(story: &mut Story<'_>) {
    let calls = vec![
        "sendto(<line>, \"d\", 1, MSG_NOSIGNAL, NULL, 0)".to_owned(),
        "recvmsg(<line>, {…iov_base=\"g…}, MSG_CMSG_CLOEXEC)".to_owned(),
    ];
    let why = "created: `run` goes on at once, after `create` it waits here until `start` rings";
    story.tell_always(calls, Some(format!("stage4-runtime start {}", story.plan.id)), why);
    let plan = story.plan;
    entry::told(story, &plan.hooks.start_container, "in the container, before its process");
    let calls = vec!["rt_sigprocmask(SIG_SETMASK, [], NULL, 8)".to_owned()];
    story.tell_always(calls, None, "signals as a new program expects them: none is held back or ignored");
    if plan.process.no_new_privileges {
        process::filtered(story);
    }
    execute(story);
}

fn execute(story: &mut Story<'_>) {
    let process = &story.plan.process;
    let words: Vec<String> = process.arguments.iter().map(|one| one.to_string_lossy().into_owned()).collect();
    let file = match process.candidates.as_slice() {
        [only] => only.to_string_lossy().into_owned(),
        _ => format!("…/{}", words.first().map(String::as_str).unwrap_or_default()),
    };
    let command: Vec<String> = words.iter().map(|one| word(one)).collect();
    let call = format!("execve({file:?}, {words:?}, …)");
    story.tell(
        "process.args",
        vec![call],
        Some(command.join(" ")),
        "the same process, with everything above in force",
    );
}

pub(super) fn ended(story: &mut Story<'_>) {
    let plan = story.plan;
    entry::told(story, &plan.hooks.poststart, "in the runtime's namespaces, as soon as the process runs");
    let calls = vec!["wait4(<init>, …, 0, NULL)".to_owned()];
    story.tell_always(
        calls,
        None,
        "its exit status is `run`'s; with its first process a pid namespace ends as a whole",
    );
    removed(story);
    entry::told(story, &plan.hooks.poststop, "in the runtime's namespaces, when the container is gone");
    let place = format!("<state/{}>", plan.id);
    let calls = ["config.json", "state.json", "traces"].map(|file| format!("unlinkat({place}, {file:?}, 0)"));
    let last = format!("unlinkat(<state>, {:?}, AT_REMOVEDIR)", plan.id.as_str());
    let calls = calls.into_iter().chain([last]).collect();
    story.tell_always(
        calls,
        Some(format!("stage4-runtime delete {}", plan.id)),
        "the last that is known of it",
    );
}

/// The group, with whoever is left in it.
fn removed(story: &mut Story<'_>) {
    let places = group::places(story);
    if places.is_empty() {
        return;
    }
    let killed = group::unified(&places)
        .map(|(_, path)| perhaps(format!("write(<{}/cgroup.kill>, \"1\", 1)", path.display())));
    let removed =
        places.iter().map(|(_, path)| format!("unlinkat(AT_FDCWD, \"{}\", AT_REMOVEDIR)", path.display()));
    let calls = killed.into_iter().chain(removed).collect();
    story.tell_always(
        calls,
        Some(format!("stage3-cgroups delete {}", group::typed_name(story))),
        "who is left in it is killed, and the group removed",
    );
}
