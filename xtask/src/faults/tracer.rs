//! One run under ptrace(2): counts the calls of every process, and spoils one of them.
//!
//! ptrace(2), PTRACE_SEIZE, Linux 3.4, 2012; waitpid(2). Book: "Every call that fails" (`faults`).
//! Invariant: exactly one call of one process is spoilt, which strace(1) cannot: it counts in every process alike, so
//! that a parent's fifth open hides its child's. The container's own program is never traced.

use super::{names, registers};
use crate::Error;
use nix::{
    errno::Errno,
    libc,
    sys::{
        ptrace::{self, Event, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// Which call is spoilt, and how.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub process: usize,
    pub call: String,
    /// From 1.
    pub number: usize,
    /// None: its caller is killed.
    pub errno: Option<Errno>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// 128 and the signal for one who was killed.
    pub status: i32,
    /// How often, by process and call.
    pub counts: BTreeMap<(usize, i64), usize>,
    /// Whether the call was made.
    pub hit: bool,
    pub hung: bool,
}

/// A traced thread.
#[derive(Debug, Default)]
struct Tracee {
    process: usize,
    /// What its present call will have answered.
    answer: Option<Errno>,
}

struct Tracer<'a> {
    root: Pid,
    /// The program whose execution ends our interest.
    program: &'a str,
    target: Option<(Target, i64)>,
    /// By their numbers, in the order of birth.
    processes: Vec<Pid>,
    tracees: BTreeMap<Pid, Tracee>,
    /// The runtime has been executed.
    begun: bool,
    told: Told,
}

/// Runs it to its end, for so long at most; its children are let go then.
pub(super) fn trace(
    command: &Command,
    target: Option<Target>,
    program: &str,
    limit: Duration,
    streams: (fs::File, fs::File),
) -> Result<Told, Error> {
    let target = target.map(numbered).transpose()?;
    let root = stopped(command, streams)?;
    let failed = |errno| Error::Failed(format!("ptrace({root}): {errno}"));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(root, options).map_err(failed)?;
    kill(root, Signal::SIGCONT).map_err(failed)?;
    let mut tracer = Tracer {
        root,
        program,
        target,
        processes: vec![root],
        tracees: [(root, Tracee::default())].into(),
        begun: false,
        told: Told::default(),
    };
    tracer.watched(limit);
    tracer.let_go();
    Ok(tracer.told)
}

fn numbered(target: Target) -> Result<(Target, i64), Error> {
    let number = names::number(&target.call);
    let number = number.ok_or_else(|| Error::Failed(format!("{}: no such call", target.call)))?;
    Ok((target, number))
}

/// A process that will execute the command as soon as it is continued.
fn stopped(command: &Command, (output, errors): (fs::File, fs::File)) -> Result<Pid, Error> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -STOP $$; exec \"$@\"", "stage4-faults"]).arg(command.get_program());
    shell.args(command.get_args()).stdin(std::process::Stdio::null()).stdout(output).stderr(errors);
    let child = shell.spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
    match waitpid(pid, Some(WaitPidFlag::WUNTRACED)) {
        Ok(WaitStatus::Stopped(..)) => Ok(pid),
        other => Err(Error::Failed(format!("sh: {other:?}"))),
    }
}

impl Tracer<'_> {
    /// Follows it; when its time is up it is killed.
    fn watched(&mut self, limit: Duration) {
        let (root, hung) = (self.root, AtomicBool::new(false));
        thread::scope(|scope| {
            let (done, waits) = mpsc::channel::<()>();
            let hung = &hung;
            scope.spawn(move || {
                if waits.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                    hung.store(true, Ordering::SeqCst);
                    kill(root, Signal::SIGKILL).ok();
                }
            });
            self.follow();
            drop(done);
        });
        self.told.hung = hung.into_inner();
    }

    /// Until the runtime has ended.
    fn follow(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Exited(pid, status)) if pid == self.root => {
                    self.told.status = status;
                    return;
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.root => {
                    self.told.status = 128 + signal as i32;
                    return;
                }
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => {
                    self.tracees.remove(&pid);
                }
                Ok(WaitStatus::PtraceEvent(pid, _, event)) => self.on_event(pid, event),
                Ok(WaitStatus::PtraceSyscall(pid)) => self.on_call(pid),
                Ok(WaitStatus::Stopped(pid, signal)) => self.go_on(pid, Some(signal)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    fn on_event(&mut self, pid: Pid, event: i32) {
        self.meet(pid);
        if [Event::PTRACE_EVENT_FORK, Event::PTRACE_EVENT_VFORK, Event::PTRACE_EVENT_CLONE]
            .iter()
            .any(|birth| *birth as i32 == event)
            && let Ok(child) = ptrace::getevent(pid)
        {
            self.meet(Pid::from_raw(i32::try_from(child).unwrap_or_default()));
        }
        if event == Event::PTRACE_EVENT_EXEC as i32 {
            if fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with(self.program)) {
                self.tracees.remove(&pid);
                ptrace::detach(pid, None).ok();
                return;
            }
            self.begun |= pid == self.root;
        }
        self.go_on(pid, None);
    }

    /// A thread belongs to its process; a new process is the next one.
    fn meet(&mut self, pid: Pid) {
        if self.tracees.contains_key(&pid) {
            return;
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let group = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
        let group = group.map_or(pid, Pid::from_raw);
        let known = self.processes.iter().position(|known| *known == group);
        let process = known.unwrap_or_else(|| {
            self.processes.push(group);
            self.processes.len() - 1
        });
        self.tracees.insert(pid, Tracee { process, answer: None });
    }

    /// With a stop at its next call while there is something to count or to spoil.
    fn go_on(&mut self, pid: Pid, signal: Option<Signal>) {
        self.meet(pid);
        let answered = self.tracees.get(&pid).is_some_and(|one| one.answer.is_none());
        match self.told.hit && answered {
            true => ptrace::cont(pid, signal).ok(),
            false => ptrace::syscall(pid, signal).ok(),
        };
    }

    fn on_call(&mut self, pid: Pid) {
        let entered = ptrace::syscall_info(pid).is_ok_and(|info| info.op == libc::PTRACE_SYSCALL_INFO_ENTRY);
        self.meet(pid);
        match (entered, self.tracees.get_mut(&pid).and_then(|one| one.answer.take())) {
            (false, Some(errno)) => registers::answer(pid, errno),
            (true, _) if self.begun && !self.told.hit => self.enter(pid),
            _ => {}
        }
        self.go_on(pid, None);
    }

    // ANCHOR: faults
    /// A call begins: is it the one?
    fn enter(&mut self, pid: Pid) {
        let (Some(number), Some(tracee)) = (registers::call(pid), self.tracees.get_mut(&pid)) else { return };
        let count = self.told.counts.entry((tracee.process, number)).or_default();
        *count += 1;
        let Some((target, call)) = &self.target else { return };
        if (*call, target.process, target.number) != (number, tracee.process, *count) {
            return;
        }
        self.told.hit = true;
        match target.errno {
            Some(errno) => {
                // Whatever close(2) answers, the descriptor is closed: the kernel does so first.
                if target.call != "close" {
                    registers::forget_call(pid);
                }
                tracee.answer = Some(errno);
            }
            None => drop(kill(self.processes[tracee.process], Signal::SIGKILL)),
        }
    }
    // ANCHOR_END: faults

    /// Whoever lives on, lives on by itself.
    fn let_go(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(2);
        for pid in std::mem::take(&mut self.tracees).into_keys().filter(|pid| *pid != self.root) {
            if ptrace::interrupt(pid).is_err() {
                continue;
            }
            while Instant::now() < deadline {
                let signal = match waitpid(pid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
                    Ok(WaitStatus::StillAlive) => {
                        thread::sleep(Duration::from_micros(200));
                        continue;
                    }
                    Ok(WaitStatus::Stopped(_, signal)) => Some(signal),
                    _ => None,
                };
                ptrace::detach(pid, signal).ok();
                break;
            }
        }
    }
}
