//! The rare rules of ld.so's search, each on libraries made for it, and each checked against ld.so itself.
//!
//! Compiles with cc, which Rust links with anyway, and executes ld.so. Book: `build`.
//! Invariant: our closure and ld.so's list are the same paths, also where both find nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, as do the functions that it calls")]

use stage1_chroot::closure::link_map::LinkMap;
use stage1_chroot::loader::Loader;
use stage1_chroot::loader::object::Object;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A directory of freshly linked libraries.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join(name)
    }

    /// Links `name` from an empty source with `flags`, in which `@` stands for this directory.
    fn link(&self, name: &str, flags: &str) -> &Bench {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let flags = flags.replace('@', self.path("").to_str().unwrap().trim_end_matches('/'));
        let source = if name.contains(".so") { "" } else { "int main(void) { return 0; }" };
        let kind = if name.contains(".so") { "-shared" } else { "-pie" };
        let file = self.path("source.c");
        fs::write(&file, source).unwrap();
        let output = Command::new("cc")
            .args(["-fPIC", "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined", "-o"])
            .arg(&path)
            .args([kind, file.to_str().unwrap()])
            .args(flags.split_whitespace())
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        self
    }

    /// What our closure and ld.so find for `program`, relative to this directory; system libraries left out.
    fn found(&self, program: &str) -> Result<BTreeSet<String>, String> {
        let object = Object::open(&self.path(program)).unwrap();
        let interpreter = object.elf.interpreter.clone().unwrap();
        let base = self.path("");
        let inside = |path: &Path| Some(path.strip_prefix(&base).ok()?.to_str()?.to_owned());
        let listed =
            Command::new(&interpreter).arg("--list").arg(self.path(program)).env_clear().output().unwrap();
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let theirs: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.split(" => ").last()?.trim().split(" (0x").next())
            .filter_map(|path| inside(Path::new(path)))
            .collect();
        match LinkMap::load(object, &Loader::read(&interpreter).unwrap()) {
            Ok(map) => {
                let links = map.links.iter().skip(1).filter(|link| !link.again);
                let ours: BTreeSet<String> = links.filter_map(|link| inside(&link.object.path)).collect();
                assert_eq!(ours, theirs, "ours, ld.so's:\n{text}");
                Ok(ours)
            }
            Err(error) => {
                assert!(
                    !listed.status.success() || text.contains("not found"),
                    "{error}, but ld.so says:\n{text}"
                );
                Err(error.to_string())
            }
        }
    }

    fn assert_finds(&self, expected: &[&str]) {
        assert_eq!(self.found("bin/tool").unwrap(), expected.iter().map(|&path| path.to_owned()).collect());
    }
}

const RPATH: &str = "-Wl,--disable-new-dtags,-rpath";
const RUNPATH: &str = "-Wl,--enable-new-dtags,-rpath";

#[test]
fn build_finds_by_rpath_what_a_library_of_the_program_needs() {
    let bench = Bench::new();
    bench.link("lib/libinner.so", "-Wl,-soname,libinner.so");
    bench.link("lib/libouter.so", "-Wl,-soname,libouter.so -L@/lib -linner");
    bench.link("bin/tool", &format!("{RPATH},$ORIGIN/../lib -L@/lib -louter"));
    bench.assert_finds(&["bin/../lib/libinner.so", "bin/../lib/libouter.so"]);
}

#[test]
fn build_does_not_inherit_runpath() {
    let bench = Bench::new();
    bench.link("lib/libinner.so", "-Wl,-soname,libinner.so");
    bench.link("lib/libouter.so", "-Wl,-soname,libouter.so -L@/lib -linner");
    bench.link("bin/tool", &format!("{RUNPATH},@/lib -L@/lib -louter"));
    let error = bench.found("bin/tool").unwrap_err();
    let by = format!(
        "needed by {}, needed by {}",
        bench.path("lib/libouter.so").display(),
        bench.path("bin/tool").display()
    );
    assert!(error.starts_with("libinner.so: not found") && error.contains(&by), "{error}");
}

#[test]
fn build_ignores_the_rpath_of_others_for_a_library_with_runpath() {
    let bench = Bench::new();
    bench.link("lib/libinner.so", "-Wl,-soname,libinner.so");
    bench.link("empty/libother.so", "");
    bench.link("lib/libouter.so", &format!("-Wl,-soname,libouter.so {RUNPATH},@/empty -L@/lib -linner"));
    bench.link("bin/tool", &format!("{RPATH},@/lib -L@/lib -louter"));
    assert!(bench.found("bin/tool").unwrap_err().starts_with("libinner.so: not found"));
}

#[test]
fn build_goes_on_searching_past_a_library_for_another_machine() {
    let bench = Bench::new();
    bench.link("good/libz1.so", "-Wl,-soname,libz1.so");
    fs::create_dir(bench.path("bad")).unwrap();
    let mut bytes = fs::read(bench.path("good/libz1.so")).unwrap();
    bytes[18] ^= 0x55; // e_machine
    fs::write(bench.path("bad/libz1.so"), bytes).unwrap();
    bench.link("bin/tool", &format!("{RPATH},@/absent:@/bad:@/good -L@/good -lz1"));
    bench.assert_finds(&["good/libz1.so"]);
}

#[test]
fn build_takes_a_loaded_library_for_every_name_it_answers_to() {
    let bench = Bench::new();
    bench.link("a/libone.so", "-Wl,-soname,libone.so");
    bench.link("b/libone.so", "-Wl,-soname,libone.so");
    bench.link("a/libtwo.so", &format!("-Wl,-soname,libtwo.so {RPATH},@/b -L@/b -lone"));
    bench.link("bin/tool", &format!("{RPATH},@/a -L@/a -lone -ltwo"));
    bench.assert_finds(&["a/libone.so", "a/libtwo.so"]);
}

#[test]
fn build_brings_every_name_of_a_file_that_is_asked_for_by_two() {
    let bench = Bench::new();
    bench.link("a/libreal.so", "");
    std::os::unix::fs::symlink("libreal.so", bench.path("a/libalias.so")).unwrap();
    bench.link("bin/tool", &format!("{RPATH},@/a -L@/a -lreal -lalias"));
    bench.assert_finds(&["a/libreal.so"]);
    let object = Object::open(&bench.path("bin/tool")).unwrap();
    let loader = Loader::read(object.elf.interpreter.as_ref().unwrap()).unwrap();
    let map = LinkMap::load(object, &loader).unwrap();
    assert!(map.links.iter().any(|link| link.again && link.name == "libalias.so"));
}

#[test]
fn build_prefers_the_hwcaps_directory_of_this_processor() {
    let bench = Bench::new();
    let object = Object::open(&std::env::current_exe().unwrap()).unwrap();
    let levels = stage1_chroot::loader::hwcaps::subdirectories(object.elf.target);
    bench.link("lib/libfast.so", "-Wl,-soname,libfast.so");
    bench.link("bin/tool", &format!("{RPATH},@/lib -L@/lib -lfast"));
    bench.link("lib/glibc-hwcaps/x86-64-v9/libfast.so", "-Wl,-soname,libfast.so");
    bench.assert_finds(&["lib/libfast.so"]);
    for level in levels.iter().rev() {
        let better = format!("lib/glibc-hwcaps/{level}/libfast.so");
        bench.link(&better, "-Wl,-soname,libfast.so").assert_finds(&[&better]);
    }
}

#[test]
fn build_expands_lib_as_this_systems_ld_so_does() {
    let bench = Bench::new();
    for lib in ["lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"] {
        bench.link(&format!("{lib}/libwhere.so"), "-Wl,-soname,libwhere.so");
    }
    bench.link("bin/tool", &format!("{RPATH},@/${{LIB}} -L@/lib -lwhere"));
    assert_eq!(bench.found("bin/tool").unwrap().len(), 1);
}

#[test]
fn build_leaves_the_default_directories_out_where_the_file_says_so() {
    let bench = Bench::new();
    bench.link("bin/tool", "-Wl,-z,nodefaultlib");
    let error = bench.found("bin/tool").unwrap_err();
    assert!(error.starts_with("libc.so.6: not found"), "{error}");
}

#[test]
fn build_takes_a_needed_path_as_a_path() {
    let bench = Bench::new();
    bench.link("a/libpath.so", "");
    bench.link("bin/tool", "@/a/libpath.so");
    bench.assert_finds(&["a/libpath.so"]);
}

#[test]
fn build_calls_a_text_file_in_a_librarys_place_an_error() {
    let bench = Bench::new();
    bench.link("good/libtext.so", "-Wl,-soname,libtext.so");
    bench.link("bin/tool", &format!("{RPATH},@/bad:@/good -L@/good -ltext"));
    fs::create_dir(bench.path("bad")).unwrap();
    fs::write(
        bench.path("bad/libtext.so"),
        "GROUP ( libc.so.6 ) and enough text to be no header at all, really none",
    )
    .unwrap();
    assert!(bench.found("bin/tool").unwrap_err().contains("not a usable ELF file"));
}
