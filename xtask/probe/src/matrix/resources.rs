//! What can be used up: tasks, memory, processors, descriptors, disks.
//!
//! clone(2), mmap(2), setrlimit(2), sched_setscheduler(2), O_DIRECT. Book: "The matrix".
//! Invariant: each hog ends by itself: 200 tasks, 96 MiB, 0.3 s, 4000 descriptors, 1 MiB.

use super::{Ground, Seen, errno, files, one};
use crate::sys;
use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit, setrlimit},
};
use std::{
    fs::{self, File, OpenOptions},
    hint::black_box,
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    sync::{Arc, Barrier, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Tasks are threads here: the kernel counts both alike.
pub(super) fn tasks(_: &Ground) -> Seen {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let mut begun = Vec::new();
    let mut refused = None;
    while begun.len() < 200 && refused.is_none() {
        let gate = Arc::clone(&gate);
        let wait = move || drop(gate.lock());
        match thread::Builder::new().stack_size(16 << 10).spawn(wait) {
            Ok(task) => begun.push(task),
            Err(error) => refused = Some(errno(&error)),
        }
    }
    let count = begun.len();
    drop(closed);
    begun.into_iter().for_each(|task| drop(task.join()));
    match refused {
        None => Seen::Leaks(format!("{count} tasks at once")),
        Some(errno) => Seen::Contained(format!("clone: {errno:?} after {count} tasks")),
    }
}

/// Who touches too much is killed, and whoever waits for us tells of it.
pub(super) fn memory(_: &Ground) -> Seen {
    let mut pages = Vec::new();
    for _ in 0..96 {
        pages.push(vec![0x5a_u8; 1 << 20]);
    }
    Seen::Leaks(format!("touched {} MiB", black_box(&pages).len()))
}

pub(super) fn processor(_: &Ground) -> Seen {
    let end = Instant::now() + Duration::from_millis(300);
    let gate = Arc::new(Barrier::new(1));
    while Instant::now() < end {
        black_box(&gate);
    }
    Seen::Ask("spun for 0.3 s".into())
}

pub(super) fn descriptors(_: &Ground) -> Seen {
    let hard = getrlimit(Resource::RLIMIT_NOFILE).map(|(_, hard)| hard).unwrap_or(1024);
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok();
    let mut open = Vec::new();
    while open.len() < 4000 {
        match File::open("/proc/self/status") {
            Ok(file) => open.push(file),
            Err(error) => return Seen::Contained(format!("open: {:?} after {}", errno(&error), open.len())),
        }
    }
    Seen::Leaks(format!("{} descriptors at once", open.len()))
}

/// Slower than half a second for 1 MiB of memory behind a loop device: somebody holds it back.
pub(super) fn io(ground: &Ground) -> Seen {
    if ground.device().is_none() {
        return Seen::Absent("no loop device here".into());
    }
    let path = ground.at("/dev/stage4-disk");
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&path) {
        Ok(file) => file,
        Err(error) => return Seen::Contained(format!("open({}): {:?}", path.display(), errno(&error))),
    };
    let begin = Instant::now();
    for _ in 0..16 {
        if let Err(errno) = sys::read_aligned(file.as_fd()) {
            return Seen::Contained(format!("read: {errno:?}"));
        }
    }
    let told = format!("1 MiB past the cache took {} ms", begin.elapsed().as_millis());
    match begin.elapsed() > Duration::from_millis(500) {
        true => Seen::Contained(told),
        false => Seen::Leaks(told),
    }
}

pub(super) fn realtime(_: &Ground) -> Seen {
    let tried = sys::schedule(true);
    sys::schedule(false).ok();
    one("sched_setscheduler(SCHED_RR)", tried)
}

pub(super) fn huge_pages(_: &Ground) -> Seen {
    let path = "/proc/sys/vm/nr_hugepages";
    match files::knob(path) {
        Err(Errno::ENOENT) => Seen::Absent("this kernel has no huge pages".into()),
        tried => one(path, tried),
    }
}

pub(super) fn total(ground: &Ground) -> Seen {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    match line == ground.word("memory") {
        true => Seen::Leaks(line.split_whitespace().collect::<Vec<_>>().join(" ")),
        false => Seen::Contained(format!("{line:?} is not the host's")),
    }
}
