//! What it inherits and what not, where it is, and what it is executed with.

use crate::ground::{Claim, Ground, directory, line, mapped, needs_root, plan, said_by, tell};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::prctl::get_dumpable;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::Mode;
use stage2_namespaces::birth::birth;
use stage2_namespaces::nsfs::Namespace;
use stage2_namespaces::{Kind, Kinds};
use stage4_runtime::exec;
use stage4_runtime::identity::become_root_if_there_is_one;
use stage4_runtime::last_acts::{Means, OwnFiles, Who, leave};
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

pub const CLAIMS: &[Claim] = &[
    ("last_acts_leave_no_descriptor_open", no_descriptor),
    ("last_acts_keep_the_descriptors_that_were_asked_for", kept_descriptors),
    ("last_acts_tell_of_listening_sockets", listening),
    ("last_acts_pass_the_environment_and_nothing_else", environment),
    ("last_acts_find_the_home_in_the_roots_own_passwd", home),
    ("last_acts_leave_no_ignored_or_blocked_signal", signals),
    ("last_acts_are_done_by_a_process_nobody_may_look_into", undumpable),
    ("last_acts_of_a_visitor_write_to_files_opened_before_it_joined", visits),
    ("last_acts_enter_the_directory", enters),
    ("last_acts_make_the_directory_of_init_and_not_of_a_visitor", makes),
    ("last_acts_refuse_a_directory_behind_a_link_of_proc", refuses_magic),
    ("last_acts_begin_a_session_without_a_terminal", session),
    ("exec_says_what_engines_read", says),
    ("exec_judges_as_the_user", judges_as_the_user),
    ("exec_of_a_file_that_does_not_start_says_why", does_not_start),
];

/// The shell's descriptors, listed by another process.
const OPEN: &str = "ls /proc/$$/fd; :";

/// Makes sure that 3, 4 and 5 are open, and would survive execve(2).
fn three_to_five() {
    loop {
        let fd = nix::fcntl::open("/", OFlag::O_RDONLY, Mode::empty()).unwrap();
        fcntl(&fd, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let number = fd.as_raw_fd();
        std::mem::forget(fd);
        if number >= 5 {
            return;
        }
    }
}

fn no_descriptor() {
    three_to_five();
    let outcome = Ground::default().run(&plan(OPEN, "{}"));
    assert_eq!(outcome.said().lines().collect::<Vec<_>>(), ["0", "1", "2"]);
}

fn kept_descriptors() {
    three_to_five();
    let kept = |listeners, preserved| {
        let ground = Ground { listeners, preserved, ..Ground::default() };
        ground.run(&plan(OPEN, "{}")).said().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(kept(0, 2), ["0", "1", "2", "3", "4"]);
    assert_eq!(kept(1, 2), ["0", "1", "2", "3", "4", "5"]);
}

fn listening() {
    let ground = Ground { listeners: 2, ..Ground::default() };
    let script = "echo $LISTEN_FDS; test $LISTEN_PID = $$ && echo mine";
    let stale = r#"{"env":["LISTEN_PID=7","PATH=/bin:/usr/bin"]}"#;
    assert_eq!(ground.run(&plan(script, stale)).said(), "2\nmine");
}

fn environment() {
    let process = r#"{"args":["env"],"env":["A=1","PATH=/bin:/usr/bin","B=","A=2","HOME=/x"]}"#;
    assert_eq!(Ground::default().run(&plan("", process)).said(), "A=2\nPATH=/bin:/usr/bin\nB=\nHOME=/x");
}

fn home() {
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc");
    fs::create_dir(&etc).unwrap();
    let of = |uid: u32| {
        let plan = plan("", &format!(r#"{{"user":{{"uid":{uid},"gid":0}},"env":[]}}"#));
        let root = directory(root.path().to_str().unwrap());
        let environment = exec::environment(&plan, root.as_fd(), 0).unwrap();
        environment.last().unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(of(5), "HOME=/", "no file");
    // An empty one is none, as other runtimes have it.
    let empty = plan("", r#"{"env":["HOME=","A=1"]}"#);
    let environment = exec::environment(&empty, directory("/").as_fd(), 0).unwrap();
    assert_eq!(environment.iter().filter(|variable| variable.to_bytes().starts_with(b"HOME=/")).count(), 1);
    assert_eq!(environment.len(), 2);
    fs::write(etc.join("passwd"), "root:x:0:0::/r:/bin/sh\nme:x:5:5::/home/me:/bin/sh\n").unwrap();
    assert_eq!((of(0), of(5), of(6)), ("HOME=/r".into(), "HOME=/home/me".into(), "HOME=/".into()));
    // A link leads to a file of the root, never of the host.
    fs::rename(etc.join("passwd"), etc.join("users")).unwrap();
    symlink("/etc/users", etc.join("passwd")).unwrap();
    assert_eq!(of(5), "HOME=/home/me");
    fs::remove_file(etc.join("passwd")).unwrap();
    symlink("/proc/self/root/etc/passwd", etc.join("passwd")).unwrap();
    assert_eq!(of(0), "HOME=/");
    // And a pipe that nobody writes to is not waited for.
    fs::remove_file(etc.join("passwd")).unwrap();
    nix::unistd::mkfifo(&etc.join("passwd"), Mode::S_IRWXU).unwrap();
    assert_eq!(of(5), "HOME=/");
}

fn signals() {
    // SIGPIPE is ignored by every program in Rust; all that can be blocked is.
    let spoil = || sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), None).unwrap();
    let plan = plan("", r#"{"args":["cat","/proc/self/status"]}"#);
    let outcome = Ground::default().run_with(&plan, spoil, &mut || Ok(()));
    for name in ["SigBlk", "SigIgn"] {
        assert_eq!(line(outcome.said(), name), "0000000000000000", "{name}");
    }
}

fn undumpable() {
    if !needs_root() {
        return;
    }
    for (users, no_new_privileges) in [(false, true), (false, false), (true, true), (true, false)] {
        let ground = Ground { users, ..Ground::default() };
        // The filter is installed before the ids change, and after it.
        let process = format!(
            r#"{{"noNewPrivileges":{no_new_privileges},"user":{{"uid":1000,"gid":0}},"oomScoreAdj":100}}"#
        );
        let mut look = || {
            println!("{}", get_dumpable().unwrap());
            Ok(())
        };
        // Whoever may not be looked into may not even read his own environment.
        let plan =
            plan("test -r /proc/self/environ && cat /proc/self/environ >/dev/null && echo again", &process);
        assert_eq!(ground.run_with(&plan, || (), &mut look).said(), "false\nagain");
    }
}

fn visits() {
    if !needs_root() {
        return;
    }
    // Somebody else's user namespace, and somebody in it.
    let (ready, born) = nix::unistd::pipe().unwrap();
    let (stay, end) = nix::unistd::pipe().unwrap();
    let users = mapped(0, 100_000, 65_536);
    let host = birth(Kinds::NONE.with(Kind::User, true), None, |_| {
        nix::unistd::alarm::set(10);
        nix::unistd::write(&born, b"!").unwrap();
        nix::unistd::read(&stay, &mut [0]).unwrap();
        0
    })
    .unwrap();
    users.give(&host).unwrap();
    nix::unistd::read(&ready, &mut [0]).unwrap();
    let there = Namespace::of(host.pid.as_raw(), Kind::User).unwrap();
    let script = "cat /proc/self/oom_score_adj /proc/self/uid_map; id -u";
    let plan = plan(script, r#"{"oomScoreAdj":222,"user":{"uid":7,"gid":7}}"#);
    let outcome = said_by(false, || {
        let (proc, root) = (directory("/proc"), directory("/"));
        nix::sys::prctl::set_dumpable(false).unwrap();
        let files = OwnFiles::open(proc.as_fd(), &plan).unwrap();
        nix::sched::setns(&there, nix::sched::CloneFlags::CLONE_NEWUSER).unwrap();
        become_root_if_there_is_one().unwrap();
        // Afterwards they could not be opened any more.
        assert!(OwnFiles::open(proc.as_fd(), &plan).is_err());
        let means = Means {
            who: Who::Visitor,
            keyring: None,
            own_users: true,
            root: root.as_fd(),
            proc: proc.as_fd(),
            files,
            terminal: None,
            listeners: 0,
            preserved: 0,
            filter: &mut || Ok(()),
        };
        let Err(failure) = leave(&plan, means, || Ok(()));
        tell(&failure)
    });
    nix::unistd::write(&end, b"!").unwrap();
    host.wait().unwrap();
    let words: Vec<&str> = outcome.said().split_whitespace().collect();
    assert_eq!(words, ["222", "0", "100000", "65536", "7"]);
}

fn enters() {
    let plan = plan("pwd", r#"{"cwd":"/usr/bin"}"#);
    assert_eq!(Ground::default().run(&plan).said(), "/usr/bin");
}

fn makes() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("a/b");
    let process = format!(r#"{{"cwd":{path:?}}}"#);
    let visitor = Ground { who: Who::Visitor, ..Ground::default() };
    visitor.run(&plan("true", &process)).failed(1, &["chdir", "ENOENT", "process.cwd"]);
    assert!(!path.exists());
    assert_eq!(Ground::default().run(&plan("pwd", &process)).said(), path.to_str().unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
}

fn refuses_magic() {
    three_to_five();
    for path in ["/proc/self/fd/3", "/proc/self/cwd", "/proc/self/fd/3/../tmp"] {
        for who in [Who::Init, Who::Visitor] {
            let ground = Ground { who, ..Ground::default() };
            let outcome = ground.run(&plan("echo has run", &format!(r#"{{"cwd":"{path}"}}"#)));
            outcome.failed(1, &["ELOOP", "process.cwd"]);
            assert!(!outcome.said.contains("has run"));
        }
    }
}

fn session() {
    // Fields 5 to 7 of proc_pid_stat(5): group, session, terminal.
    let plan = plan("set -- $(cat /proc/$$/stat); test $5 = $$ && test $6 = $$ && echo leads; echo $7", "{}");
    assert_eq!(Ground::default().run(&plan).said(), "leads\n0");
}

fn says() {
    let run = |args: &str| Ground::default().run(&plan("", &format!(r#"{{"args":["{args}"]}}"#)));
    run("stage4-no-such").failed(127, &["executable file not found in $PATH", "process.args[0]"]);
    run("/stage4/no-such").failed(127, &["no such file or directory"]);
    run("/etc/passwd").failed(126, &["permission denied", "chmod +x"]);
    run("/etc").failed(126, &["permission denied", "not a regular file"]);
}

fn executable(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn judges_as_the_user() {
    if !needs_root() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (first, second) = (top.path().join("1"), top.path().join("2"));
    for directory in [&first, &second] {
        fs::create_dir(directory).unwrap();
    }
    executable(&first.join("tool"), "#!/bin/sh\necho first\n", 0o700);
    let process = |uid: u32, path: String| {
        plan("", &format!(r#"{{"args":["tool"],"env":["PATH={path}"],"user":{{"uid":{uid},"gid":{uid}}}}}"#))
    };
    let both = format!("{}:{}", first.display(), second.display());
    let user = process(1000, both.clone());
    Ground::default().run(&user).failed(126, &["permission denied"]);
    executable(&second.join("tool"), "#!/bin/sh\necho second\n", 0o755);
    // What may not be executed may be further on (execvp(3)).
    assert_eq!(Ground::default().run(&user).said(), "second");
    assert_eq!(Ground::default().run(&process(0, both)).said(), "first");
}

fn does_not_start() {
    let top = tempfile::tempdir().unwrap();
    fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = top.path().join("tool");
    let run = || Ground::default().run(&plan("", &format!(r#"{{"args":[{file:?}]}}"#)));
    executable(&file, "#!/stage4/no-such\n", 0o755);
    run().failed(127, &["execve", "No such file", "interpreter \"/stage4/no-such\""]);
    executable(&file, "no program\n", 0o755);
    run().failed(126, &["execve", "ENOEXEC"]);
}
