//! What a machine is asked for.
//!
//! No kernel calls. Book: "How it is tested".
//! Invariant: whatever is in a word, the shell inside reads the same word.

use super::Trouble;
use clap::ValueEnum;
use observe::workspace;
use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Which hierarchies are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// A hierarchy for each controller
    V1,
    /// The same, and the unified one, without controllers, beside them
    Hybrid,
    /// The unified hierarchy only, with all controllers
    V2,
}

impl Layout {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Layout::V1 => "v1",
            Layout::Hybrid => "hybrid",
            Layout::V2 => "v2",
        }
    }
}

/// Who the command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Account {
    /// The administrator
    Root,
    /// An ordinary user: subordinate ids, and in version 2 a group of its own
    Learner,
}

/// A machine to be made, and what it is for.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// An image, or `debian`.
    pub kernel: PathBuf,
    /// What is mounted on /sys/fs/cgroup.
    pub layout: Layout,
    /// Who the command is.
    pub account: Account,
    /// In MB.
    pub memory: u32,
    /// In seconds.
    pub timeout: u64,
    /// What gives it more time.
    pub hint: Option<&'static str>,
    /// Programs that come along, beside the stages: (name in PATH, path). One without a name is in no PATH.
    pub programs: Vec<(Option<String>, PathBuf)>,
    /// Whether podman and what it calls come along.
    pub clients: bool,
    /// Where the command begins.
    pub home: PathBuf,
    /// What of the host's environment and of ours the command gets.
    pub environment: Vec<(String, OsString)>,
    /// Whether our standard input is the command's.
    pub input: bool,
    /// A directory whose new and changed files are brought back.
    pub take: Option<PathBuf>,
    /// The words of the command.
    pub command: Vec<OsString>,
}

/// The kernel that is taken where none is named.
pub(crate) const DEBIAN: &str = "debian";

impl Order {
    /// A command as root, in a machine of the usual size.
    pub fn new(kernel: &Path, layout: Layout, command: Vec<OsString>) -> Order {
        Order {
            kernel: kernel.to_path_buf(),
            layout,
            account: Account::Root,
            memory: 1024,
            timeout: 300,
            hint: None,
            programs: Vec::new(),
            clients: false,
            home: "/root".into(),
            environment: Vec::new(),
            input: false,
            take: None,
            command,
        }
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// What tests want to know: what the host's environment says of skips and snapshots, and what cargo,
    /// which is not there, would say.
    pub fn for_tests(&mut self) -> Result<(), Trouble> {
        for name in [observe::skip::NO_SKIP, observe::skip::RUN_AS, "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(name) {
                self.set(name, value);
            }
        }
        let update = std::env::var_os("INSTA_UPDATE");
        self.set("INSTA_UPDATE", update.unwrap_or_else(|| "no".into()));
        self.set("INSTA_WORKSPACE_ROOT", workspace::root());
        self.set("TMPDIR", "/var/tmp"); // which is on a disk
        self.set("STAGES_PROBE", workspace::probe()?);
        Ok(())
    }

    /// What init reads.
    pub fn told(&self) -> Vec<u8> {
        let (user, own) = match self.account {
            Account::Root => ("root", "/root"),
            Account::Learner => ("learner", "/home/learner"),
        };
        let home = if self.home == Path::new("/root") { Path::new(own) } else { &self.home };
        let mut told = Vec::new();
        let take = self.take.as_ref().map_or(OsStr::new(""), |path| path.as_os_str());
        let input: &str = if self.input { "yes" } else { "no" };
        for (name, value) in [
            ("layout", OsStr::new(self.layout.name())),
            ("user", user.as_ref()),
            ("home", home.as_os_str()),
            ("input", input.as_ref()),
            ("take", take),
        ] {
            assign(&mut told, name, value);
        }
        told.extend_from_slice(b"environment() {\n");
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/vm/bin";
        for (name, value) in [("PATH", path), ("HOME", own), ("USER", user), ("TERM", "dumb")] {
            assign(&mut told, &format!("export {name}"), value.as_ref());
        }
        for (name, value) in &self.environment {
            assign(&mut told, &format!("export {name}"), value);
        }
        told.extend_from_slice(b"}\nset --");
        for word in &self.command {
            told.push(b' ');
            told.extend(quoted(word));
        }
        told.push(b'\n');
        told
    }
}

fn assign(told: &mut Vec<u8>, name: &str, value: &OsStr) {
    told.extend_from_slice(name.as_bytes());
    told.push(b'=');
    told.extend(quoted(value));
    told.push(b'\n');
}

/// A word as sh(1) reads it back, whatever is in it.
pub(crate) fn quoted(word: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(br"'\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_the_shell() {
        let word = OsStr::from_bytes(b"it's $HOME \"\\ \n\xff*");
        let mut order = Order::new(Path::new(DEBIAN), Layout::V1, vec![word.to_owned()]);
        order.set("OWN", word);
        let mut script = order.told();
        script.extend_from_slice(b"environment; printf %s \"$layout\" \"$1\" \"$OWN\"");
        let output = std::process::Command::new("sh").arg("-c").arg(OsStr::from_bytes(&script)).output();
        assert_eq!(output.unwrap().stdout, [b"v1", word.as_bytes(), word.as_bytes()].concat());
    }
}
