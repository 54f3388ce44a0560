//! Programs that take as much as they get, up to a bound: what limits are tried on.
//!
//! mmap(2), clone3(2), open(2), write(2) with O_DIRECT. Book: "The program that eats" (`hog`).
//! Invariant: every hog has a bound, ends by itself, and leaves nothing; short of memory it is the first to be killed.

use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{unlink, write};
use stage2_namespaces::Kinds;
use stage2_namespaces::birth::{Child, birth};
use std::fs::File;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The step of the series' program.
pub const STEP: u64 = 10 << 20;

/// Where a hog says how far it is.
pub type Tell<'a> = &'a mut dyn FnMut(&str);

// ANCHOR: memory-limit
/// Takes memory in steps of 10 MB and writes to every page of it, up to `most` bytes.
pub fn memory(most: u64, pause: Duration, tell: Tell<'_>) -> Result<()> {
    offer_oneself()?;
    let mut taken: Vec<Vec<u8>> = Vec::new();
    let mut total = 0;
    while total < most {
        let step = STEP.min(most - total);
        // Not zeroes: those the kernel would promise and give only when they are written.
        taken.push(vec![1; step as usize]);
        total += step;
        tell(&format!("{} MB", total >> 20));
        sleep(pause);
    }
    Ok(())
}
// ANCHOR_END: memory-limit

/// If a limit is too high or missing, the machine shall lose this process and no other: proc_pid_oom_score_adj(5).
fn offer_oneself() -> Result<()> {
    std::fs::write("/proc/self/oom_score_adj", "1000")
        .map_err(|e| Error::io("write(\"/proc/self/oom_score_adj\", \"1000\")", &e))
}

/// Computes on `threads` processors for `duration`, and tells how much of them it got.
pub fn cpu(threads: usize, duration: Duration, tell: Tell<'_>) -> Result<()> {
    let end = Instant::now() + duration;
    let begun = Instant::now();
    let spin = || while Instant::now() < end {};
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(spin))));
    let used = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map_err(|errno| Error::call("clock_gettime()", errno))?;
    let (used, real) = (Duration::from(used).as_secs_f64(), begun.elapsed().as_secs_f64());
    tell(&format!("{used:.2} s of processor time in {real:.2} s: {:.2} processors", used / real));
    Ok(())
}

// ANCHOR: pids
/// Starts processes that do nothing, up to `most`, and ends them all again.
///
/// # Errors
/// What the kernel says when there may be no more.
pub fn pids(most: usize, hold: Duration, tell: Tell<'_>) -> Result<()> {
    let mut children: Vec<Child> = Vec::new();
    let refused = loop {
        if children.len() == most {
            break None;
        }
        match birth(Kinds::NONE, None, |_| idle()) {
            Ok(child) => children.push(child),
            Err(error) => break Some(error),
        }
    };
    tell(&format!("{} processes", children.len()));
    sleep(hold);
    for child in children {
        child.signal(libc::SIGKILL)?;
        child.wait()?;
    }
    refused.map_or(Ok(()), Err)
}
// ANCHOR_END: pids

/// Ends with its parent, and after a minute in any case.
fn idle() -> u8 {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).ok();
    sleep(Duration::from_secs(60));
    0
}

const BLOCK: usize = 1 << 20;

/// Writes `bytes` to a file in `directory`, past the page cache, and tells how fast.
pub fn io(directory: &Path, bytes: u64, tell: Tell<'_>) -> Result<()> {
    let path = directory.join(format!("stage3-hog-{}", std::process::id()));
    let file = create(&path)?;
    // Without a name from the start: whatever happens, nothing stays.
    unlink(&path).map_err(|errno| Error::call(format!("unlink({path:?})"), errno))?;
    let room = vec![1u8; BLOCK + 4096];
    // O_DIRECT wants memory that begins where a block of the disk may begin.
    let block = &room[room.as_ptr().align_offset(4096)..][..BLOCK];
    let begun = Instant::now();
    let mut written = 0;
    while written < bytes {
        written +=
            write(&file, block).map_err(|errno| Error::call(format!("write({path:?})"), errno))? as u64;
    }
    file.sync_all().map_err(|e| Error::io(format!("fsync({path:?})"), &e))?;
    let seconds = begun.elapsed().as_secs_f64();
    let megabytes = written as f64 / f64::from(1 << 20);
    tell(&format!("{megabytes:.0} MB in {seconds:.2} s: {:.1} MB/s", megabytes / seconds));
    Ok(())
}

fn create(path: &Path) -> Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o600);
    let opened = match open(path, flags | OFlag::O_DIRECT, mode) {
        // The file system has no disk below it; and a file was made before that was found out.
        Err(Errno::EINVAL) => unlink(path).or(Ok(())).and_then(|()| open(path, flags | OFlag::O_DSYNC, mode)),
        opened => opened,
    };
    opened.map(File::from).map_err(|errno| {
        Error::call(format!("open({path:?}, O_DIRECT)"), errno)
            .with_hint("--dir names a directory on a disk, where you may write")
    })
}

// ANCHOR: hog
/// Opens files up to `most`, and closes them all again.
///
/// # Errors
/// EMFILE: open files are limited by each process's own limit (getrlimit(2)); control groups do not count them.
pub fn fd(most: usize, tell: Tell<'_>) -> Result<()> {
    let mut files = Vec::new();
    let refused = loop {
        if files.len() == most {
            break None;
        }
        match open("/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) {
            Ok(file) => files.push(file),
            Err(errno) => break Some(errno),
        }
    };
    tell(&format!("{} open files", files.len()));
    match refused {
        None => Ok(()),
        Some(errno) => Err(Error::call("open(\"/dev/null\")", errno)
            .with_hint("no control group counts open files: `ulimit -n`, fs.file-max, fs.nr_open do")),
    }
}
// ANCHOR_END: hog
