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
    sync::atomic::{AtomicBool, Ordering},
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
    TimeIsUp,
    Interrupted,
}

impl Machine<'_> {
    /// Boots with `root` as first root, until its command ends.
    pub fn run(&self, root: &[u8], output: Output, stop: &AtomicBool) -> Result<End, Trouble> {
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
        let (console, status) = (keep(console), keep(status));
        let early = self.wait(&mut qemu, stop, &out)?;
        drop(qemu.0.kill());
        qemu.0.wait()?;
        if early == Some(End::Interrupted) {
            return Ok(End::Interrupted); // without waiting for who reads our output: perhaps nobody does
        }
        joined(out)??;
        joined(err)??;
        let (console, status) = (joined(console)?, joined(status)?);
        match (early, parse(&status)) {
            (Some(end), _) | (None, Some(end)) => Ok(end),
            (None, None) => Err(died(&mut qemu, &String::from_utf8_lossy(&console))),
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
        out: &JoinHandle<io::Result<()>>,
    ) -> io::Result<Option<End>> {
        let end = Instant::now() + self.limit;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Ok(Some(End::Interrupted));
            }
            // Its output has ended, or our own reader is gone (`| head`) and the command can be of no use.
            if qemu.0.try_wait()?.is_some() || out.is_finished() {
                return Ok(None);
            }
            if Instant::now() >= end {
                return Ok(Some(End::TimeIsUp));
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
    mut to: impl Write + Send + 'static,
    mut typed: Option<UnixStream>,
) -> JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
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

fn keep(mut from: UnixStream) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
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

/// `status N` in a line, as init says it, and what follows.
fn parse(told: &[u8]) -> Option<End> {
    let end = told.iter().position(|&byte| byte == b'\n')?;
    let line = std::str::from_utf8(&told[..end]).ok()?;
    let status = line.trim().strip_prefix("status ")?.parse().ok()?;
    Some(End::Status(status, told[end + 1..].to_vec()))
}

/// Without a status the last words are those of qemu or of the kernel.
fn died(qemu: &mut Qemu, console: &str) -> Trouble {
    const LINES: usize = 20;
    let mut complaint = String::new();
    if let Some(stderr) = &mut qemu.0.stderr {
        drop(stderr.read_to_string(&mut complaint));
    }
    let lines: Vec<_> = console.lines().chain(complaint.lines()).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n  ");
    Trouble::failed(format!("vm: the machine ended before its command did; its last words:\n  {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_status_counts() {
        assert_eq!(parse(b"status 7\r\n"), Some(End::Status(7, Vec::new())));
        assert_eq!(parse(b"status 0\nab\n"), Some(End::Status(0, b"ab\n".to_vec())));
        assert_eq!((parse(b""), parse(b"status 7"), parse(b"status 300\n")), (None, None, None));
    }
}
