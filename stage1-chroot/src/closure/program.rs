//! From what the user typed to a file that the kernel would execute, and why it would not.
//!
//! stat(2), access(2); `#!` came with 4BSD (1980), execve(2). Book: `build`.
//! Invariant: what is refused here is named with its reason and a way out.

use crate::loader::Loader;
use crate::loader::object::Object;
use crate::{Error, Result, exec};
use nix::unistd::{AccessFlags, access};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A `#!` line: the interpreter, and all that follows as one argument, as execve(2) passes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Shebang {
    /// The path of the interpreter.
    pub interpreter: OsString,
    /// The rest of the line.
    pub argument: Option<OsString>,
}

/// Whether `name` is searched in `PATH`: it has no slash.
pub fn is_bare(name: &Path) -> bool {
    !name.as_os_str().as_bytes().contains(&b'/')
}

/// The executable file that `name` means.
pub fn locate(name: &Path) -> Result<PathBuf> {
    if !is_bare(name) {
        return check(name).map(|()| name.to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_else(|| exec::PATH.into());
    let found =
        env::split_paths(&path).map(|directory| directory.join(name)).find(|file| check(file).is_ok());
    found.ok_or_else(|| {
        let what = format!("{}: no such program in PATH ({})", name.display(), path.display());
        Error::refused(what)
            .with_hint("a program elsewhere is named by its path, one in this directory as ./NAME")
    })
}

/// Where in the root a program goes that the host has in a directory which `run` does not search:
/// a root has no need to know where on the host somebody builds programs.
pub fn place_for_path(name: &Path, found: &Path) -> Option<PathBuf> {
    let searched = env::split_paths(exec::PATH).any(|directory| found.parent() == Some(&directory));
    (is_bare(name) && !searched).then(|| Path::new("/usr/local/bin").join(name))
}

/// Whether the program finds its libraries from where it lies itself (`$ORIGIN`, ld.so(8)).
pub fn stays(object: &Object) -> bool {
    let paths = [&object.elf.rpath, &object.elf.runpath].into_iter().flatten();
    paths.into_iter().any(|path| path.to_string_lossy().contains("ORIGIN"))
}

/// Whether execve(2) would accept the file's kind and mode.
fn check(path: &Path) -> Result<()> {
    let meta = fs::metadata(path).map_err(|error| Error::io(format!("stat({path:?})"), &error))?;
    if meta.is_dir() {
        let error = Error::refused(format!("{}: a directory, not a program", path.display()));
        return Err(error.with_hint("name the programs one by one"));
    }
    if !meta.is_file() {
        return Err(Error::refused(format!("{}: not a regular file", path.display())));
    }
    access(path, AccessFlags::X_OK).map_err(|errno| {
        let error = Error::call(format!("access({path:?}, X_OK)"), errno);
        error.with_hint(format!("not executable; chmod +x {} makes it so", path.display()))
    })
}

/// The `#!` line in the first bytes of a file.
pub fn shebang(head: &[u8]) -> Option<Shebang> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?.trim_ascii();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (interpreter, argument) = (&line[..end], line[end..].trim_ascii());
    (!interpreter.is_empty()).then(|| Shebang {
        interpreter: OsStr::from_bytes(interpreter).to_owned(),
        argument: (!argument.is_empty()).then(|| OsStr::from_bytes(argument).to_owned()),
    })
}

impl Shebang {
    /// The program that env(1) would run: after its options and assignments, the first word.
    pub fn through_env(&self) -> Option<OsString> {
        if Path::new(&self.interpreter).file_name() != Some(OsStr::new("env")) {
            return None;
        }
        let argument = self.argument.as_ref()?.as_bytes();
        // Without -S the kernel hands env the rest of the line as a single word.
        let split =
            ["-S", "--split-string=", "-vS"].iter().find_map(|flag| argument.strip_prefix(flag.as_bytes()));
        let words: Vec<&[u8]> = match split {
            Some(text) => text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect(),
            None => vec![argument],
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word {
                b"-u" | b"-C" => drop(words.next()),
                _ if word.starts_with(b"-") || word.contains(&b'=') => {}
                _ => return Some(OsStr::from_bytes(word).to_owned()),
            }
        }
        None
    }
}

/// Refuses a program that this machine's kernel cannot run.
pub fn check_target(object: &Object) -> Result<()> {
    if object.elf.target.is_native() {
        return Ok(());
    }
    let (path, target, here) = (object.path.display(), object.elf.target, env::consts::ARCH);
    let error =
        Error::refused(format!("{path}: wrong architecture: for {target}, and this machine is {here}"));
    Err(error.with_hint("a chroot shares the kernel: its programs must be for this machine"))
}

/// An executable file that is neither ELF nor script.
pub fn neither(path: &Path) -> Error {
    let error = Error::refused(format!("{}: neither an ELF program nor a script with #!", path.display()));
    error.with_hint("execve(2) answers ENOEXEC to it; a shell script begins with #!/bin/sh")
}

/// A shared library where a program was expected.
pub fn a_library(object: &Object) -> Error {
    let error = Error::refused(format!("{}: a shared library, not a program", object.path.display()));
    error.with_hint(
        "it names no interpreter (PT_INTERP); libraries come along with the programs that need them",
    )
}

/// A program whose interpreter cannot be read.
pub fn no_interpreter(error: Error, object: &Object) -> Error {
    error.with_hint(format!(
        "{} ({}) names it as its interpreter (PT_INTERP): install the C library it was built for",
        object.path.display(),
        object.elf.target
    ))
}

/// A program whose interpreter is for another machine.
pub fn foreign_interpreter(object: &Object, loader: &Loader) -> Error {
    let (program, interpreter) = (object.path.display(), loader.object.path.display());
    let (wants, is) = (object.elf.target, loader.object.elf.target);
    Error::refused(format!(
        "{program} is for {wants}, its interpreter {interpreter} for {is}: wrong architecture"
    ))
}

/// A script whose interpreter is missing or unusable.
pub fn needed_by_script(error: Error, script: &Path) -> Error {
    let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    error.with_hint(format!("the #! line of {} asks for it{hint}", script.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> Option<(String, Option<String>)> {
        let text = |text: OsString| text.into_string().unwrap();
        shebang(head.as_bytes()).map(|line| (text(line.interpreter), line.argument.map(text)))
    }

    #[test]
    fn build_reads_the_script_line_as_the_kernel_does() {
        let owned = |interpreter: &str, argument: Option<&str>| {
            Some((interpreter.to_owned(), argument.map(str::to_owned)))
        };
        assert_eq!(parsed("#!/bin/sh\nexit"), owned("/bin/sh", None));
        assert_eq!(parsed("#! \t/bin/sh  -e -u \n"), owned("/bin/sh", Some("-e -u")));
        assert_eq!(parsed("#!/bin/sh"), owned("/bin/sh", None));
        assert_eq!(parsed("#!\n/bin/sh"), None);
        assert_eq!(parsed("echo"), None);
    }

    #[test]
    fn build_sees_through_env() {
        for (line, program) in [
            ("#!/usr/bin/env python3\n", Some("python3")),
            ("#!/usr/bin/env -S python3 -u\n", Some("python3")),
            ("#!/usr/bin/env -S -i A=1 perl -w\n", Some("perl")),
            ("#!/usr/bin/env -S -u X node\n", Some("node")),
            ("#!/usr/bin/env\n", None),
            ("#!/bin/sh -e\n", None),
        ] {
            let found = shebang(line.as_bytes()).unwrap().through_env();
            assert_eq!(found.as_deref(), program.map(OsStr::new), "{line}");
        }
    }
}
