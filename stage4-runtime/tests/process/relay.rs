//! A terminal attended from outside.

use crate::ground::{Claim, tell};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::{alarm, read, write};
use stage2_namespaces::Kinds;
use stage2_namespaces::birth::{Child, birth};
use stage4_runtime::Failure;
use stage4_runtime::console::relay;
use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

pub const CLAIMS: &[Claim] = &[
    ("relay_passes_on_both_ways_and_follows_the_size", relays),
    ("relay_sets_the_callers_terminal_right_again", sets_right),
    ("relay_passes_on_what_was_written_before_the_end", drains),
    ("relay_of_much_in_both_directions_does_not_stand_still", much),
    ("relay_of_a_file_ends_with_it", file_ends),
];

/// The caller's terminal `user` and the container's `pty`; in between a process that attends.
fn attended(user: &OpenptyResult, pty: &OpenptyResult) -> Child {
    birth(Kinds::NONE, None, |_| {
        alarm::set(10);
        // Its copies of the ends that others hold.
        let slave = user.slave.as_fd();
        match relay::attend::<()>(&pty.master, (slave, slave), &[], |_| Ok(ControlFlow::Continue(()))) {
            Ok(_) => 0,
            Err(error) => tell(&Failure { status: 1, error }),
        }
    })
    .unwrap()
}

fn until(master: &OwnedFd, wanted: &str) -> String {
    let mut said = String::new();
    let mut buffer = [0; 256];
    while !said.contains(wanted) {
        let length = read(master, &mut buffer).unwrap();
        said.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    said
}

fn winsize(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn stty_size(slave: &OwnedFd) -> String {
    let output = Command::new("stty").arg("size").stdin(slave.try_clone().unwrap()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed().as_secs() < 8, "not within eight seconds: {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn relays() {
    let user = openpty(Some(&winsize(24, 80)), None).unwrap();
    let pty = openpty(Some(&winsize(1, 1)), None).unwrap();
    let child = attended(&user, &pty);
    eventually("the first size", || stty_size(&pty.slave) == "24 80");
    write(&user.master, b"typed\r").unwrap();
    let mut buffer = [0; 64];
    let length = read(&pty.slave, &mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"typed\n");
    write(&pty.slave, b"written\n").unwrap();
    assert!(until(&user.master, "written").contains("typed"), "the container's terminal echoes");
    // The caller's window changes: whoever attends it is not in its session, and is told by name.
    let resized = Command::new("stty")
        .args(["rows", "50", "cols", "132"])
        .stdin(user.slave.try_clone().unwrap())
        .status()
        .unwrap();
    assert!(resized.success());
    child.signal(libc_sigwinch()).unwrap();
    eventually("the new size", || stty_size(&pty.slave) == "50 132");
    child.signal(Signal::SIGTERM as i32).unwrap();
    child.wait().unwrap();
}

fn libc_sigwinch() -> i32 {
    Signal::SIGWINCH as i32
}

fn sets_right() {
    let cooked = |slave: &OwnedFd| tcgetattr(slave).unwrap().local_flags.contains(LocalFlags::ICANON);
    let (user, pty) = (openpty(None, None).unwrap(), openpty(None, None).unwrap());
    let ends = (user.slave.as_fd(), user.slave.as_fd());
    let (news, told) = nix::unistd::pipe().unwrap();
    write(&told, b"!").unwrap();
    let end = relay::attend(&pty.master, ends, &[news.as_fd()], |_| {
        assert!(!cooked(&user.slave), "raw while it is attended");
        Ok(ControlFlow::Break(()))
    });
    assert_eq!(end.unwrap(), Some(()));
    assert!(cooked(&user.slave));
    // After an error as well.
    let failed = relay::attend::<()>(&pty.master, ends, &[news.as_fd()], |_| {
        Err(stage4_runtime::Error::refused("bad news"))
    });
    assert!(failed.is_err() && cooked(&user.slave));
}

fn drains() {
    let (pty, out) = (openpty(None, None).unwrap(), nix::unistd::pipe().unwrap());
    let (news, told) = nix::unistd::pipe().unwrap();
    let (never, _held) = nix::unistd::pipe().unwrap();
    write(&pty.slave, b"last words").unwrap();
    write(&told, b"!").unwrap();
    // Both are ready at once, and the news would be enough to end it.
    let ends = (never.as_fd(), out.1.as_fd());
    let end =
        relay::attend(&pty.master, ends, &[news.as_fd()], |place| Ok(ControlFlow::Break(place))).unwrap();
    assert_eq!(end, Some(0));
    let mut buffer = [0; 64];
    let length = read(&out.0, &mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"last words");
    // And when nobody holds the container's end any more, it ends by itself, with nothing to say.
    write(&pty.slave, b"more").unwrap();
    drop(pty.slave);
    let nothing = relay::attend::<()>(&pty.master, ends, &[], |_| unreachable!()).unwrap();
    assert!(nothing.is_none());
    let length = read(&out.0, &mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"more");
}

/// The container: a shell whose terminal is the slave of `pty`, which nobody else holds afterwards.
fn container(pty: OpenptyResult, script: &str) -> (OwnedFd, std::process::Child) {
    let end = || Stdio::from(pty.slave.try_clone().unwrap());
    let child =
        Command::new("sh").args(["-c", script]).stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
    (pty.master, child)
}

fn much() {
    alarm::set(20);
    let top = tempfile::tempdir().unwrap();
    let (typed, shown) = (top.path().join("typed"), top.path().join("shown"));
    std::fs::write(&typed, vec![b'x'; 1_000_000]).unwrap();
    let (input, output) = (File::open(&typed).unwrap(), File::create(&shown).unwrap());
    // It reads nothing before it has written more than any buffer holds, and writes nothing while it reads.
    let script = "head -c 300000 /dev/zero; head -c 1000000 | wc -c";
    let pty = openpty(None, None).unwrap();
    // Before anything is typed: a terminal that collects lines throws away what is too long for one.
    let raw = Command::new("stty").args(["raw", "-echo"]).stdin(pty.slave.try_clone().unwrap()).status();
    assert!(raw.unwrap().success());
    let (master, mut child) = container(pty, script);
    let ends = (input.as_fd(), output.as_fd());
    assert!(relay::attend::<()>(&master, ends, &[], |_| unreachable!()).unwrap().is_none());
    assert!(child.wait().unwrap().success());
    let shown = std::fs::read(&shown).unwrap();
    assert_eq!(shown.iter().filter(|byte| **byte == 0).count(), 300_000);
    assert!(shown.ends_with(b"1000000\n"), "{:?}", String::from_utf8_lossy(&shown[300_000..]));
}

fn file_ends() {
    alarm::set(20);
    for text in ["one\ntwo\n", "no end of line"] {
        let (input, mut hand) = nix::unistd::pipe().map(|(from, to)| (from, File::from(to))).unwrap();
        hand.write_all(text.as_bytes()).unwrap();
        drop(hand);
        let (from, to) = nix::unistd::pipe().unwrap();
        let script = "cat > /dev/null; echo over";
        let (master, mut child) = container(openpty(None, None).unwrap(), script);
        relay::attend::<()>(&master, (input.as_fd(), to.as_fd()), &[], |_| unreachable!()).unwrap();
        assert!(child.wait().unwrap().success());
        fcntl(&from, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let mut buffer = [0; 256];
        let length = read(&from, &mut buffer).unwrap();
        assert!(buffer[..length].ends_with(b"over\r\n"), "{:?}", String::from_utf8_lossy(&buffer[..length]));
    }
}
