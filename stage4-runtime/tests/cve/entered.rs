//! A container's first process while it still is the runtime's, seen from inside: CVE-2016-9962.
//!
//! ptrace(2), proc(5). Book: "The last acts" (`last-acts`).
//! Invariant: who looks has the same user and the same capabilities, so that nothing but the runtime's care hides it.

use crate::ground::Bench;

/// What only whoever may trace a process can read of it.
const LOOK: &str =
    "for link in exe cwd root fd/0 fd/1; do readlink /proc/1/$link; done; cat /proc/1/environ; true";

#[test]
fn entered_container_cannot_look_into_who_enters() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.id();
    bench.config("sleep 1000", |_| ());
    bench.output(&["create", &id]);
    // Waits for days, if it must; and a visitor is let in.
    let (status, output, errors) = bench.call(&["exec", &id, "sh", "-c", LOOK]);
    assert_eq!((status, output.as_str()), (0, ""), "{errors}");
    assert_eq!(errors.matches("Permission denied").count(), 1, "{errors}");
    bench.output(&["start", &id]);
    // It is not the rights: the container's own program is looked into by the same words.
    let (_, output, errors) = bench.call(&["exec", &id, "sh", "-c", LOOK]);
    assert!(output.contains("/bin/busybox") && errors.is_empty(), "{output}{errors}");
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}
