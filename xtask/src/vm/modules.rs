//! Which kernel modules a machine takes along.
//!
//! The kernel itself asks for them by alias, through modprobe(8), when first used. Book: "How it is tested".
//! Invariant: a module comes with all that it depends on; one that is built in is not listed and not missed.

use std::collections::BTreeSet;

/// What the stages and their tests make: devices of the network, layers, images, schedulers with groups.
const WANTED: [&str; 23] = [
    "overlay",
    "veth",
    "bridge",
    "dummy",
    "macvlan",
    "ipvlan",
    "tun",
    "loop",
    "bfq",
    "br_netfilter",
    "zram",
    "lzo_rle", // what zram compresses with
    // What iptables(8) asks for on behalf of podman's bridges.
    "nf_tables",
    "nft_chain_nat",
    "nft_compat",
    "xt_MASQUERADE",
    "xt_addrtype",
    "xt_comment",
    "xt_conntrack",
    "xt_mark",
    "xt_multiport",
    "xt_nat",
    "xt_tcpudp",
];

/// The modules to take along, with the two lists that modprobe reads.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Their files below the directory of modules.
    pub files: BTreeSet<String>,
    /// modules.dep of these.
    pub dependencies: String,
    /// modules.alias of these.
    pub aliases: String,
}

/// The wanted ones among `dependencies` (modules.dep) and what they lean on, with their `aliases`.
pub(super) fn choose(dependencies: &str, aliases: &str) -> Chosen {
    let mut chosen = Chosen { files: BTreeSet::new(), dependencies: String::new(), aliases: String::new() };
    // Each line of modules.dep names everything a module needs, directly or not.
    for line in dependencies.lines().filter(|line| WANTED.contains(&name(line).as_str())) {
        let files = line.split([':', ' ']).filter(|file| !file.is_empty());
        chosen.files.extend(files.map(str::to_owned));
    }
    for line in dependencies.lines().filter(|line| chosen.files.contains(file(line))) {
        let (own, others) = line.split_once(':').unwrap_or((line, ""));
        let others: Vec<_> = others.split_whitespace().map(plain).collect();
        chosen.dependencies += &format!("{}: {}\n", plain(own), others.join(" "));
    }
    let names: BTreeSet<_> = chosen.files.iter().map(|file| name(file)).collect();
    let of_these = |line: &&str| line.rsplit(' ').next().is_some_and(|module| names.contains(module));
    chosen.aliases = aliases.lines().filter(of_these).map(|line| format!("{line}\n")).collect();
    chosen
}

/// The file as it is in the machine: not compressed.
pub(super) fn plain(file: &str) -> &str {
    file.rsplit_once(".ko").map_or(file, |(stem, _)| &file[..stem.len() + ".ko".len()])
}

fn file(line: &str) -> &str {
    line.split(':').next().unwrap_or(line)
}

/// As the kernel calls it: some files are named with a hyphen.
fn name(line: &str) -> String {
    let file = plain(file(line));
    file.rsplit('/').next().unwrap_or(file).trim_end_matches(".ko").replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "kernel/a/stp.ko.xz: kernel/a/llc.ko.xz\nkernel/a/llc.ko.xz:\n\
        kernel/net/bridge.ko.xz: kernel/a/stp.ko.xz kernel/a/llc.ko.xz\nkernel/sound/snd.ko.xz:\n";

    #[test]
    fn a_module_comes_with_all_it_depends_on_and_no_other() {
        let chosen = choose(DEPENDENCIES, "alias rtnl-link-bridge bridge\nalias snd-card snd\n");
        let expected = ["kernel/a/llc.ko.xz", "kernel/a/stp.ko.xz", "kernel/net/bridge.ko.xz"];
        assert_eq!(chosen.files.iter().collect::<Vec<_>>(), expected);
        assert_eq!(chosen.aliases, "alias rtnl-link-bridge bridge\n");
        assert!(chosen.dependencies.contains("kernel/net/bridge.ko: kernel/a/stp.ko kernel/a/llc.ko\n"));
        assert!(!chosen.dependencies.contains(".xz") && !chosen.dependencies.contains("snd"));
    }
}
