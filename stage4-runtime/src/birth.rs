//! A container's birth: parent and init, each from top to bottom in time.
//!
//! clone3(2), setns(2), pivot_root(2), execve(2). Book: "A container's birth" (`birth`).
//! Invariant: what is made was written down before, so that whoever is killed, `delete --force` finds it; and init,
//! until it is released, ends when its parent does.
//!
//! ```text
//! parent                                    init
//!   write down what will be made
//!   make the group, set its limits
//!   open what init needs of the host
//!   [joined] a joiner goes there first
//!   clone3(all new namespaces at once) ───▶ born, in its group
//!   [user] write the id maps, "go" ───────▶ become root of the user namespace
//!                                           cgroup view, clocks, names, loopback
//!                                           root, mounts, devices, masks
//!   allow devices, move network ◀── "done"
//!   hooks prestart, createRuntime
//!   "go" ─────────────────────────────────▶ hooks createContainer, pivot
//!                                           parameters, read-only, masks, terminal
//!   write down that it is there ◀── "done"  (created)
//!   "go" ─────────────────────────────────▶ on its own from here on
//! start ─── rings, "go" ──────────────────▶ hooks startContainer
//!   hooks poststart ◀── silence, or why not execve
//! ```
