//! What came along from whoever started it: variables, descriptors, the runtime's own file.
//!
//! environ(7), execve(2), close_range(2) (5.9, 2020). Book: "The matrix".
//! Invariant: the runtime's file is opened for writing, and nothing is written.

use super::{Ground, Seen};
use std::fs;

pub(super) fn strays(ground: &Ground) -> Seen {
    let mut strays = Vec::new();
    if std::env::var("STAGE4_SECRET").is_ok_and(|value| value == ground.word("secret")) {
        strays.push("the caller's variable".to_owned());
    }
    // The directory that is being read is a descriptor, too: the last.
    let mut numbers: Vec<i32> = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
        .collect();
    numbers.retain(|number| *number > 2 && fs::read_link(format!("/proc/self/fd/{number}")).is_ok());
    strays.extend(numbers.iter().map(|number| format!("descriptor {number}")));
    match strays.is_empty() {
        true => Seen::Contained("no variable and no descriptor of the caller's".into()),
        false => Seen::Leaks(strays.join(", ")),
    }
}

pub(super) fn executable(_: &Ground) -> Seen {
    Seen::Absent("the runtime is overwritten in a test of its own".into())
}
