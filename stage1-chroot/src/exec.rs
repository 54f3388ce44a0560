//! The command that is started inside, in place of this process.
//!
//! execve(2), with the environment as an argument: Version 7 Unix 1979. Book: `run`.
//! Invariant: the command inherits no variable and no ignored SIGPIPE that nobody asked for.

pub mod refusal;

use crate::{Error, Result, sys};
use nix::errno::Errno;
use nix::unistd::execve;
use refusal::Found;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Where programs are looked for unless `PATH` is given.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables by their names.
pub type Environment = BTreeMap<OsString, OsString>;

/// `PATH`, `HOME`, and `TERM` if we have one: nothing that tells of the host.
pub fn clean_environment() -> Environment {
    let term = std::env::var_os("TERM").map(|term| ("TERM".into(), term));
    [("PATH".into(), PATH.into()), ("HOME".into(), "/".into())].into_iter().chain(term).collect()
}

/// What was not done, and the exit status a shell gives for it.
#[derive(Debug)]
pub struct Failure {
    /// 127: not found; 126: found, but could not be executed; otherwise what the caller chose.
    pub status: u8,
    /// Why.
    pub error: Error,
}

/// A command with its arguments and environment, ready for execve(2).
#[derive(Debug)]
pub struct Command {
    name: OsString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    /// The files to try, in this order.
    candidates: Vec<CString>,
}

impl Command {
    /// The command `words`; a name without a slash is to be looked for in the environment's `PATH`.
    ///
    /// # Errors
    /// When there is no word, or a word has a zero byte in it.
    pub fn new(words: &[OsString], environment: &Environment) -> Result<Self> {
        let Some(name) = words.first() else { return Err(Error::refused("there is no command to execute")) };
        let path = environment.get(OsStr::new("PATH")).map_or(OsStr::new(""), OsString::as_os_str);
        let variable =
            |(name, value): (&OsString, &OsString)| [name.as_bytes(), value.as_bytes()].join(&b'=');
        Ok(Command {
            name: name.clone(),
            arguments: words
                .iter()
                .map(|word| word.as_bytes().to_vec())
                .map(c_string)
                .collect::<Result<_>>()?,
            environment: environment.iter().map(variable).map(c_string).collect::<Result<_>>()?,
            candidates: candidates(name, path).into_iter().map(c_string).collect::<Result<_>>()?,
        })
    }

    // ANCHOR: builtins
    /// Replaces this process by the command; comes back only if that fails.
    ///
    /// The command is looked for now, that is, in the root of this moment.
    pub fn exec(&self) -> Failure {
        // The runtime of Rust ignores SIGPIPE, and what is ignored stays so: `yes | head` would not end.
        sys::default_sigpipe();

        let mut failure = None;
        for program in &self.candidates {
            let Err(errno) = execve(program, &self.arguments, &self.environment);
            let found = Found::look(OsStr::from_bytes(program.to_bytes()).as_ref());
            // As execvp(3): what is not there, or may not be executed here, may be further on in $PATH.
            let next = matches!(errno, Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES);
            if found != Found::Nothing || !next || is_path(&self.name) {
                failure.get_or_insert_with(|| refusal::explain(program, errno, &found));
            }
            if !next {
                break;
            }
        }
        failure.unwrap_or_else(|| self.not_found())
    }
    // ANCHOR_END: builtins

    fn not_found(&self) -> Failure {
        let name = &self.name;
        let error = Error::refused(format!("{name:?}: executable file not found in $PATH"));
        let hint = format!("`stage1-chroot build NEW_ROOT {}` brings a program of the host", name.display());
        Failure { status: 127, error: error.with_hint(hint) }
    }
}

/// A name with a slash is a path, and is not looked for.
fn is_path(name: &OsStr) -> bool {
    name.as_bytes().contains(&b'/')
}

/// The files that `name` can mean (execvp(3)); an empty directory in `path` is the working directory.
pub fn candidates(name: &OsStr, path: &OsStr) -> Vec<Vec<u8>> {
    if is_path(name) {
        return vec![name.as_bytes().to_vec()];
    }
    let name = name.as_bytes();
    if name.is_empty() || path.is_empty() {
        return Vec::new();
    }
    let directories = path.as_bytes().split(|&byte| byte == b':');
    directories
        .map(|directory| if directory.is_empty() { b"." } else { directory })
        .map(|d| [d, name].join(&b'/'))
        .collect()
}

fn c_string(bytes: Vec<u8>) -> Result<CString> {
    CString::new(bytes).map_err(|error| {
        let text = OsString::from_vec(error.into_vec());
        Error::refused(format!("{text:?}: a zero byte ends a string for the kernel"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(name: &str, path: &str) -> Vec<String> {
        let all = candidates(name.as_ref(), path.as_ref());
        all.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    #[test]
    fn a_name_with_a_slash_is_a_file_and_any_other_is_looked_for() {
        assert_eq!(tried("ls", "/usr/bin:/bin"), ["/usr/bin/ls", "/bin/ls"]);
        assert_eq!(tried("./ls", "/usr/bin:/bin"), ["./ls"]);
        assert_eq!(tried("ls", ":/bin"), ["./ls", "/bin/ls"]);
        assert!(tried("", "/bin").is_empty());
        assert!(tried("ls", "").is_empty());
    }

    #[test]
    fn a_zero_byte_is_refused_before_anything_is_done() {
        let error = Command::new(&["a\0b".into()], &clean_environment()).unwrap_err();
        assert!(error.to_string().contains("zero byte"), "{error}");
        assert!(Command::new(&[], &clean_environment()).is_err());
    }

    #[test]
    fn the_clean_environment_has_a_path_and_a_home() {
        let environment = clean_environment();
        assert_eq!(environment[OsStr::new("PATH")], PATH);
        assert_eq!(environment[OsStr::new("HOME")], "/");
        assert!(environment.len() <= 3);
    }
}
