//! Why a program could not be executed: seldom what execve(2) seems to say.
//!
//! execve(2); `#!` 1980 (4BSD); ELF's PT_INTERP 1989 (System V Release 4). Book: `run`.
//! Invariant: [`explain`] is a pure function of what [`Found::look`] saw.

use super::Failure;
use crate::Error;
use crate::elf::{self, Elf, Target};
use nix::errno::Errno;
use nix::sys::statvfs::{FsFlags, statvfs};
use object::read::ReadCache;
use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is at the path of a program that did not start.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// No file.
    Nothing,
    /// Not to be seen: a directory above it may not be searched.
    Denied,
    /// A symbolic link whose target is not there.
    DeadLink(PathBuf),
    /// A directory, a device, a pipe or a socket.
    NotRegular,
    /// A file.
    File {
        /// A mode bit allows somebody to execute it.
        executable: bool,
        /// It is in a mount with the option `noexec`.
        noexec: bool,
        /// What its first bytes say.
        format: Format,
    },
}

/// How the kernel would execute a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Format {
    /// `#!` and the path of an interpreter.
    Script(Interpreter),
    /// ELF.
    Elf {
        /// The processor it is for.
        target: Target,
        /// The program that loads its libraries, unless it is static.
        interpreter: Option<Interpreter>,
    },
    /// A file that begins like ELF, and goes on otherwise.
    Damaged,
    /// Nothing the kernel knows, or not readable.
    Unknown,
}

/// The program that a file asks to be executed in its place.
#[derive(Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Its path inside the root.
    pub path: PathBuf,
    /// What is there.
    pub found: Box<Found>,
}

/// Interpreters of interpreters that are followed; the kernel follows five (execve(2)).
const DEPTH: u8 = 5;

impl Found {
    /// Looks at `path` in the root of this moment.
    pub fn look(path: &Path) -> Self {
        Self::look_at(path, DEPTH)
    }

    fn look_at(path: &Path, depth: u8) -> Self {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Found::Denied,
            Err(_) => return fs::read_link(path).map_or(Found::Nothing, Found::DeadLink),
        };
        if !metadata.is_file() {
            return Found::NotRegular;
        }
        Found::File {
            executable: metadata.permissions().mode() & 0o111 != 0,
            noexec: statvfs(path).is_ok_and(|mount| mount.flags().contains(FsFlags::ST_NOEXEC)),
            format: Format::read(path, depth),
        }
    }
}

impl Format {
    fn read(path: &Path, depth: u8) -> Self {
        // The kernel, too, decides by the first 256 bytes (BINPRM_BUF_SIZE).
        let mut head = Vec::new();
        let read = File::open(path).and_then(|file| file.take(256).read_to_end(&mut head));
        let interpreter = |path: PathBuf| Interpreter {
            found: Box::new(if depth == 0 { Found::NotRegular } else { Found::look_at(&path, depth - 1) }),
            path,
        };
        match read {
            Ok(_) if head.starts_with(elf::MAGIC) => {
                match File::open(path).map(|file| Elf::parse(&ReadCache::new(file))) {
                    Ok(Ok(elf)) => {
                        Format::Elf { target: elf.target, interpreter: elf.interpreter.map(interpreter) }
                    }
                    _ => Format::Damaged,
                }
            }
            Ok(_) => shebang(&head).map_or(Format::Unknown, |path| Format::Script(interpreter(path))),
            Err(_) => Format::Unknown,
        }
    }
}

/// The interpreter of a script's first line: up to the next space, tab or end of line.
fn shebang(head: &[u8]) -> Option<PathBuf> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let path = line.split(|byte| b" \t\0".contains(byte)).find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

/// The failure of `execve(program)`, as a shell's exit status and in words.
pub fn explain(program: &CStr, errno: Errno, found: &Found) -> Failure {
    let path = Path::new(OsStr::from_bytes(program.to_bytes()));
    let error = Error::call(format!("execve({path:?})"), errno);
    let status = if errno == Errno::ENOENT { 127 } else { 126 };
    match reason(path, errno, found) {
        Some(hint) => Failure { status, error: error.with_hint(hint) },
        None => Failure { status, error },
    }
}

fn reason(path: &Path, errno: Errno, found: &Found) -> Option<String> {
    match (errno, found) {
        (Errno::ENOENT, Found::Nothing) => Some("there is no such file inside the root".into()),
        (Errno::ENOENT, Found::DeadLink(target)) => {
            Some(format!("{path:?} is a link to {target:?}, which is not inside the root"))
        }
        (Errno::ENOENT | Errno::EACCES, Found::File { format: Format::Script(next), .. })
            if !next.starts() =>
        {
            next.reason(path, "`#!` interpreter", errno)
        }
        (
            Errno::ENOENT | Errno::EACCES,
            Found::File { format: Format::Elf { interpreter: Some(next), .. }, .. },
        ) if !next.starts() => next.reason(path, "ELF interpreter", errno),
        (Errno::EACCES, Found::NotRegular) => Some(format!("{path:?} is not a regular file")),
        (Errno::EACCES, Found::File { noexec: true, .. }) => {
            Some(format!("{path:?} is in a mount with the option noexec (mount(8)); put the root elsewhere"))
        }
        (Errno::EACCES, Found::File { executable: false, .. }) => {
            Some(format!("{path:?} has no mode bit for executing; `chmod +x` sets it"))
        }
        (Errno::EACCES, _) => {
            Some("the user may not execute the file, or may not search a directory above it".into())
        }
        (Errno::ENOEXEC, Found::File { format: Format::Elf { target, .. }, .. }) if !target.is_native() => {
            Some(format!(
                "{path:?} is a program for {target}, and this machine is {}",
                std::env::consts::ARCH
            ))
        }
        (Errno::ENOEXEC, Found::File { format: Format::Elf { .. } | Format::Damaged, .. }) => {
            Some(format!("{path:?} is an ELF file, but not one that can be executed"))
        }
        (Errno::ENOEXEC, _) => Some(format!("{path:?} is no ELF file and does not begin with `#!`")),
        _ => None,
    }
}

impl Interpreter {
    /// Could it be executed, as far as one can see?
    fn starts(&self) -> bool {
        matches!(&*self.found, Found::File { executable: true, format, .. } if format.starts())
    }

    fn reason(&self, program: &Path, kind: &str, errno: Errno) -> Option<String> {
        match &*self.found {
            Found::Nothing => Some(format!(
                "{program:?} is there, but its {kind} {:?} is not; `stage1-chroot build NEW_ROOT {}` brings it",
                self.path,
                program.display()
            )),
            found => {
                reason(&self.path, errno, found).map(|why| format!("{program:?} needs its {kind}: {why}"))
            }
        }
    }
}

impl Format {
    fn starts(&self) -> bool {
        match self {
            Format::Script(next) | Format::Elf { interpreter: Some(next), .. } => next.starts(),
            Format::Elf { interpreter: None, .. } | Format::Damaged | Format::Unknown => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(format: Format) -> Found {
        Found::File { executable: true, noexec: false, format }
    }

    fn elf(machine: u16, interpreter: Option<Interpreter>) -> Found {
        file(Format::Elf { target: Target { machine, wide: true, little: true }, interpreter })
    }

    fn interpreter(path: &str, found: Found) -> Interpreter {
        Interpreter { path: path.into(), found: Box::new(found) }
    }

    #[track_caller]
    fn says(errno: Errno, found: &Found, status: u8, expected: &str) {
        let failure = explain(c"/bin/x", errno, found);
        assert_eq!(failure.status, status);
        let hint = failure.error.hint().unwrap_or_default();
        assert!(hint.contains(expected), "{hint:?}");
    }

    #[test]
    fn no_such_file_means_the_interpreter_if_the_file_is_there() {
        let elf = elf(62, Some(interpreter("/lib64/ld.so", Found::Nothing)));
        says(
            Errno::ENOENT,
            &elf,
            127,
            "its ELF interpreter \"/lib64/ld.so\" is not; `stage1-chroot build NEW_ROOT /bin/x`",
        );
        let script = file(Format::Script(interpreter("/bin/sh\r", Found::Nothing)));
        says(Errno::ENOENT, &script, 127, "its `#!` interpreter \"/bin/sh\\r\" is not");
        says(Errno::ENOENT, &Found::DeadLink("../y".into()), 127, "a link to \"../y\"");
        says(Errno::EACCES, &Found::Denied, 126, "may not search a directory above it");
    }

    #[test]
    fn the_interpreter_of_the_interpreter_is_found_missing() {
        let shell = elf(62, Some(interpreter("/lib64/ld.so", Found::Nothing)));
        let script = file(Format::Script(interpreter("/bin/sh", shell)));
        says(
            Errno::ENOENT,
            &script,
            127,
            "\"/bin/sh\" is there, but its ELF interpreter \"/lib64/ld.so\" is not",
        );
    }

    #[test]
    fn permission_denied_names_what_denies() {
        let plain = |executable, noexec| Found::File { executable, noexec, format: Format::Unknown };
        says(Errno::EACCES, &Found::NotRegular, 126, "not a regular file");
        says(Errno::EACCES, &plain(true, true), 126, "noexec");
        says(Errno::EACCES, &plain(false, false), 126, "`chmod +x`");
        says(Errno::EACCES, &plain(true, false), 126, "may not execute");
        let script = file(Format::Script(interpreter("/bin/sh", plain(false, false))));
        says(Errno::EACCES, &script, 126, "needs its `#!` interpreter: \"/bin/sh\" has no mode bit");
    }

    #[test]
    fn an_unknown_format_is_told_from_another_processors() {
        says(
            Errno::ENOEXEC,
            &elf(0xffff, None),
            126,
            "is a program for ELF machine 65535, and this machine is",
        );
        says(Errno::ENOEXEC, &file(Format::Damaged), 126, "not one that can be executed");
        says(Errno::ENOEXEC, &file(Format::Unknown), 126, "does not begin with `#!`");
    }

    #[test]
    fn the_first_line_of_a_script_names_its_interpreter() {
        let path = |head: &str| shebang(head.as_bytes()).map(|path| path.display().to_string());
        assert_eq!(path("#!/bin/sh\necho").as_deref(), Some("/bin/sh"));
        assert_eq!(path("#! \t/usr/bin/env  python3 -u\n").as_deref(), Some("/usr/bin/env"));
        assert_eq!(path("#!/bin/sh\r\n").as_deref(), Some("/bin/sh\r"));
        assert_eq!(path("#!\n/bin/sh"), None);
        assert_eq!(path("#"), None);
    }
}
