//! Names, objects, networks and clocks that were the host's until a namespace made them one's own.
//!
//! sethostname(2), shmget(2), mq_open(3), connect(2), clock_gettime(2). Book: "The matrix".
//! Invariant: a name is set to what it is; connections go to the run's own listeners only.

use super::{Ground, Seen, any, errno, one};
use crate::sys;
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    sys::statvfs::statvfs,
    time::{ClockId, clock_gettime},
    unistd::{gethostname, sethostname},
};
use std::{
    ffi::CString,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as UnixAddress, UnixStream},
    },
    path::Path,
    time::Duration,
};

pub(super) fn hostname(ground: &Ground) -> Seen {
    match gethostname().and_then(sethostname) {
        Ok(()) => ground.by_namespace("uts", "sethostname(the same name) = 0"),
        Err(errno) => Seen::Contained(format!("sethostname: {errno:?}")),
    }
}

pub(super) fn objects(ground: &Ground) -> Seen {
    let key = ground.number("key").and_then(|key| i32::try_from(key).ok()).unwrap_or(i32::MAX);
    let name = CString::new(ground.word("queue")).unwrap_or_default();
    let there = |errno: &Errno| *errno == Errno::EACCES; // refused, but there
    let or_there =
        |tried: Result<(), Errno>| tried.or_else(|errno| if there(&errno) { Ok(()) } else { Err(errno) });
    any(vec![
        ("shmget(the canary's key)", or_there(sys::segment(key, false).map(drop))),
        ("mq_open(the canary's name)", or_there(sys::queue(&name, false).map(drop))),
    ])
}

pub(super) fn shared_memory(ground: &Ground) -> Seen {
    let path = Path::new("/dev/shm").join(ground.word("queue"));
    let size = statvfs("/dev/shm").map(|it| (it.blocks() * it.fragment_size()) >> 20).unwrap_or_default();
    match path.exists() {
        true => Seen::Leaks(format!("{} is here", path.display())),
        false => Seen::Contained(format!("{} is not here; /dev/shm has {size} MiB", path.display())),
    }
}

pub(super) fn addresses(ground: &Ground) -> Seen {
    let list: Vec<_> = match getifaddrs() {
        Ok(list) => list.filter_map(|one| Some(one.address?.as_sockaddr_in()?.ip())).collect(),
        Err(errno) => return Seen::Contained(format!("getifaddrs: {errno:?}")),
    };
    let canary: Option<Ipv4Addr> = ground.word("address4").parse().ok();
    match canary.is_some_and(|canary| list.contains(&canary)) {
        true => Seen::Leaks(format!("the host's address {} is here", ground.word("address4"))),
        false => Seen::Contained(format!("addresses here: {list:?}")),
    }
}

pub(super) fn loopback(ground: &Ground) -> Seen {
    let port = ground.number("port").and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let connected =
        TcpStream::connect_timeout(&address, Duration::from_secs(2)).map_err(|error| errno(&error));
    // Whoever may not bind because somebody has it already shares the ports.
    let bound = match TcpListener::bind(address) {
        Err(error) if errno(&error) == Errno::EADDRINUSE => Ok(()),
        Err(error) => Err(errno(&error)),
        Ok(_) => Err(Errno::ENOTCONN),
    };
    any(vec![("connect(127.0.0.1)", connected.map(drop)), ("bind: EADDRINUSE", bound)])
}

pub(super) fn abstract_socket(ground: &Ground) -> Seen {
    let tried =
        UnixAddress::from_abstract_name(ground.word("queue")).and_then(|it| UnixStream::connect_addr(&it));
    one("connect(abstract)", tried.map_err(|error| errno(&error)))
}

pub(super) fn raw_sockets(ground: &Ground) -> Seen {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    let seen = any(vec![
        ("SOCK_RAW", sys::socket(libc::AF_INET, kind, libc::IPPROTO_ICMP).map(drop)),
        ("AF_PACKET", sys::socket(libc::AF_PACKET, kind, 0).map(drop)),
        ("SIOCSIFFLAGS", sys::set_same_flags()),
    ]);
    match seen {
        Seen::Leaks(how) => ground.by_namespace("net", &how),
        other => other,
    }
}

pub(super) fn families(_: &Ground) -> Seen {
    let (stream, sequence) =
        (libc::SOCK_STREAM | libc::SOCK_CLOEXEC, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC);
    any(vec![
        ("AF_VSOCK", sys::socket(libc::AF_VSOCK, stream, 0)),
        ("AF_ALG", sys::socket(libc::AF_ALG, sequence, 0)),
    ])
}

pub(super) fn clock(ground: &Ground) -> Seen {
    if ground.is_hosts("time") && ground.word("time") == "none" {
        return Seen::Absent("this kernel has no time namespaces".into());
    }
    let seconds = clock_gettime(ClockId::CLOCK_BOOTTIME).map(|time| time.tv_sec()).unwrap_or_default();
    ground.by_namespace("time", &format!("booted {seconds} s ago"))
}

pub(super) fn wall_clock(_: &Ground) -> Seen {
    one("settimeofday(NULL, NULL)", sys::set_no_time())
}
