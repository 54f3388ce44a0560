//! Calls written as strace(1) prints them.
//!
//! No kernel calls; strace 6.1. Book: "config.json, told as calls" (`explain`).
//! Invariant: pure; flags have the kernel's names, and a text is one line.

use std::path::Path;

/// A text in quotes; control characters are escaped.
pub fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// The names of `bits`, parted by `|`; 0 where there is none.
pub fn flags(bits: u64, names: &[(u64, &str)]) -> String {
    let known: Vec<&str> =
        names.iter().filter(|(bit, _)| bits & bit == *bit && *bit != 0).map(|(_, name)| *name).collect();
    if known.is_empty() { "0".to_owned() } else { known.join("|") }
}

/// linux/mount.h
const ATTRIBUTES: [(u64, &str); 8] = [
    (libc::MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"),
    (libc::MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"),
    (libc::MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"),
    (libc::MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"),
    (libc::MOUNT_ATTR_NOATIME, "MOUNT_ATTR_NOATIME"),
    (libc::MOUNT_ATTR_STRICTATIME, "MOUNT_ATTR_STRICTATIME"),
    (libc::MOUNT_ATTR_NODIRATIME, "MOUNT_ATTR_NODIRATIME"),
    (libc::MOUNT_ATTR_NOSYMFOLLOW, "MOUNT_ATTR_NOSYMFOLLOW"),
];

/// Attributes of a mount.
pub fn attributes(bits: u64) -> String {
    // Of the numbers in the middle strace knows two; their mask has a bit more, that it prints as a number.
    let rest = bits & libc::MOUNT_ATTR__ATIME & !(libc::MOUNT_ATTR_NOATIME | libc::MOUNT_ATTR_STRICTATIME);
    match (flags(bits, &ATTRIBUTES), rest) {
        (names, 0) => names,
        (names, rest) if names == "0" => format!("{rest:#x}"),
        (names, rest) => format!("{names}|{rest:#x}"),
    }
}

/// MS_PRIVATE and its like.
pub fn propagation(bits: u64) -> &'static str {
    match bits {
        libc::MS_PRIVATE => "MS_PRIVATE",
        libc::MS_SLAVE => "MS_SLAVE",
        libc::MS_SHARED => "MS_SHARED",
        libc::MS_UNBINDABLE => "MS_UNBINDABLE",
        _ => "0",
    }
}

/// A copy of what is at `from`, which is `<descriptor>, ""` or `AT_FDCWD, "path"`.
pub fn open_tree(from: &str, deep: bool) -> String {
    let deep = if deep { "|AT_RECURSIVE" } else { "" };
    format!("open_tree({from}, OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_NO_AUTOMOUNT|AT_EMPTY_PATH{deep})")
}

/// A change of a mount; one of its ids is told by the descriptor's name.
pub fn mount_setattr(mount: &str, deep: bool, set: u64, clear: u64, spread: u64) -> String {
    let flags = if deep { "AT_EMPTY_PATH|AT_RECURSIVE" } else { "AT_EMPTY_PATH" };
    format!(
        "mount_setattr({mount}, \"\", {flags}, {{attr_set={}, attr_clr={}, propagation={}, userns_fd=0}}, 32)",
        attributes(set),
        attributes(clear),
        propagation(spread)
    )
}

/// One mount onto another file, both descriptors.
pub fn move_mount(mount: &str, target: &str) -> String {
    format!("move_mount({mount}, \"\", {target}, \"\", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)")
}

/// `openat(directory, …)`
pub fn openat(directory: &str, name: &str, flags: &str) -> String {
    format!("openat({directory}, {name:?}, {flags})")
}

/// A directory or file beneath the root, without any link on the way, or by links that stay inside.
pub fn beneath(path: &Path, more: &str, straight: bool) -> String {
    let resolve = if straight { "RESOLVE_NO_SYMLINKS" } else { "RESOLVE_NO_MAGICLINKS" };
    format!(
        "openat2(<rootfs>, {:?}, {{flags=O_RDONLY|O_CLOEXEC|O_PATH{more}, resolve={resolve}|RESOLVE_IN_ROOT}}, 24)",
        path.display().to_string()
    )
}

/// A file of the host's procfs, which nothing can be mounted over.
pub fn own_file(path: &str, mode: &str) -> String {
    format!(
        "openat2(</proc>, {path:?}, {{flags={mode}|O_CLOEXEC, resolve=RESOLVE_NO_XDEV|RESOLVE_NO_MAGICLINKS|RESOLVE_BENEATH}}, 24)"
    )
}

/// `write(<file>, …)`, which takes all of it.
pub fn write(file: &str, text: &str) -> String {
    format!("write(<{file}>, {}, {})", quoted(text), text.len())
}

/// Made only where it is needed.
pub fn perhaps(call: String) -> String {
    format!("[{call}]")
}

/// A word as a shell takes it.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The same of a path.
pub fn path(path: &Path) -> String {
    word(&path.to_string_lossy())
}
