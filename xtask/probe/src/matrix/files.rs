//! Ways to the host's files, devices, mounts and knobs.
//!
//! mknod(2), mount(2), open_by_handle_at(2) (2.6.39, 2011). Book: "The matrix".
//! Invariant: a knob is opened and never written; what is mounted or made is taken away, but for what the host looks at.

use super::{Ground, Seen, any, errno, one};
use crate::sys;
use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::stat::{Mode, SFlag, makedev, mknod},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

pub(super) fn descriptor(ground: &Ground) -> Seen {
    match ground.old("fs-03") {
        // The way was open; the canary is root's alone.
        Seen::Contained(why) if why.contains("EACCES") => Seen::Mode(why),
        other => other,
    }
}

/// Is the host's root still mounted somewhere below ours?
pub(super) fn old_root(ground: &Ground) -> Seen {
    if ground.word("pivots") != "yes" {
        return Seen::Absent("nothing was pivoted".into());
    }
    let mounts = match fs::read_to_string("/proc/self/mountinfo") {
        Ok(mounts) => mounts,
        Err(error) => return Seen::Contained(format!("/proc/self/mountinfo: {error}")),
    };
    let points: Vec<_> = mounts.lines().filter_map(|line| line.split(' ').nth(4)).collect();
    for point in &points {
        let path = PathBuf::from(format!("{}{}", point.trim_end_matches('/'), ground.word("canary")));
        if path.exists() {
            return Seen::Leaks(format!("the host's root is mounted on {point}"));
        }
    }
    Seen::Contained(format!("{} mounts, on none of which is the host's root", points.len()))
}

/// The first place in which a node can be made, and what came of using it there.
pub(super) fn node(
    ground: &Ground,
    kind: SFlag,
    device: (u64, u64),
    used: fn(&Path) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut last = Errno::ENOENT;
    for place in [ground.at("/tmp"), ground.at("/dev"), ground.at("/dev/shm")] {
        let path = place.join("stage4-node");
        match mknod(&path, kind, Mode::from_bits_truncate(0o600), makedev(device.0, device.1)) {
            Ok(()) => {
                let tried = used(&path);
                fs::remove_file(&path).ok();
                match tried {
                    Ok(()) => return Ok(()),
                    Err(errno) => last = errno,
                }
            }
            Err(Errno::EROFS) if last != Errno::ENOENT => {}
            Err(errno) => last = errno,
        }
    }
    Err(last)
}

fn opened(path: &Path) -> Result<(), Errno> {
    File::open(path).map(drop).map_err(|error| errno(&error))
}

pub(super) fn null_device(ground: &Ground) -> Seen {
    one("mknod(c 1:3), open", node(ground, SFlag::S_IFCHR, (1, 3), opened))
}

pub(super) fn loop_device(ground: &Ground) -> Seen {
    let Some(device) = ground.device() else { return Seen::Absent("no loop device here".into()) };
    let used = |path: &Path| {
        let mut sector = [0; 512];
        File::open(path).and_then(|mut file| file.read_exact(&mut sector)).map_err(|error| errno(&error))
    };
    one("mknod(b), read", node(ground, SFlag::S_IFBLK, device, used))
}

pub(super) fn mount_memory(ground: &Ground) -> Seen {
    let target = ground.at("/mnt");
    let tried = mount(Some("tmpfs"), &target, Some("tmpfs"), MsFlags::empty(), Some("size=64k"));
    if tried.is_ok() {
        umount2(&target, MntFlags::MNT_DETACH).ok();
    }
    one("mount(tmpfs)", tried)
}

pub(super) fn mount_shared(ground: &Ground) -> Seen {
    if !ground.word("base").is_empty() {
        return Seen::Absent("the host's mounts are its own".into());
    }
    let tried = mount(Some("tmpfs"), "/shared/inside", Some("tmpfs"), MsFlags::empty(), Some("size=64k"));
    match tried {
        Ok(()) => Seen::Ask("mounted on /shared/inside".into()),
        Err(errno) => Seen::Contained(format!("mount(tmpfs, /shared/inside): {errno:?}")),
    }
}

pub(super) fn hard_link(ground: &Ground) -> Seen {
    if !ground.word("base").is_empty() {
        return Seen::Absent("the host's files are its own".into());
    }
    match OpenOptions::new().append(true).open("/hard").and_then(|mut file| file.write_all(b"x")) {
        Ok(()) => Seen::Ask("appended to /hard".into()),
        Err(error) if errno(&error) == Errno::EACCES => Seen::Mode("open(/hard): EACCES".into()),
        Err(error) => Seen::Contained(format!("open(/hard): {:?}", errno(&error))),
    }
}

pub(super) fn setuid_file(ground: &Ground) -> Seen {
    let path = ground.at("/tmp/setuid");
    let made =
        File::create(&path).and_then(|_| fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)));
    match made {
        Ok(()) => Seen::Ask("made /tmp/setuid, mode 4755".into()),
        Err(error) => Seen::Contained(format!("open(/tmp/setuid): {:?}", errno(&error))),
    }
}

pub(super) fn by_handle(ground: &Ground) -> Seen {
    let bytes: Vec<u8> = ground.word("handle").split(' ').filter_map(|byte| byte.parse().ok()).collect();
    if bytes.is_empty() {
        return Seen::Absent("this file system has no handles".into());
    }
    let tried = File::open(ground.at("/")).map_err(|error| errno(&error));
    one("open_by_handle_at", tried.and_then(|root| sys::open_by_handle(root.as_fd(), &bytes)))
}

/// Opens for writing, and writes nothing.
pub(super) fn knob(path: &str) -> Result<(), Errno> {
    OpenOptions::new().write(true).open(path).map(drop).map_err(|error| errno(&error))
}

pub(super) fn sysctls(_: &Ground) -> Seen {
    let paths = ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/swappiness"];
    any(paths.into_iter().map(|path| (path, knob(path))).collect())
}

pub(super) fn sysfs(_: &Ground) -> Seen {
    let knobs = [
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/kernel/mm/ksm/run",
        "/sys/kernel/rcu_expedited",
    ];
    let there: Vec<_> = knobs.into_iter().filter(|path| Path::new(path).exists()).collect();
    match there.is_empty() {
        true => Seen::Absent("none of the knobs is here".into()),
        false => any(there.into_iter().map(|path| (path, knob(path))).collect()),
    }
}

/// A mask is the null device, or an empty directory, over what was there.
fn is_null(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.file_type().is_char_device())
}

pub(super) fn controls(_: &Ground) -> Seen {
    if !["/proc/sysrq-trigger", "/proc/kcore"].iter().any(|path| Path::new(path).exists()) {
        return Seen::Absent("this kernel has neither".into());
    }
    let core = File::open("/proc/kcore").map_err(|error| errno(&error));
    let core = core.and_then(|file| if is_null(&file) { Err(Errno::ENODATA) } else { Ok(()) });
    any(vec![("/proc/sysrq-trigger", knob("/proc/sysrq-trigger")), ("/proc/kcore", core)])
}

pub(super) fn information(_: &Ground) -> Seen {
    let timers = File::open("/proc/timer_list").map_err(|error| errno(&error)).and_then(|mut file| {
        let mut some = [0; 64];
        let read = if is_null(&file) { 0 } else { file.read(&mut some).map_err(|error| errno(&error))? };
        if read == 0 { Err(Errno::ENODATA) } else { Ok(()) }
    });
    let keys = fs::read_to_string("/proc/keys").map_err(|error| errno(&error));
    let keys =
        keys.and_then(|text| if text.contains("stage4-canary") { Ok(()) } else { Err(Errno::ENODATA) });
    let seen = any(vec![("/proc/timer_list", timers), ("/proc/keys shows the canary", keys)]);
    match seen {
        Seen::Contained(why) if timers == Err(Errno::EACCES) => Seen::Mode(why),
        other => other,
    }
}

pub(super) fn disk(ground: &Ground) -> Seen {
    let path = ground.at("/tmp/big");
    let block = vec![0x5a; 1 << 20];
    let tried = File::create(&path).and_then(|mut file| (0..16).try_for_each(|_| file.write_all(&block)));
    fs::remove_file(&path).ok();
    one("16 MiB written below /tmp", tried.map_err(|error| errno(&error)))
}
