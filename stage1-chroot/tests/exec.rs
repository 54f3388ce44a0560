//! Why a command did not start inside: the exit status a shell gives, and the reason.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod jail;

use jail::{Jail, STAGE1, stage1};
use predicates::prelude::*;
use predicates::str::contains;
use stage1_chroot::exec::refusal::Found;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn a_command_that_is_not_there_is_127() {
    let Some(jail) = Jail::with(&[]) else { return };
    jail.run(&[], &["ls"]).assert().code(127).stderr(contains(
        "stage1-chroot: run: \"ls\": executable file not found in $PATH\nhint: `stage1-chroot build",
    ));
    jail.run(&[], &[""]).assert().code(127);
    jail.run(&["--env", "PATH=/nowhere"], &["true"])
        .assert()
        .code(127)
        .stderr(contains("not found in $PATH"));
    jail.run(&[], &["/bin/ls"]).assert().code(127).stderr(contains(
        "stage1-chroot: run: execve(\"/bin/ls\"): ENOENT (No such file or directory)\nhint: ",
    ));
    symlink("/etc/alternatives/vi", jail.root().join("usr/bin/vi")).unwrap();
    jail.run(&[], &["vi"]).assert().code(127).stderr(contains("is a link to \"/etc/alternatives/vi\""));
}

#[test]
fn a_missing_interpreter_is_explained() {
    let Some(jail) = Jail::with(&[]) else { return };
    let bin = jail.root().join("usr/bin");
    fs::write(bin.join("script"), "#!/usr/bin/perl -w\n").unwrap();
    fs::write(bin.join("from-dos"), "#!/usr/bin/true\r\n").unwrap();
    for name in ["script", "from-dos"] {
        fs::set_permissions(bin.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let interpreter =
        contains("its `#!` interpreter \"/usr/bin/perl\" is not; `stage1-chroot build NEW_ROOT");
    jail.run(&[], &["script"]).assert().code(127).stderr(interpreter);
    jail.run(&[], &["from-dos"]).assert().code(127).stderr(contains("\"/usr/bin/true\\r\" is not"));

    for library in ["lib64", "lib", "usr/lib64", "usr/lib"] {
        let path = jail.root().join(library);
        if path.is_symlink() {
            fs::remove_file(path).unwrap();
        } else if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        }
    }
    jail.run(&[], &["true"]).assert().code(127).stderr(contains("its ELF interpreter \"/lib"));
}

#[test]
fn a_file_that_cannot_be_executed_is_126() {
    let Some(jail) = Jail::with(&[]) else { return };
    let bin = jail.root().join("usr/bin");
    let foreign = [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 9], b"\x02\x00\x77\x77\x01"].concat();
    for (name, mode, content) in [
        ("plain", 0o644, b"#!/usr/bin/true\n".as_slice()),
        ("no-format", 0o755, b"echo hello\n"),
        ("damaged", 0o755, b"\x7fELF"),
        ("foreign", 0o755, &[foreign.as_slice(), &[0; 64]].concat()),
    ] {
        fs::write(bin.join(name), content).unwrap();
        fs::set_permissions(bin.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    for (command, reason) in [
        ("plain", "EACCES (Permission denied)\nhint: \"/usr/bin/plain\" has no mode bit for executing"),
        ("/usr/bin", "EACCES (Permission denied)\nhint: \"/usr/bin\" is not a regular file"),
        ("no-format", "ENOEXEC (Exec format error)\nhint: \"/usr/bin/no-format\" is no ELF file"),
        ("damaged", "ENOEXEC (Exec format error)\nhint: \"/usr/bin/damaged\" is an ELF file, but"),
        ("foreign", "ENOEXEC (Exec format error)\nhint: \"/usr/bin/foreign\" is a program for ELF machine"),
        ("/usr/bin/true/x", "ENOTDIR (Not a directory)"),
    ] {
        jail.run(&[], &[command]).assert().code(126).stderr(contains(reason));
    }
}

#[test]
fn a_name_found_on_the_host_is_found_inside() {
    let Some(jail) = Jail::with(&[]) else { return };
    let directory = std::path::Path::new(STAGE1).parent().unwrap();
    stage1().env("PATH", directory).arg("build").arg(jail.root()).arg("stage1-chroot").assert().code(0);
    jail.run(&[], &["stage1-chroot", "--version"]).assert().code(0).stdout(contains("stage1-chroot "));
}

#[test]
fn a_directory_that_may_not_be_searched_is_126_and_named_as_the_reason() {
    let Some(jail) = Jail::with(&[]) else { return };
    let closed = jail.root().join("usr");
    if !nix::unistd::geteuid().is_root() {
        // In a borrowed namespace one has every capability over one's own files; before it, none.
        fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
        let found = Found::look(&closed.join("bin/true"));
        fs::set_permissions(&closed, PermissionsExt::from_mode(0o755)).unwrap();
        return assert_eq!(found, Found::Denied);
    }
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    let run = |command: &str| jail.run(&["--user", "1000"], &[command]).assert().code(126);
    for command in ["true", "/usr/bin/true"] {
        run(command).stderr(contains("EACCES").and(contains("may not search a directory above it")));
    }
}
