//! `linux.seccomp`: which system calls the container may make, and what becomes of the others.
//!
//! seccomp(2), Linux 3.17, 2014; config-linux.md, Seccomp. Book: "System calls under a filter" (`seccomp`).
//! Invariant: an action, architecture, flag or comparison that the specification does not name is an error, and so is
//! a value that the kernel would cut or ignore.

use super::check::Findings;
use super::fault::At;
use super::is_default;
use super::names::names;
use serde::{Deserialize, Serialize};

/// The section that most of the rules are from.
const SOURCE: &str = "config-linux.md, Seccomp";

/// The profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seccomp {
    /// What becomes of a call that no rule names.
    pub default_action: Action,
    /// The errno of it, or the message to the tracer; EPERM where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// Architectures beside the machine's own whose calls are judged, and not refused outright.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<Architecture>,
    /// For seccomp(2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// The socket of the agent that answers [`Action::Notify`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_path: Option<String>,
    /// Anything, for the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_metadata: Option<String>,
    /// The rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub syscalls: Vec<Rule>,
}

/// What becomes of some calls (`syscalls[]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The names of the calls; at least one.
    pub names: Vec<String>,
    /// What becomes of them.
    pub action: Action,
    /// The errno of it, or the message to the tracer; EPERM where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// Conditions for the rule; none: it always holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Condition>,
}

/// A condition on one argument (`args[]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which argument, from 0 to 5.
    pub index: u32,
    /// What it is compared with; with [`Operator::MaskedEqual`] the mask.
    pub value: u64,
    /// With [`Operator::MaskedEqual`], what the masked argument is compared with.
    #[serde(default, skip_serializing_if = "is_default")]
    pub value_two: u64,
    /// How.
    pub op: Operator,
}

names! {
    /// What becomes of a call.
    Action, "an action of seccomp" {
        /// The thread ends, as `KillThread`.
        Kill = "SCMP_ACT_KILL",
        /// The process ends by SIGSYS.
        KillProcess = "SCMP_ACT_KILL_PROCESS",
        /// The thread ends by SIGSYS.
        KillThread = "SCMP_ACT_KILL_THREAD",
        /// The thread gets SIGSYS and may handle it.
        Trap = "SCMP_ACT_TRAP",
        /// The call fails with an errno, undone.
        Errno = "SCMP_ACT_ERRNO",
        /// A tracer decides; without one it is ENOSYS.
        Trace = "SCMP_ACT_TRACE",
        /// The kernel does it.
        Allow = "SCMP_ACT_ALLOW",
        /// The kernel does it and notes it in the log.
        Log = "SCMP_ACT_LOG",
        /// An agent decides.
        Notify = "SCMP_ACT_NOTIFY",
    }
}

names! {
    /// A machine's way to call the kernel.
    Architecture, "an architecture of seccomp" {
        /// 32 bits of Intel's.
        X86 = "SCMP_ARCH_X86",
        /// 64 bits of AMD's.
        X86_64 = "SCMP_ARCH_X86_64",
        /// The registers of the one, the pointers of the other.
        X32 = "SCMP_ARCH_X32",
        /// 32 bits, EABI.
        Arm = "SCMP_ARCH_ARM",
        /// 64 bits of Arm's.
        Aarch64 = "SCMP_ARCH_AARCH64",
        /// MIPS, o32.
        Mips = "SCMP_ARCH_MIPS",
        /// MIPS, n64.
        Mips64 = "SCMP_ARCH_MIPS64",
        /// MIPS, n32.
        Mips64n32 = "SCMP_ARCH_MIPS64N32",
        /// MIPS, o32, little-endian.
        Mipsel = "SCMP_ARCH_MIPSEL",
        /// MIPS, n64, little-endian.
        Mipsel64 = "SCMP_ARCH_MIPSEL64",
        /// MIPS, n32, little-endian.
        Mipsel64n32 = "SCMP_ARCH_MIPSEL64N32",
        /// PowerPC, 32 bits.
        Ppc = "SCMP_ARCH_PPC",
        /// PowerPC, 64 bits.
        Ppc64 = "SCMP_ARCH_PPC64",
        /// PowerPC, 64 bits, little-endian.
        Ppc64le = "SCMP_ARCH_PPC64LE",
        /// IBM Z, 31 bits.
        S390 = "SCMP_ARCH_S390",
        /// IBM Z, 64 bits.
        S390x = "SCMP_ARCH_S390X",
        /// PA-RISC, 32 bits.
        Parisc = "SCMP_ARCH_PARISC",
        /// PA-RISC, 64 bits.
        Parisc64 = "SCMP_ARCH_PARISC64",
        /// RISC-V, 64 bits.
        Riscv64 = "SCMP_ARCH_RISCV64",
        /// LoongArch, 64 bits.
        Loongarch64 = "SCMP_ARCH_LOONGARCH64",
        /// Motorola 68000.
        M68k = "SCMP_ARCH_M68K",
        /// SuperH, little-endian.
        Sh = "SCMP_ARCH_SH",
        /// SuperH, big-endian.
        Sheb = "SCMP_ARCH_SHEB",
    }
}

names! {
    /// How the filter is installed.
    Flag, "a flag of seccomp" {
        /// For every thread of the process.
        Tsync = "SECCOMP_FILTER_FLAG_TSYNC",
        /// Everything but what is allowed is noted in the log (Linux 4.14).
        Log = "SECCOMP_FILTER_FLAG_LOG",
        /// No protection against speculative store bypass (Linux 4.17).
        SpecAllow = "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        /// While the agent works on a call, only a deadly signal interrupts it (Linux 5.19).
        WaitKillableRecv = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    }
}

names! {
    /// How an argument is compared, all as unsigned numbers of 64 bits.
    Operator, "a comparison of seccomp" {
        /// `!=`
        NotEqual = "SCMP_CMP_NE",
        /// `<`
        Less = "SCMP_CMP_LT",
        /// `<=`
        LessOrEqual = "SCMP_CMP_LE",
        /// `==`
        Equal = "SCMP_CMP_EQ",
        /// `>=`
        GreaterOrEqual = "SCMP_CMP_GE",
        /// `>`
        Greater = "SCMP_CMP_GT",
        /// `(argument & value) == (valueTwo & value)`
        MaskedEqual = "SCMP_CMP_MASKED_EQ",
    }
}

impl Seccomp {
    /// Is the agent asked about any call?
    pub fn notifies(&self) -> bool {
        self.default_action == Action::Notify
            || self.syscalls.iter().any(|rule| rule.action == Action::Notify)
    }

    /// Everything that is wrong in the profile, which is at `at`.
    pub fn check(&self, at: &At<'_>, findings: &mut Findings) {
        check_errno(self.default_action, self.default_errno_ret, &at.key("defaultErrnoRet"), findings);
        self.check_listener(at, findings);
        let rules = at.key("syscalls");
        for (index, rule) in self.syscalls.iter().enumerate() {
            rule.check(&rules.index(index), findings);
        }
    }

    fn check_listener(&self, at: &At<'_>, findings: &mut Findings) {
        let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if is_set(&self.listener_metadata) && !is_set(&self.listener_path) {
            findings.refuse(&at.key("listenerMetadata"), "must not be set without listenerPath", SOURCE);
        }
        if self.notifies() && !is_set(&self.listener_path) {
            let what = "missing: SCMP_ACT_NOTIFY is said, and nobody would answer";
            findings.refuse(&at.key("listenerPath"), what, SOURCE);
        }
        if self.notifies() && self.listener_path.as_ref().is_some_and(|path| is_relative(path)) {
            let what = "must be absolute: `start` and `exec` are called elsewhere";
            findings.refuse(&at.key("listenerPath"), what, SOURCE);
        }
        for (index, flag) in self.flags.iter().enumerate() {
            if *flag == Flag::WaitKillableRecv && !self.notifies() {
                let what = format!("{flag} is for a listener, and nothing says SCMP_ACT_NOTIFY");
                findings.refuse(&at.key("flags").index(index), what, "seccomp(2)");
            }
        }
    }
}

impl Rule {
    fn check(&self, at: &At<'_>, findings: &mut Findings) {
        let names = at.key("names");
        if self.names.is_empty() {
            findings.refuse(&names, "[] must contain at least one entry", SOURCE);
        }
        for (index, name) in self.names.iter().enumerate() {
            if name.is_empty() {
                findings.refuse(&names.index(index), "\"\" is no name of a system call", SOURCE);
            }
        }
        check_errno(self.action, self.errno_ret, &at.key("errnoRet"), findings);
        let args = at.key("args");
        for (number, condition) in self.args.iter().enumerate() {
            if condition.index > 5 {
                let what = format!("{}: a system call has the arguments 0 to 5", condition.index);
                findings.refuse(&args.index(number).key("index"), what, "syscall(2)");
            }
        }
    }
}

fn is_relative(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('/')
}

/// An errno is for the actions that have one, and is one.
fn check_errno(action: Action, errno: Option<u32>, at: &At<'_>, findings: &mut Findings) {
    let Some(errno) = errno else { return };
    match action {
        // kernel/seccomp.c, __seccomp_filter(): what is greater is cut to MAX_ERRNO.
        Action::Errno if errno > 4095 => {
            findings.refuse(at, format!("{errno}: an errno is at most 4095"), "seccomp(2)")
        }
        Action::Trace if errno > 0xffff => {
            findings.refuse(at, format!("{errno}: a message to a tracer is at most 65535"), "seccomp(2)");
        }
        Action::Errno | Action::Trace => {}
        _ => findings.refuse(at, format!("{errno}: {action} has no errno"), SOURCE),
    }
}
