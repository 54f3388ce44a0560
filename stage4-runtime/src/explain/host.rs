//! Told: what is read, and what is written down before anything is made.
//!
//! No kernel calls. Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; the order is that of `commands::create` and of `birth::create`.

use super::Story;
use super::strace::openat;

pub(super) fn before(story: &mut Story<'_>) {
    let (bundle, id) = (story.scene.bundle.display().to_string(), story.plan.id.to_string());
    story.tell_always(
        vec![
            openat("AT_FDCWD", &bundle, "O_RDONLY|O_CLOEXEC|O_PATH|O_DIRECTORY"),
            openat(&format!("<{bundle}>"), "config.json", "O_RDONLY|O_NOCTTY|O_NONBLOCK|O_CLOEXEC"),
        ],
        None,
        "all of it is read and checked, and becomes a plan, before anything is done",
    );
    let create = |how: &str| format!("O_WRONLY|O_CREAT|{how}|O_NOFOLLOW|O_CLOEXEC, 0600");
    let place = format!("<state/{id}>");
    story.tell_always(
        vec![
            format!("mkdirat(<state>, {id:?}, 0700)"),
            format!("flock({place}, LOCK_EX)"),
            openat(&place, "config.json", &create("O_TRUNC")),
            openat(&place, "traces", &create("O_APPEND")),
        ],
        None,
        "what will be made is written down first: whoever is killed on the way, `delete --force` finds it",
    );
}
