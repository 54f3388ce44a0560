//! The machine itself: qemu, its four serial ports, its end.
//!
//! memfd_create(2) 3.17, socketpair(2), PR_SET_PDEATHSIG. Book: "How it is tested".
//! Invariant: qemu never outlives us, and its files are descriptors: there is none to be left behind.

use super::Trouble;
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};
use observe::workspace::installed;
use std::{
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub(super) const QEMU: &str = "qemu-system-x86_64";

/// Emulated, so that it runs on every host, and alike; no device that nobody asked for.
const SHAPE: &str = "-nodefaults -no-user-config -no-reboot -display none -nic none \
                     -machine pc -accel tcg,thread=multi -cpu max -smp 2";

/// Four ports; pressure, where a kernel does not show it unasked; an end instead of a wait where it panics.
/// And nothing that only costs time in a machine that is emulated and lives for seconds: a clock measured twice,
/// ciphers tested, leaks of real processors closed.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 8250.nr_uarts=4 quiet panic=-1 psi=1 tsc=reliable cryptomgr.notests \
                                audit=0 mitigations=off nokaslr";

/// How often it is looked whether the machine has ended.
const GLANCE: Duration = Duration::from_millis(10);

/// A machine to be run once.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    pub kernel: &'a Path,
    /// In MB.
    pub memory: u32,
    pub limit: Duration,
    /// Whether our standard input is the command's.
    pub input: bool,
}

/// Where the command's output goes.
pub(crate) struct Output {
    /// What it writes to stdout.
    pub out: Box<dyn Write + Send>,
    /// What it writes to stderr.
    pub err: Box<dyn Write + Send>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The command's exit status, and the archive of what was taken back.
    Status(u8, Vec<u8>),
    /// How far it had come: whether its command had begun, and what the kernel said last.
    TimeIsUp(String),
    Interrupted,
}

/// Why it was ended before it ended itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Early {
    TimeIsUp,
    Interrupted,
    /// It stands still before its command: seen once in some hundred boots, beside other work.
    Stuck,
}

/// What init says before the command's first instruction.
const BEGUN: &[u8] = b"begun";

/// For how long a machine may boot; it takes three seconds, and on a busy host twenty.
const BOOT: Duration = Duration::from_secs(75);

impl Machine<'_> {
    /// Boots with `root` as first root, until its command ends.
    pub fn run(&self, root: &[u8], mut output: Output, stop: &AtomicBool) -> Result<End, Trouble> {
        let end = Instant::now() + self.limit;
        loop {
            // A machine that has not begun its command has done nothing: another may be tried.
            match self.boot(root, output, stop, end)? {
                Ok(ended) => return Ok(ended),
                Err(back) => output = back,
            }
        }
    }

    /// How one machine ended; where it was stuck, the output that it has not used.
    fn boot(
        &self,
        root: &[u8],
        output: Output,
        stop: &AtomicBool,
        end: Instant,
    ) -> Result<Result<End, Output>, Trouble> {
        let mut command = self.qemu();
        let root = in_memory(root)?;
        command.args(["-initrd", &format!("/proc/self/fd/{}", root.as_raw_fd())]);
        let [(console, c), (out, o), (err, e), (status, s)] =
            [port(&mut command, 0)?, port(&mut command, 1)?, port(&mut command, 2)?, port(&mut command, 3)?];
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut qemu = Qemu(child.map_err(|error| Trouble::failed(format!("execve({QEMU}): {error}")))?);
        drop([c, o, e, s]); // so that our ends see the machine's end
        drop(root); // qemu has it
        let typed = if self.input { Some(out.try_clone()?) } else { None };
        let (out, err) = (carry(out, output.out, typed), carry(err, output.err, None));
        let begun = Arc::new(AtomicBool::new(false));
        let (console, status) = (keep(console, Arc::default()), keep(status, Arc::clone(&begun)));
        let early = self.wait(&mut qemu, stop, end, &begun, || out.is_finished())?;
        drop(qemu.0.kill());
        qemu.0.wait()?;
        if early == Some(Early::Interrupted) {
            return Ok(Ok(End::Interrupted)); // without waiting for who reads our output: perhaps nobody does
        }
        let back = Output { out: joined(out)??, err: joined(err)?? };
        let (console, status) = (joined(console)?, joined(status)?);
        let mut words = || last_words(&mut qemu, &String::from_utf8_lossy(&console));
        match (early, parse(&status)) {
            (Some(Early::Stuck), _) => Ok(Err(back)),
            (Some(_), _) if status.starts_with(BEGUN) => {
                Ok(Ok(End::TimeIsUp("its command had begun".into())))
            }
            (Some(_), _) => {
                Ok(Ok(End::TimeIsUp(format!("its command had not begun; its last words:{}", words()))))
            }
            (None, Some(end)) => Ok(Ok(end)),
            (None, None) => {
                let reason = "vm: the machine ended before its command did; its last words:";
                Err(Trouble::failed(reason.to_owned() + &words()))
            }
        }
    }

    fn qemu(&self) -> Command {
        let words = match installed("setpriv") {
            // Were we killed with SIGKILL, the kernel would end it for us.
            true => vec!["setpriv", "--pdeathsig", "KILL", QEMU],
            false => vec![QEMU],
        };
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command.args(SHAPE.split(' '));
        command.args(["-m", &self.memory.to_string(), "-append", KERNEL_ARGUMENTS]);
        command.arg("-kernel").arg(self.kernel);
        command
    }

    /// Until qemu ends by itself, or why it shall not go on.
    fn wait(
        &self,
        qemu: &mut Qemu,
        stop: &AtomicBool,
        end: Instant,
        begun: &AtomicBool,
        unread: impl Fn() -> bool,
    ) -> io::Result<Option<Early>> {
        let stuck = Instant::now() + BOOT;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Ok(Some(Early::Interrupted));
            }
            // Its output has ended, or our own reader is gone (`| head`) and the command can be of no use.
            if qemu.0.try_wait()?.is_some() || unread() {
                return Ok(None);
            }
            let now = Instant::now();
            if now >= end {
                return Ok(Some(Early::TimeIsUp));
            }
            if now >= stuck && stuck < end && !begun.load(Ordering::Relaxed) {
                return Ok(Some(Early::Stuck));
            }
            thread::sleep(GLANCE);
        }
    }
}

/// Ended, whatever becomes of us.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A file without a name.
fn in_memory(contents: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"initramfs", MFdFlags::empty())?);
    file.write_all(contents)?;
    Ok(file)
}

/// The next serial port: our end and qemu's, which it inherits.
fn port(command: &mut Command, number: u8) -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    fcntl(theirs.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
    command.args(["-chardev", &format!("socket,id=port{number},fd={}", theirs.as_raw_fd())]);
    // Interrupts of their own: a PC's third and fourth port share those of the first two.
    let interrupt = [4, 3, 5, 7][usize::from(number)];
    command.args(["-device", &format!("isa-serial,chardev=port{number},index={number},irq={interrupt}")]);
    Ok((ours, theirs))
}

/// Hands on what comes, as it comes; with the first of it, what is typed begins to go to `typed`.
fn carry(
    mut from: UnixStream,
    mut to: Box<dyn Write + Send>,
    mut typed: Option<UnixStream>,
) -> JoinHandle<io::Result<Box<dyn Write + Send>>> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return Ok(to);
            }
            if let Some(typed) = typed.take() {
                // Not before: a port that nobody has opened loses what it is given. And not waited for: it
                // may still read when all is over.
                thread::spawn(move || type_in(typed));
            }
            to.write_all(&buffer[..length])?;
            to.flush()?;
        }
    })
}

/// All that comes; with the first of it, `begun` is raised.
fn keep(mut from: UnixStream, begun: Arc<AtomicBool>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = vec![0; BEGUN.len()];
        let first = from.read(&mut bytes).unwrap_or(0);
        bytes.truncate(first);
        begun.store(first > 0, Ordering::Relaxed);
        drop(from.read_to_end(&mut bytes)); // what came before an error is all there is
        bytes
    })
}

/// Hands on lines as they are typed, and that there are no more of them.
fn type_in(mut to: UnixStream) -> io::Result<()> {
    // What a terminal takes for the end of its input (VEOF).
    const END: &[u8] = b"\x04";
    for line in io::stdin().lines() {
        to.write_all(format!("{}\n", line?).as_bytes())?;
    }
    to.write_all(END)
}

fn joined<T>(thread: JoinHandle<T>) -> Result<T, Trouble> {
    thread.join().map_err(|_| Trouble::failed("a thread that read a port panicked".into()))
}

/// `begun`, then `status N` in a line, as init says it, and what follows.
fn parse(told: &[u8]) -> Option<End> {
    let told = told.strip_prefix(BEGUN)?.trim_ascii_start();
    let end = told.iter().position(|&byte| byte == b'\n')?;
    let line = std::str::from_utf8(&told[..end]).ok()?;
    let status = line.trim().strip_prefix("status ")?.parse().ok()?;
    Some(End::Status(status, told[end + 1..].to_vec()))
}

/// Those of the kernel and of qemu, a line each.
fn last_words(qemu: &mut Qemu, console: &str) -> String {
    const LINES: usize = 20;
    let mut complaint = String::new();
    if let Some(stderr) = &mut qemu.0.stderr {
        drop(stderr.read_to_string(&mut complaint));
    }
    let lines: Vec<_> = console.lines().chain(complaint.lines()).collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| format!("\n  {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_status_counts() {
        assert_eq!(parse(b"begun\r\nstatus 7\r\n"), Some(End::Status(7, Vec::new())));
        assert_eq!(parse(b"begun\nstatus 0\nab\n"), Some(End::Status(0, b"ab\n".to_vec())));
        for told in ["", "begun\n", "status 7\n", "begun\nstatus 7", "begun\nstatus 300\n"] {
            assert_eq!(parse(told.as_bytes()), None, "{told}");
        }
    }
}
