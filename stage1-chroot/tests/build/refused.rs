//! What `build` refuses, and in which words.
//!
//! Every bad input that a learner will give. Book: `build`.
//! Invariant: an error names its reason and a way out, and a refused build leaves no root behind.

use crate::work::{COMMAND, Work};
use assert_cmd::Command;
use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn build_refuses_a_root_that_is_none() {
    let work = Work::new();
    fs::write(work.path("new-root"), "").unwrap();
    work.build(&["sh"]).code(1).stderr(contains("ENOTDIR").and(contains("a root is a directory")));
    for own in ["/", "/proc/self/root", "/usr/.."] {
        let assert = Command::new(COMMAND).args(["build", own, "sh"]).assert();
        assert.code(1).stderr(contains("this is / itself"));
    }
    let assert = Command::new(COMMAND).arg("build").args([work.path("no/new-root"), "sh".into()]).assert();
    assert.code(1).stderr(contains("ENOENT").and(contains("mkdir -p")));
    Command::new(COMMAND).args(["build", "new-root"]).assert().code(2);
}

#[test]
fn build_refuses_what_is_no_program() {
    let work = Work::new();
    work.refuses("no-such-program", "no such program in PATH");
    work.refuses("./no-such-program", "ENOENT");
    work.refuses("/usr", "a directory, not a program");
    work.refuses("/dev/null", "not a regular file");
    fs::write(work.path("data"), "data").unwrap();
    work.refuses("./data", "EACCES").stderr(contains("chmod +x"));
    work.script("bare", "echo no line\n");
    work.refuses("./bare", "neither an ELF program nor a script").stderr(contains("ENOEXEC"));
    work.script("empty", "");
    work.refuses("./empty", "neither an ELF program nor a script");
    work.script("cut", "\x7fELF\x02\x01\x01");
    work.refuses("./cut", "not a usable ELF file");
    symlink("b", work.path("a")).unwrap();
    symlink("a", work.path("b")).unwrap();
    work.refuses("./a", "ELOOP");
    symlink("gone", work.path("dangling")).unwrap();
    work.refuses("./dangling", "ENOENT");
}

#[test]
fn build_refuses_a_script_without_its_interpreter() {
    let work = Work::new();
    work.script("lost", "#!/no/such/interpreter\n");
    work.refuses("./lost", "ENOENT")
        .stderr(contains("/no/such/interpreter").and(contains("the #! line of ./lost")));
    work.script("lost-env", "#!/usr/bin/env no-such-program\n");
    work.refuses("./lost-env", "no-such-program: no such program")
        .stderr(contains("the #! line of ./lost-env"));
    let own = work.path("circle");
    work.script("circle", &format!("#!{}\n", own.display()));
    work.refuses("./circle", "ELOOP").stderr(contains("five #! lines"));
}

#[test]
fn build_refuses_another_architecture() {
    let work = Work::new();
    let tool = work.program("tool");
    let mut bytes = fs::read(&tool).unwrap();
    let machine: u16 = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    bytes[18..20].copy_from_slice(&machine.to_ne_bytes());
    fs::write(&tool, bytes).unwrap();
    work.refuses("./tool", "wrong architecture").stderr(contains("a chroot shares the kernel"));
}

#[test]
fn build_names_a_missing_library_and_who_needs_it() {
    let work = Work::new();
    work.sh("echo 'void f(void) {}' >f.c && echo 'void f(void); int main(void) { f(); }' >main.c &&
        cc -shared -fPIC -Wl,-soname,libgone.so.7 f.c -o libgone.so && cc main.c -L. -lgone -o tool && rm libgone.so")
        .success();
    let needs = format!("needed by {}", work.path("tool").display());
    work.refuses("./tool", "libgone.so.7: not found")
        .stderr(contains(needs).and(contains("searched: ")).and(contains("hint: ")));
}

#[test]
fn build_names_a_missing_interpreter() {
    let work = Work::new();
    work.sh("echo 'int main(void) { return 0; }' >main.c && cc -Wl,--dynamic-linker=/lib/ld-gone.so.1 main.c -o tool")
        .success();
    work.refuses("./tool", "/lib/ld-gone.so.1").stderr(contains("ENOENT").and(contains("PT_INTERP")));
}

/// Without the capability by which root passes over modes, so that root and others are refused alike.
fn by_mode_only(work: &Work, words: &str) -> Assert {
    let caps = "-dac_override,-dac_read_search,-fowner";
    let root = nix::unistd::geteuid().is_root();
    let drop = if root { format!("setpriv --bounding-set={caps} --inh-caps={caps} ") } else { String::new() };
    work.sh(&format!("exec {drop}$BUILD {words}"))
}

#[test]
fn build_without_permission_says_which() {
    let work = Work::new();
    let tool = work.program("tool");
    fs::create_dir(work.path("closed")).unwrap();
    fs::set_permissions(work.path("closed"), Permissions::from_mode(0o555)).unwrap();
    let denied = contains("EACCES");
    by_mode_only(&work, "build closed/new-root ./tool")
        .code(1)
        .stderr(denied.clone().and(contains("of your own")));
    by_mode_only(&work, "build closed ./tool")
        .code(1)
        .stderr(denied.clone().and(contains("that you may write")));
    fs::set_permissions(&tool, Permissions::from_mode(0o111)).unwrap();
    by_mode_only(&work, "build new-root ./tool").code(1).stderr(denied.and(contains("the right to read it")));
}

#[test]
fn build_is_not_held_up_by_a_hostile_interpreter() {
    let work = Work::new();
    let loader = stage1_chroot::loader::object::Object::open("/bin/sh".as_ref()).unwrap();
    let loader = loader.elf.interpreter.unwrap();
    work.sh(&format!(
        "echo 'int main(void) {{ return 0; }}' >main.c && mkfifo pipe && cp {} large && truncate -s 40G large &&
         for name in pipe large; do cc -Wl,--dynamic-linker=$PWD/$name main.c -o of-$name; done",
        loader.display()
    ))
    .success();
    // The limit ends a build that would read all of it.
    for (program, why) in [("of-pipe", "not a regular file"), ("of-large", "larger than 64 MiB")] {
        let line = format!("ulimit -v 2000000; exec timeout 20 $BUILD build new-root ./{program}");
        work.sh(&line).code(1).stderr(contains(why).and(contains("PT_INTERP")));
    }
}
