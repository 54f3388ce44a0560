//! Links that become the container's, and classes of cache that this machine has not.

use crate::ground::{Claim, needs_root};
use stage2_namespaces::birth::{Child, birth};
use stage2_namespaces::net::address::{self, Prefix};
use stage2_namespaces::net::link;
use stage2_namespaces::net::name::LinkName;
use stage2_namespaces::net::socket::Socket;
use stage2_namespaces::nsfs::Namespace;
use stage2_namespaces::{Kind, Kinds};
use stage4_runtime::config::Linux;
use stage4_runtime::config::linux::IntelRdt;
use stage4_runtime::network_devices::{hand_over, take_back};
use stage4_runtime::rdt;

pub const CLAIMS: &[Claim] = &[
    ("network_devices_arrive_up_with_their_addresses", arrive),
    ("network_devices_of_a_template_get_a_number", template),
    ("network_devices_are_all_handed_over_or_none", all_or_none),
    ("network_devices_come_back_as_they_were", come_back),
    ("network_devices_leave_the_runtime_with_one_thread", one_thread),
    ("rdt_without_resctrl_is_refused", no_resctrl),
];

/// In a network namespace of our own, which plays the host, with two pairs of links, and the one of a container.
fn with_links(claim: impl FnOnce(&Socket, &Namespace)) {
    if !needs_root() {
        return;
    }
    let host = birth(Kinds::NONE.with(Kind::Net, true), None, |_| {
        let socket = Socket::open().unwrap();
        for (name, end, prefix) in [("hosta", "enda", "198.18.0.1/24"), ("hostb", "endb", "fd00:18::1/64")] {
            let name: LinkName = name.parse().unwrap();
            link::add_veth(&socket, &name, &end.parse().unwrap(), None).unwrap();
            let link = link::find(&socket, &name).unwrap();
            address::add(&socket, &link, prefix.parse::<Prefix>().unwrap()).unwrap();
            link::up(&socket, &link).unwrap();
        }
        let (stay, end) = nix::unistd::pipe().unwrap();
        let container: Child = birth(Kinds::NONE.with(Kind::Net, true), None, |_| {
            nix::unistd::alarm::set(20);
            nix::unistd::read(&stay, &mut [0]).unwrap();
            0
        })
        .unwrap();
        let there = Namespace::of(container.pid.as_raw(), Kind::Net).unwrap();
        claim(&socket, &there);
        nix::unistd::write(&end, b"!").unwrap();
        assert_eq!(container.wait().unwrap(), 0);
        0
    });
    assert_eq!(host.unwrap().wait().unwrap(), 0);
}

fn linux(devices: &str) -> Linux {
    serde_json::from_str(&format!(r#"{{"netDevices":{devices}}}"#)).unwrap()
}

/// Names that are up, and all addresses but those that the kernel made.
fn seen(socket: &Socket) -> (Vec<String>, Vec<String>) {
    let mut up: Vec<String> =
        link::list(socket).unwrap().into_iter().filter(|link| link.up).map(|link| link.name).collect();
    up.sort();
    let addresses = address::list(socket).unwrap().into_iter().map(|(_, prefix)| prefix.to_string());
    let mut addresses: Vec<String> = addresses
        .filter(|text| !text.starts_with("fe80") && !text.starts_with("127.") && text != "::1/128")
        .collect();
    addresses.sort();
    (up, addresses)
}

fn arrive() {
    with_links(|host, there| {
        hand_over(&linux(r#"{"hosta":{"name":"eth0"},"hostb":{}}"#), there).unwrap();
        let inside = Socket::open_in(there).unwrap();
        let (up, addresses) = seen(&inside);
        assert_eq!(up, ["eth0", "hostb"]);
        assert_eq!(addresses, ["198.18.0.1/24", "fd00:18::1/64"]);
        assert!(!link::list(host).unwrap().iter().any(|link| link.name.starts_with("host")));
    });
}

fn template() {
    with_links(|_, there| {
        hand_over(&linux(r#"{"hosta":{"name":"eth%d"},"hostb":{"name":"eth%d"}}"#), there).unwrap();
        assert_eq!(seen(&Socket::open_in(there).unwrap()).0, ["eth0", "eth1"]);
    });
}

fn all_or_none() {
    with_links(|host, there| {
        let before = seen(host);
        for (devices, word) in [
            (r#"{"hosta":{"name":"x0"},"hostb":{"name":"x0"}}"#, "EEXIST"),
            (r#"{"hosta":{},"nosuch":{}}"#, "ENODEV"),
            (r#"{"hosta":{},"lo":{"name":"lo1"}}"#, "EINVAL"),
        ] {
            let error = hand_over(&linux(devices), there).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
            assert!(error.hint().unwrap_or_default().contains("linux.netDevices"), "{error:?}");
            assert_eq!(seen(host), before, "{devices}");
        }
    });
}

fn come_back() {
    with_links(|host, there| {
        let before = seen(host);
        let moved = hand_over(&linux(r#"{"hosta":{"name":"eth0"},"hostb":{}}"#), there).unwrap();
        assert_ne!(seen(host), before);
        take_back(moved, there).unwrap();
        assert_eq!(seen(host), before);
    });
}

fn one_thread() {
    // A hook can be born right afterwards: the kernel makes no copy of a process that another thread is still leaving.
    with_links(|_, there| {
        for _ in 0..300 {
            let _socket = Socket::open_in(there).unwrap();
            assert_eq!(birth(Kinds::NONE, None, |_| 0).unwrap().wait().unwrap(), 0);
        }
    });
}

fn no_resctrl() {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    if mounts.contains(" - resctrl ") {
        return crate::ground::skip("resctrl is mounted here");
    }
    let error = rdt::join(&IntelRdt::default(), "stage4-test", 1).unwrap_err();
    assert!(error.to_string().contains("no resctrl is mounted"), "{error}");
}
