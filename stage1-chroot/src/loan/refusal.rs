//! Why a user namespace was refused, and the command that mends it.
//!
//! user_namespaces(7); sysctl(8). Book: `capability`.
//! Invariant: [`explain`] is a pure function of what [`Readings::take`] read.

use super::Capability;
use nix::errno::Errno;
use nix::unistd::Uid;

/// What the kernel lets everybody read about its switches and about this process.
///
/// `None` is a file that is not there: a switch this kernel does not have, or no /proc.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readings {
    /// /proc/sys/kernel/unprivileged_userns_clone, of Debian's and Arch's kernels; 0 is off.
    pub unprivileged_userns_clone: Option<u64>,
    /// /proc/sys/kernel/apparmor_restrict_unprivileged_userns, of Ubuntu's; 1 is restricted.
    pub apparmor_restrict_unprivileged_userns: Option<u64>,
    /// /proc/sys/user/max_user_namespaces.
    pub max_user_namespaces: Option<u64>,
    /// Whether a system call filter is on, by /proc/self/status.
    pub filtered: Option<bool>,
    /// Whether no mount in /proc/self/mountinfo is at `/`, as in a chroot.
    pub chrooted: Option<bool>,
    /// Whether the caller has CAP_SYS_ADMIN, for whom the first two switches do not count.
    pub administrator: bool,
    /// Whether the caller is root without CAP_SETFCAP.
    pub root_without_setfcap: bool,
}

impl Readings {
    /// Reads them for a caller with these capabilities and this user id.
    pub fn take(capabilities: u64, caller: Uid) -> Self {
        let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse().ok();
        let text = |path: &str| std::fs::read_to_string(path).ok();
        Readings {
            unprivileged_userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restrict_unprivileged_userns: number(
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            ),
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            filtered: text("/proc/self/status").map(|status| has_filter(&status)),
            chrooted: text("/proc/self/mountinfo").map(|mounts| !has_root(&mounts)),
            administrator: Capability::SYS_ADMIN.is_in(capabilities),
            root_without_setfcap: caller.is_root() && !Capability::SETFCAP.is_in(capabilities),
        }
    }
}

/// `Seccomp: 2` is SECCOMP_MODE_FILTER (proc_pid_status(5)).
fn has_filter(status: &str) -> bool {
    status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"]))
}

/// The fifth field is where a mount is, seen from the reader's root; mounts beyond it are left out.
fn has_root(mountinfo: &str) -> bool {
    mountinfo.lines().any(|line| line.split(' ').nth(4) == Some("/"))
}

/// The most likely cause of `errno`, and what mends it.
pub fn explain(errno: Errno, read: &Readings) -> String {
    let sysctl = |name: &str, value: u64| format!("sudo sysctl -w {name}={value}");
    match errno {
        Errno::ENOSPC | Errno::EUSERS if read.max_user_namespaces == Some(0) => format!(
            "user namespaces are switched off here; `{}` allows them",
            sysctl("user.max_user_namespaces", 10_000)
        ),
        Errno::ENOSPC | Errno::EUSERS => format!(
            "all user namespaces allowed here are in use, or they are nested 32 deep; `{}` allows more",
            sysctl("user.max_user_namespaces", read.max_user_namespaces.unwrap_or(5_000) * 2)
        ),
        Errno::ENOSYS | Errno::EINVAL => {
            "this kernel has no user namespaces (CONFIG_USER_NS), or the process has threads; run as root: `sudo …`"
                .into()
        }
        Errno::ENOENT => "the ids of a user namespace are mapped in /proc, which is not mounted here; \
                          `sudo mount -t proc proc /proc` mounts it"
            .into(),
        Errno::EPERM | Errno::EACCES => explain_permission(read, sysctl),
        _ => "see user_namespaces(7); or run as root: `sudo …`".into(),
    }
}

fn explain_permission(read: &Readings, sysctl: impl Fn(&str, u64) -> String) -> String {
    if read.chrooted == Some(true) {
        return "this process is in a chroot already, where the kernel refuses user namespaces \
                (user_namespaces(7)); run it outside, or as root"
            .into();
    }
    if !read.administrator && read.unprivileged_userns_clone == Some(0) {
        let mend = sysctl("kernel.unprivileged_userns_clone", 1);
        return format!("unprivileged user namespaces are switched off here; `{mend}` allows them");
    }
    if !read.administrator && read.apparmor_restrict_unprivileged_userns == Some(1) {
        let mend = sysctl("kernel.apparmor_restrict_unprivileged_userns", 0);
        return format!("AppArmor restricts unprivileged user namespaces here; `{mend}` allows them");
    }
    if read.root_without_setfcap {
        return "root without CAP_SETFCAP may not map root (since Linux 5.12); \
                run as an ordinary user, or keep CAP_SYS_CHROOT"
            .into();
    }
    if read.filtered == Some(true) {
        return "a system call filter is on, as in a container; start it with \
                `docker run --security-opt seccomp=unconfined …`, or run outside"
            .into();
    }
    match read.chrooted {
        None => "/proc cannot be read here; inside a chroot the kernel refuses user namespaces \
                 (user_namespaces(7)): run it outside, or as root"
            .into(),
        Some(_) => "no switch that can be read explains it: a security module, or a chroot whose root is \
                    a mount point (user_namespaces(7)); run as root: `sudo …`"
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ordinary user on a host where nothing stands in the way.
    fn host() -> Readings {
        Readings {
            max_user_namespaces: Some(15_000),
            filtered: Some(false),
            chrooted: Some(false),
            ..Readings::default()
        }
    }

    #[track_caller]
    fn says(errno: Errno, read: &Readings, expected: &str) {
        let text = explain(errno, read);
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn each_switch_is_named_with_the_command_that_turns_it() {
        let debian = Readings { unprivileged_userns_clone: Some(0), ..host() };
        says(Errno::EPERM, &debian, "`sudo sysctl -w kernel.unprivileged_userns_clone=1`");
        let ubuntu = Readings { apparmor_restrict_unprivileged_userns: Some(1), ..host() };
        says(Errno::EPERM, &ubuntu, "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`");
        let hardened = Readings { max_user_namespaces: Some(0), ..host() };
        says(Errno::ENOSPC, &hardened, "`sudo sysctl -w user.max_user_namespaces=10000`");
        says(Errno::ENOSPC, &host(), "`sudo sysctl -w user.max_user_namespaces=30000`");
    }

    #[test]
    fn a_switch_that_is_off_for_others_is_not_blamed_by_the_administrator() {
        let root = Readings { unprivileged_userns_clone: Some(0), administrator: true, ..host() };
        says(Errno::EPERM, &root, "no switch that can be read explains it");
    }

    #[test]
    fn the_place_of_the_caller_is_named() {
        says(Errno::EPERM, &Readings { chrooted: Some(true), ..host() }, "in a chroot already");
        says(Errno::EPERM, &Readings { filtered: Some(true), ..host() }, "seccomp=unconfined");
        says(Errno::EPERM, &Readings { root_without_setfcap: true, ..host() }, "CAP_SETFCAP");
        says(Errno::EPERM, &Readings::default(), "/proc cannot be read here");
        says(Errno::EINVAL, &host(), "CONFIG_USER_NS");
        says(Errno::EIO, &host(), "user_namespaces(7)");
        says(Errno::ENOENT, &Readings::default(), "/proc, which is not mounted here");
    }

    #[test]
    fn a_chroot_is_known_by_the_mount_it_does_not_see() {
        let host = "22 1 254:0 / / rw - ext4 /dev/vda rw\n23 22 0:5 / /proc rw - proc proc rw\n";
        let jail = "40 22 0:5 / /proc rw - proc proc rw\n";
        assert!(has_root(host) && !has_root(jail) && !has_root(""));
    }

    #[test]
    fn a_filter_is_known_by_the_line_of_the_status() {
        assert!(has_filter("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"));
        assert!(!has_filter("Seccomp:\t0\nSeccomp_filters:\t2\n"));
    }
}
