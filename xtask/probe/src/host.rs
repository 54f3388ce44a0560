//! The host's side of the matrix: everything that may be reached, made by one process and gone with it.
//!
//! socket(2), shmget(2), mq_open(3), add_key(2), LOOP_CONFIGURE (5.8). Book: "The matrix".
//! Invariant: it ends with its standard input; what outlives a process (key, queue) it takes away before.

use crate::{Failure, Options, Result, say, sys};
use nix::{
    sys::signal::{SigSet, Signal},
    unistd::{Gid, setgroups},
};
use serde_json::{Value, json};
use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::stdin,
    net::TcpListener,
    os::{
        fd::{AsFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::{
            net::{SocketAddr, UnixListener},
            process::CommandExt,
        },
    },
    path::Path,
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

/// What keys, queues and sockets are called.
const NAME: &str = "stage4-canary";
/// A key of System V that spells it: "st4c".
const KEY: i32 = 0x7374_3463;
/// A group that nobody is in.
const GROUP: u32 = 54_321;
/// Seconds after which a key is gone, whatever happens.
const KEY_LIFE: usize = 300;

fn failed(call: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("{call}: {error}"))
}

/// `probe host DIRECTORY`: prints the ground, then the number of signals for each line that it reads.
pub(crate) fn host(options: &Options) -> Result<ExitCode> {
    let [directory] = options.words()?[..] else { return Err(Failure::Usage("host DIRECTORY".into())) };
    let count = counter()?;
    let canary = Path::new(directory).join("canary");
    let secret = std::env::var("STAGE4_SECRET").unwrap_or_default();
    let tcp = TcpListener::bind("127.0.0.1:0").map_err(|error| failed("bind", error))?;
    let port = tcp.local_addr().map_err(|error| failed("getsockname", error))?.port();
    let unix = SocketAddr::from_abstract_name(NAME).and_then(|address| UnixListener::bind_addr(&address));
    let objects = (unix.ok(), sys::segment(KEY, true).ok(), sys::queue(c"stage4-canary", true).ok());
    let key = sys::add_key(sys::Keyring::User, c"stage4-canary", KEY_LIFE).ok();
    let disk = disk(Path::new(directory));
    File::create(Path::new("/dev/shm").join(NAME)).ok();
    let told = CString::new(canary.as_os_str().as_encoded_bytes()).unwrap_or_default();
    let handle = sys::handle_of(&told).unwrap_or_default();
    let number = disk.as_ref().map(|(number, _)| *number);
    say(json!({
        "canary": canary, "pid": std::process::id(), "port": port, "queue": NAME, "key": KEY, "group": GROUP,
        "secret": secret, "address": secret.as_ptr() as usize, "address4": "192.0.2.77",
        "major": number.map(|_| 7), "minor": number,
        "handle": handle.iter().map(u8::to_string).collect::<Vec<_>>().join(" "),
        "memory": fs::read_to_string("/proc/meminfo").unwrap_or_default().lines().next(),
        "namespaces": namespaces(), "time": if Path::new("/proc/self/ns/time").exists() { "some" } else { "none" },
    }))?;
    serve(&count)?;
    if let Some(key) = key {
        sys::unlink_key(key, sys::Keyring::User).ok();
    }
    sys::unlink_queue(c"stage4-canary").ok();
    fs::remove_file(Path::new("/dev/shm").join(NAME)).ok();
    drop((tcp, objects, disk));
    Ok(ExitCode::SUCCESS)
}

fn serve(count: &AtomicU32) -> Result<()> {
    for line in stdin().lines() {
        line.map_err(|error| failed("read(0)", error))?;
        say(count.load(Ordering::SeqCst))?;
    }
    Ok(())
}

/// Counts SIGUSR1 in a thread of its own.
fn counter() -> Result<Arc<AtomicU32>> {
    let set: SigSet = [Signal::SIGUSR1].into_iter().collect();
    set.thread_block().map_err(|errno| failed("sigprocmask", errno))?;
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        while set.wait().is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    Ok(count)
}

fn namespaces() -> Value {
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
    kinds
        .iter()
        .map(|kind| {
            let link = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap_or_default();
            ((*kind).to_owned(), json!(link))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A loop device over a file of ours, while its descriptor is open.
fn disk(directory: &Path) -> Option<(usize, OwnedFd)> {
    let path = directory.join("disk");
    fs::write(&path, vec![0x5a; 4 << 20]).ok()?;
    let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control").ok()?;
    let number = sys::free_loop(control.as_fd()).ok()?;
    let device = File::open(format!("/dev/loop{number}")).ok()?;
    sys::attach_loop(device.as_fd(), File::open(&path).ok()?.as_fd()).ok()?;
    Some((number, device.into()))
}

/// `probe launch DIRECTORY -- COMMAND…`: as a careless caller does: with a group, an open directory, keys, a secret.
pub(crate) fn launch(options: &Options) -> Result<ExitCode> {
    let [directory, program, ..] = &options.values[..] else {
        return Err(Failure::Usage("launch DIRECTORY -- COMMAND…".into()));
    };
    setgroups(&[Gid::from_raw(GROUP)]).map_err(|errno| failed("setgroups", errno))?;
    sys::new_session().and_then(|()| sys::add_key(sys::Keyring::Session, c"stage4-canary", KEY_LIFE)).ok();
    let directory = File::open(directory).map_err(|error| failed("open", error))?;
    // To 3, where it is for every column; not marked to be closed, as a careless caller leaves it.
    sys::leave_open(directory.as_fd(), 3).map_err(|errno| failed("dup3(3)", errno))?;
    let error = Command::new(program).args(&options.values[2..]).exec();
    Err(failed(&program.to_string_lossy(), error))
}
