//! The closure against the loader's own answer, for every ELF file that this machine has.
//!
//! Executes ld.so, which the library never does. Book: `build`.
//! Invariant: a difference without an explanation is a failure.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, as do the functions that it calls")]

use stage1_chroot::closure::link_map::LinkMap;
use stage1_chroot::elf::Target;
use stage1_chroot::loader::Loader;
use stage1_chroot::loader::hwcaps;
use stage1_chroot::loader::object::Object;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What became of one comparison.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    /// Both sides miss the same library.
    BothMiss,
    Static,
    Differs(String),
}

#[derive(Default)]
struct Comparison {
    loaders: BTreeMap<PathBuf, Loader>,
    same: usize,
    both_miss: Vec<PathBuf>,
    is_static: Vec<PathBuf>,
    differ: Vec<String>,
}

impl Comparison {
    fn of(directories: &[PathBuf]) -> Comparison {
        let mut comparison = Comparison::default();
        let here = own();
        for path in files_below(directories) {
            // What is not ELF, or for another machine, has no answer here.
            let Ok(object) = Object::open(&path) else { continue };
            if object.elf.target != here.elf.target || is_relocatable(&path) {
                continue;
            }
            match comparison.compare(object, here.elf.interpreter.as_ref().unwrap()) {
                Verdict::Same => comparison.same += 1,
                Verdict::BothMiss => comparison.both_miss.push(path),
                Verdict::Static => comparison.is_static.push(path),
                Verdict::Differs(how) => comparison.differ.push(how),
            }
        }
        comparison
    }

    fn compare(&mut self, object: Object, usual: &Path) -> Verdict {
        if object.elf.is_static() {
            return Verdict::Static;
        }
        let path = object.path.clone();
        let interpreter = object.elf.interpreter.clone().unwrap_or_else(|| usual.to_owned());
        let loader =
            self.loaders.entry(interpreter.clone()).or_insert_with(|| Loader::read(&interpreter).unwrap());
        let answer = ask(&interpreter, &path);
        let (theirs, missing) = answered(&answer, loader);
        match LinkMap::load(object, loader) {
            Ok(map) => {
                let links = map.links.iter().skip(1).filter(|link| !link.again);
                let ours: BTreeSet<PathBuf> = links.map(|link| link.object.path.clone()).collect();
                if ours == theirs && missing.is_empty() {
                    return Verdict::Same;
                }
                let only = |one: &BTreeSet<PathBuf>, other: &BTreeSet<PathBuf>| format!("{:?}", one - other);
                let (here, there) = (only(&ours, &theirs), only(&theirs, &ours));
                let error = String::from_utf8_lossy(&answer.stderr).into_owned();
                Verdict::Differs(format!(
                    "{}: only ours {here}, only ld.so's {there}, missing {missing:?} {error}",
                    path.display()
                ))
            }
            Err(error)
                if missing
                    .iter()
                    .any(|name| error.to_string().starts_with(&format!("{name}: not found"))) =>
            {
                Verdict::BothMiss
            }
            Err(error) => Verdict::Differs(format!("{}: {error}, ld.so misses {missing:?}", path.display())),
        }
    }

    fn print(&self, what: &str) {
        println!(
            "{what}: {} ELF files compared with ld.so --list: {} the same, {} lack the same library on both sides, \
             {} differ; {} static",
            self.same + self.both_miss.len() + self.differ.len(),
            self.same,
            self.both_miss.len(),
            self.differ.len(),
            self.is_static.len(),
        );
    }
}

/// This test itself: its target and its interpreter are the machine's usual ones.
fn own() -> Object {
    Object::open(&std::env::current_exe().unwrap()).unwrap()
}

fn ask(interpreter: &Path, program: &Path) -> Output {
    let mut ld_so = Command::new(interpreter);
    ld_so.arg("--list").arg(program).env_clear().current_dir("/");
    ld_so.output().unwrap()
}

/// The files in `ld.so --list`'s answer, without the loader itself and the kernel's vdso, and the names not found.
fn answered(answer: &Output, loader: &Loader) -> (BTreeSet<PathBuf>, Vec<String>) {
    let (mut found, mut missing) = (BTreeSet::new(), Vec::new());
    for line in String::from_utf8_lossy(&answer.stdout).lines() {
        let line = line.trim();
        let (name, path) = line.split_once(" => ").unwrap_or((line, line));
        let path = path.rsplit_once(" (0x").map_or(path, |(path, _)| path);
        if path == "not found" {
            missing.push(name.to_owned());
        } else if path.starts_with('/') && !same_file(Path::new(path), &loader.object.path) {
            found.insert(PathBuf::from(path));
        }
    }
    // A library that is missing deep below ends ld.so before it lists anything.
    let error = String::from_utf8_lossy(&answer.stderr).into_owned();
    let name = error
        .split_once("error while loading shared libraries: ")
        .and_then(|(_, rest)| rest.split(':').next());
    missing.extend(name.map(str::to_owned));
    (found, missing)
}

fn same_file(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).unwrap() == fs::canonicalize(other).unwrap()
}

fn is_relocatable(path: &Path) -> bool {
    let mut header = [0; 18];
    fs::File::open(path).unwrap().read_exact(&mut header).unwrap();
    u16::from_ne_bytes([header[16], header[17]]) == 1
}

/// The regular files below `directories`, each once; links lead to files that are listed themselves.
fn files_below(directories: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut left: Vec<PathBuf> = directories.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    let mut files = BTreeSet::new();
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                left.push(entry.path());
            } else if kind.is_file() {
                files.insert(entry.path());
            }
        }
    }
    files
}

fn is_glibc() -> bool {
    let glibc = !own().elf.interpreter.unwrap().to_string_lossy().contains("ld-musl-");
    if !glibc {
        observe::skip::skip(
            "closure",
            "musl's loader has no --list to compare with; run the tests on a glibc system",
        );
    }
    glibc
}

#[test]
fn build_closure_is_ld_sos_own_for_every_program_in_usr_bin() {
    if !is_glibc() {
        return;
    }
    let comparison = Comparison::of(&["/usr/bin".into()]);
    comparison.print("/usr/bin");
    assert!(comparison.same > 20, "hardly anything was compared");
    assert_eq!(comparison.differ, Vec::<String>::new());
}

#[test]
fn build_closure_is_ld_sos_own_for_every_library() {
    if !is_glibc() {
        return;
    }
    // More places, separated by colons, for a look at software from outside the distribution.
    let more = std::env::var_os("STAGE1_CORPUS").unwrap_or_default();
    let mut directories: Vec<PathBuf> =
        ["/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/local"].map(PathBuf::from).to_vec();
    directories.extend(std::env::split_paths(&more).filter(|path| path.is_absolute()));
    let comparison = Comparison::of(&directories);
    comparison.print(&format!("{directories:?}"));
    assert!(comparison.same > 100, "hardly anything was compared");
    assert_eq!(comparison.differ, Vec::<String>::new());
}

#[test]
fn build_uses_the_hwcaps_that_ld_so_says_it_searches() {
    if !is_glibc() {
        return;
    }
    let own = own();
    let help = Command::new(own.elf.interpreter.unwrap()).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let Some((_, listed)) = help.split_once("Subdirectories of glibc-hwcaps directories") else {
        return observe::skip::skip(
            "hwcaps",
            "this ld.so is older than glibc 2.33 and knows no glibc-hwcaps",
        );
    };
    let searched = listed
        .lines()
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.contains("(supported, searched)"));
    let expected: Vec<&str> = searched.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(hwcaps::subdirectories(own.elf.target), expected);
    assert!(
        hwcaps::subdirectories(Target { machine: 3, wide: false, little: true }).is_empty(),
        "i386 has none"
    );
}
