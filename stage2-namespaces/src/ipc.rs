//! The ipc namespace: objects that are found by key or name, and by nobody outside.
//!
//! svipc(7), mq_overview(7), /proc/sysvipc; Linux 2.6.19, 2006. Book: "ipc" (`ipc`).
//! Invariant: three objects a key, made and removed together; making under a key that is in use is an error.

use crate::sys::{ipc as raw, mount::detached};
use crate::{Error, Result};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::ffi::CString;
use std::fs;

/// The three kinds of object that an ipc namespace keeps apart (semaphores are a fourth, and no different).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A System V message queue.
    Queue,
    /// A System V shared memory segment.
    Memory,
    /// A POSIX message queue.
    PosixQueue,
}

impl Object {
    /// All three.
    pub const ALL: [Object; 3] = [Object::Queue, Object::Memory, Object::PosixQueue];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Object::Queue => "System V message queue",
            Object::Memory => "System V shared memory",
            Object::PosixQueue => "POSIX message queue",
        }
    }
}

/// One object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What it is.
    pub object: Object,
    /// Its key, or its name.
    pub key: String,
}

/// One page.
const MEMORY: usize = 4096;

// ANCHOR: ipc
/// Makes `object` under `key`, in the ipc namespace of this process.
pub fn make(object: Object, key: i32) -> Result<()> {
    let made = match object {
        Object::Queue => raw::make_queue(key).map(drop),
        Object::Memory => raw::make_memory(key, MEMORY).map(drop),
        Object::PosixQueue => raw::make_posix_queue(&posix_name(key)).map(drop),
    };
    made.map_err(|errno| explain(object, key, "IPC_CREAT|IPC_EXCL", errno))
}

/// Removes `object` under `key`.
pub fn remove(object: Object, key: i32) -> Result<()> {
    let removed = match object {
        Object::Queue => raw::remove_queue(key),
        Object::Memory => raw::remove_memory(key),
        Object::PosixQueue => raw::remove_posix_queue(&posix_name(key)),
    };
    removed.map_err(|errno| explain(object, key, "IPC_RMID", errno))
}
// ANCHOR_END: ipc

/// Every object of the namespace. POSIX queues are None where we may not mount their file system to look at it.
pub fn list() -> Result<(Vec<Present>, Option<Vec<Present>>)> {
    let mut found = sysv("msg", Object::Queue)?;
    found.extend(sysv("shm", Object::Memory)?);
    Ok((found, posix()?))
}

/// The first column of `/proc/sysvipc/NAME`, below its heading, is the key.
fn sysv(name: &str, object: Object) -> Result<Vec<Present>> {
    let path = format!("/proc/sysvipc/{name}");
    let text = fs::read_to_string(&path).map_err(|e| Error::io(format!("open({path:?})"), &e))?;
    let keys = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    Ok(keys.map(|key| Present { object, key: key.to_owned() }).collect())
}

/// The file system mqueue shows the namespace of whoever mounts it: mounted for our eyes only, attached nowhere.
fn posix() -> Result<Option<Vec<Present>>> {
    let queues = match detached(c"mqueue") {
        Ok(queues) => queues,
        Err(Errno::EPERM | Errno::ENODEV | Errno::ENOSYS) => return Ok(None),
        Err(errno) => return Err(Error::call("fsmount(<mqueue>)", errno)),
    };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut directory = Dir::openat(&queues, ".", flags, Mode::empty())
        .map_err(|errno| Error::call("openat(<mqueue>, \".\")", errno))?;
    let names = directory.iter().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let named = |name: String| Present { object: Object::PosixQueue, key: format!("/{name}") };
    Ok(Some(names.filter(|name| name != "." && name != "..").map(named).collect()))
}

/// mq_open(3) wants a slash in front of the name, mq_open(2) none.
fn posix_name(key: i32) -> CString {
    // A number holds no NUL.
    CString::new(format!("stage2-{key}")).unwrap_or_default()
}

fn explain(object: Object, key: i32, flags: &str, errno: Errno) -> Error {
    let error = match object {
        Object::Queue => Error::call(format!("msgget({key}, {flags})"), errno),
        Object::Memory => Error::call(format!("shmget({key}, {flags})"), errno),
        Object::PosixQueue => Error::call(format!("mq_open(\"/stage2-{key}\", {flags})"), errno),
    };
    match errno {
        Errno::EEXIST => {
            error.with_hint("it is there already in this ipc namespace: remove it, or use another key")
        }
        Errno::ENOENT => error.with_hint("it is not there in this ipc namespace; `ipc list` shows what is"),
        Errno::ENOSPC | Errno::EMFILE => {
            error.with_hint("a limit of this ipc namespace or of the user is reached")
        }
        _ => error,
    }
}
