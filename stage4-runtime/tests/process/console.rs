//! A terminal of its own: made by the container's devpts, sent by a socket, attended from outside.

use crate::ground::{Claim, directory, needs_root, plan, tell};
use nix::mount::{MsFlags, mount};
use nix::pty::openpty;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{alarm, read};
use stage2_namespaces::Kinds;
use stage2_namespaces::birth::{Child, birth};
use stage2_namespaces::mount::{Incoming, PrivateMounts};
use stage4_runtime::console::{Console, socket};
use stage4_runtime::last_acts::{Means, OwnFiles, Who, leave};
use stage4_runtime::plan::process::TerminalPlan;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::Path;

const PEER: socket::Peer = socket::Peer::Console;

pub const CLAIMS: &[Claim] = &[
    ("console_is_the_terminal_of_the_process", is_the_terminal),
    ("console_is_bound_by_descriptor_and_follows_no_link", follows_no_link),
    ("console_needs_a_devpts", needs_a_devpts),
    ("console_socket_brings_one_terminal_and_its_name", brings_one),
    ("console_socket_of_a_long_path_is_reached", long_path),
];

const SIZE: TerminalPlan = TerminalPlan { size: Some((33, 77)) };

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC).unwrap()
}

/// A mount namespace whose `root` has a /dev with an own devpts.
fn furnish(root: &Path) -> PrivateMounts {
    let proof = PrivateMounts::unshare(Incoming::Refused).unwrap();
    fs::create_dir_all(root.join("dev")).unwrap();
    mount(Some("tmpfs"), &root.join("dev"), Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    fs::create_dir(root.join("dev/pts")).unwrap();
    let options = Some("newinstance,ptmxmode=0666,mode=0620");
    mount(Some("devpts"), &root.join("dev/pts"), Some("devpts"), MsFlags::empty(), options).unwrap();
    proof
}

/// All that comes until nobody holds the other end.
fn read_all(master: &OwnedFd) -> String {
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = read(master, &mut buffer) {
        said.extend(&buffer[..length]);
    }
    String::from_utf8(said).unwrap().replace('\r', "")
}

fn is_the_terminal() {
    if !needs_root() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let (ours, theirs) = pair();
    let script = "stty size; test -t 0 && test -t 1 && test -t 2 && echo three; \
                  set -- $(cat /proc/$$/stat); test $6 = $$ && test $7 != 0 && test $8 = $$ && echo controls; \
                  echo by name > /dev/tty; stat -c '%u' /proc/self/fd/0 -L";
    let plan = plan(script, r#"{"terminal":true,"user":{"uid":1000,"gid":1000}}"#);
    let child = birth(Kinds::NONE, None, |_| {
        alarm::set(10);
        let proof = furnish(top.path());
        let (inside, root, proc) =
            (directory(top.path().to_str().unwrap()), directory("/"), directory("/proc"));
        let console = Console::open(inside.as_fd(), SIZE).unwrap();
        console.bind(&proof, inside.as_fd()).unwrap();
        // It is the pair's, by device.
        let bound = nix::sys::stat::stat(&top.path().join("dev/console")).unwrap();
        let terminal = console.send(theirs.as_fd()).unwrap();
        assert_eq!(bound.st_rdev, fstat(&terminal).unwrap().st_rdev);
        let files = OwnFiles::open(proc.as_fd(), &plan).unwrap();
        let means = Means {
            who: Who::Init,
            keyring: None,
            own_users: false,
            root: root.as_fd(),
            proc: proc.as_fd(),
            files,
            terminal: Some(terminal),
            listeners: 0,
            preserved: 0,
            filter: &mut || Ok(()),
        };
        let Err(failure) = leave(&plan, means, || Ok(()));
        tell(&failure)
    })
    .unwrap();
    let (master, name) = socket::receive(ours.as_fd()).unwrap();
    assert_eq!(name, "/dev/ptmx");
    let said = read_all(&master);
    assert_eq!(child.wait().unwrap(), 0, "{said}");
    assert_eq!(said, "33 77\nthree\ncontrols\nby name\n1000\n");
}

/// In a process of its own, whose mounts go with it.
fn in_mounts_of_its_own(life: impl FnOnce(&Path, &PrivateMounts)) {
    let top = tempfile::tempdir().unwrap();
    let child: Child = birth(Kinds::NONE, None, |_| {
        let proof = furnish(top.path());
        life(top.path(), &proof);
        0
    })
    .unwrap();
    assert_eq!(child.wait().unwrap(), 0);
}

fn follows_no_link() {
    if !needs_root() {
        return;
    }
    in_mounts_of_its_own(|root, proof| {
        let inside = directory(root.to_str().unwrap());
        let console = Console::open(inside.as_fd(), SIZE).unwrap();
        let canary = root.join("canary");
        fs::write(&canary, "").unwrap();
        symlink("../canary", root.join("dev/console")).unwrap();
        let error = console.bind(proof, inside.as_fd()).unwrap_err().to_string();
        assert!(error.contains("/dev/console"), "{error}");
        assert!(fs::metadata(&canary).unwrap().is_file(), "nothing is bound to what the link names");
        // A file that is there is covered.
        fs::remove_file(root.join("dev/console")).unwrap();
        fs::write(root.join("dev/console"), "").unwrap();
        console.bind(proof, inside.as_fd()).unwrap();
        let kind = fs::metadata(root.join("dev/console")).unwrap();
        use std::os::unix::fs::MetadataExt;
        assert_eq!(kind.mode() & SFlag::S_IFMT.bits(), SFlag::S_IFCHR.bits());
    });
}

fn needs_a_devpts() {
    if !needs_root() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let inside = directory(top.path().to_str().unwrap());
    let refused = |word: &str| {
        let error = Console::open(inside.as_fd(), SIZE).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(error.hint().unwrap_or_default().contains("devpts"), "{error:?}");
    };
    refused("ENOENT");
    fs::create_dir_all(top.path().join("dev/pts")).unwrap();
    refused("is no devpts");
    fs::remove_dir(top.path().join("dev/pts")).unwrap();
    symlink("/dev/pts", top.path().join("dev/pts")).unwrap();
    refused("ELOOP");
}

fn brings_one() {
    let (ours, theirs) = pair();
    let pty = openpty(None, None).unwrap();
    socket::send(theirs.as_fd(), pty.master.as_fd(), "/dev/ptmx", PEER).unwrap();
    let (received, name) = socket::receive(ours.as_fd()).unwrap();
    assert_eq!(fstat(&received).unwrap().st_rdev, fstat(&pty.master).unwrap().st_rdev);
    assert_eq!(name, "/dev/ptmx");
    // A word alone, and silence, are no terminal.
    nix::unistd::write(&theirs, b"/dev/ptmx").unwrap();
    assert!(socket::receive(ours.as_fd()).unwrap_err().to_string().contains("no terminal"));
    drop(theirs);
    assert!(socket::receive(ours.as_fd()).is_err());
}

fn long_path() {
    let top = tempfile::tempdir().unwrap();
    let long = top.path().join("x".repeat(120));
    fs::create_dir(&long).unwrap();
    let path = long.join("socket");
    let error = socket::connect_to(&path, PEER).unwrap_err();
    assert!(error.hint().unwrap_or_default().contains("--console-socket"), "{error}");
    // Bound by a short name for the same directory.
    symlink(&long, top.path().join("s")).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(top.path().join("s/socket")).unwrap();
    let connection = socket::connect_to(&path, PEER).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    let pty = openpty(None, None).unwrap();
    socket::send(connection.as_fd(), pty.master.as_fd(), "/dev/ptmx", PEER).unwrap();
    assert!(socket::receive(accepted.as_fd()).is_ok());
}
