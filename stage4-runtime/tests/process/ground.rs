//! What all claims stand on: a planned process that is let go, and what it prints.
//!
//! Invariant: a process that hangs is killed after ten seconds, and its claim fails.

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::{alarm, dup2_stderr, dup2_stdout, pipe2};
use stage2_namespaces::birth::{Newborn, birth};
use stage2_namespaces::users::Users;
use stage2_namespaces::{Kind, Kinds};
use stage4_runtime::Failure;
use stage4_runtime::capabilities::grantable;
use stage4_runtime::config::fault::At;
use stage4_runtime::config::{Linux, Process};
use stage4_runtime::last_acts::{Means, OwnFiles, Who, leave};
use stage4_runtime::plan::process::ProcessPlan;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

/// A name and what it claims.
pub type Claim = (&'static str, fn());

/// Says why a claim is not tested here.
pub fn skip(reason: &str) {
    observe::skip::skip("stage4", reason);
}

/// Can only root show it? Then says so to others.
pub fn needs_root() -> bool {
    let root = is_root();
    if !root {
        observe::skip::skip_for(
            observe::skip::Runner::Root,
            "stage4",
            "setgroups, capabilities and devices are root's",
        );
    }
    root
}

pub fn directory(path: &str) -> OwnedFd {
    nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).unwrap()
}

/// The plan of `process` (args `sh -c SCRIPT`, PATH and cwd are filled in where they are missing).
pub fn plan(script: &str, process: &str) -> ProcessPlan {
    plan_with(script, process, "{}")
}

pub fn plan_with(script: &str, process: &str, linux: &str) -> ProcessPlan {
    let mut json: serde_json::Value = serde_json::from_str(process).unwrap();
    let object = json.as_object_mut().unwrap();
    object.entry("args").or_insert_with(|| serde_json::json!(["sh", "-c", script]));
    object.entry("cwd").or_insert_with(|| "/".into());
    object.entry("env").or_insert_with(|| serde_json::json!(["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]));
    let process: Process = serde_json::from_value(json).unwrap();
    let linux: Linux = serde_json::from_str(linux).unwrap();
    let at = At::Top;
    ProcessPlan::of(&process, &linux, at.key("process"), grantable(true).unwrap(), &mut Vec::new()).unwrap()
}

/// How a planned process is let go.
pub struct Ground {
    pub users: bool,
    pub who: Who,
    pub keyring: Option<&'static str>,
    pub listeners: u16,
    pub preserved: u16,
}

impl Default for Ground {
    fn default() -> Self {
        Ground { users: false, who: Who::Init, keyring: None, listeners: 0, preserved: 0 }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub status: u8,
    pub said: String,
}

impl Ground {
    /// Lets the process of `plan` go, and returns its status with all it wrote, or the failure.
    pub fn run(&self, plan: &ProcessPlan) -> Outcome {
        self.run_with(plan, || (), &mut || Ok(()))
    }

    /// The same with something done in the new process before.
    pub fn run_with(
        &self,
        plan: &ProcessPlan,
        before: impl FnOnce(),
        filter: &mut dyn FnMut() -> stage4_runtime::Result<()>,
    ) -> Outcome {
        said_by(self.users, || {
            before();
            let proc = directory("/proc");
            let root = directory("/");
            let users = self.users || !id_is_mapped_to_itself();
            let files = if users { OwnFiles::open_while_alone } else { OwnFiles::open };
            let means = files(proc.as_fd(), plan).map(|files| Means {
                who: self.who,
                keyring: self.keyring,
                own_users: users,
                root: root.as_fd(),
                proc: proc.as_fd(),
                files,
                terminal: None,
                listeners: self.listeners,
                preserved: self.preserved,
                filter,
            });
            let left = means
                .map_err(|error| Failure { status: 1, error })
                .and_then(|means| leave(plan, means, || Ok(())));
            let Err(failure) = left;
            tell(&failure)
        })
    }
}

/// An error as the claims read it.
pub fn tell(failure: &Failure) -> u8 {
    println!("error: {}\nhint: {}", failure.error, failure.error.hint().unwrap_or_default());
    failure.status
}

/// An ordinary user is root only in a user namespace of his own.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Runs `life` in a process, in a user namespace whose ids 0 to 65535 are those from 100000 on, if asked; what it says.
///
/// For an ordinary user it is always one, whose root he is himself.
pub fn said_by(users: bool, life: impl FnOnce() -> u8) -> Outcome {
    let users = users || !is_root();
    let (read, write) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let (go, gone) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let kinds = Kinds::NONE.with(Kind::User, users);
    let ids = if is_root() { mapped(0, 100_000, 65_536) } else { Users::root_is_me() };
    let child = birth(kinds, None, |_: Newborn| {
        alarm::set(10);
        dup2_stdout(&write).unwrap();
        dup2_stderr(&write).unwrap();
        File::from(go).read_exact(&mut [0]).unwrap();
        if users {
            ids.become_root().unwrap();
        }
        life()
    })
    .unwrap();
    drop(write);
    if users {
        ids.give(&child).unwrap();
    }
    File::from(gone).write_all(b"!").unwrap();
    let mut said = String::new();
    File::from(read).read_to_string(&mut said).unwrap();
    Outcome { status: child.wait().unwrap(), said }
}

/// Are we in the first user namespace, or one like it?
fn id_is_mapped_to_itself() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    map.split_whitespace().take(2).eq(["0", "0"])
}

/// The same map for users and groups.
pub fn mapped(inside: u32, outside: u32, count: u32) -> Users {
    let map = || {
        let extent = stage2_namespaces::idmap::Extent { inside, outside, count };
        stage2_namespaces::idmap::IdMap::new(vec![extent]).unwrap()
    };
    Users::Mapped { uids: map(), gids: map() }
}

impl Outcome {
    /// What it said; it must have ended with 0.
    #[track_caller]
    pub fn said(&self) -> &str {
        assert_eq!(self.status, 0, "{}", self.said);
        self.said.trim()
    }

    /// It must have failed with this status, and with words that hold each of `parts`.
    #[track_caller]
    pub fn failed(&self, status: u8, parts: &[&str]) {
        assert_eq!(self.status, status, "{}", self.said);
        for part in parts {
            assert!(self.said.contains(part), "{part:?} is not in: {}", self.said);
        }
    }
}

/// The line `name:` of a /proc/PID/status, without its name.
#[track_caller]
pub fn line<'a>(status: &'a str, name: &str) -> &'a str {
    let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {name} in {status}")).trim()
}
