//! The options of a mount, sorted by who they are for: the mount, its superblock, us, or the file system.
//!
//! No kernel calls; mount(8), mount_setattr(2); config.md, "Linux mount options". Book: "Mounts" (`mounts`).
//! Invariant: pure; of two options that contradict each other the later one counts, as in mount(8).

pub use super::attributes::Attributes;
use crate::plan::root::Spread;
use serde::Serialize;

/// All words that are no file system's own, in the order of the alphabet.
pub const KNOWN: &[&str] = &[
    "acl",
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noacl",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];

/// An option of a file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Datum {
    /// Its name.
    pub key: String,
    /// Behind the `=`.
    pub value: Option<String>,
}

/// All options of one mount.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// For the mount itself.
    pub top: Attributes,
    /// For it and all below it.
    pub all: Attributes,
    /// In the order in which they are applied.
    pub propagation: Vec<Spread>,
    /// For the superblock: `sync`, `dirsync`, `mand`, `lazytime`, their opposites, `ro`; by the name fsconfig(2) knows.
    pub superblock: Vec<&'static str>,
    /// What only mount(2) can say: MS_I_VERSION, MS_POSIXACL, MS_SILENT.
    pub legacy: u64,
    /// `bind`, `rbind`
    pub bind: bool,
    /// `rbind`
    pub deep: bool,
    /// `remount`
    pub remount: bool,
    /// `tmpcopyup`
    pub copy_up: bool,
    /// `idmap`, `ridmap`
    pub mapped: bool,
    /// `ridmap`
    pub mapped_deep: bool,
    /// Whatever nobody else knows is for the file system.
    pub data: Vec<Datum>,
}

impl Options {
    /// Sorts them.
    pub fn of(list: &[String]) -> Self {
        let mut options = Options::default();
        list.iter().for_each(|word| options.add(word));
        options
    }

    fn add(&mut self, word: &str) {
        let recursive = word.strip_prefix('r').and_then(Attributes::named);
        match (Attributes::named(word), recursive, Spread::named(word)) {
            (Some(attributes), ..) => {
                self.top = attributes.after(self.top);
                self.superblock_follows(word);
            }
            (_, Some(attributes), _) => {
                self.all = attributes.after(self.all);
                // Said later, it counts for the topmost mount, too.
                self.top = Attributes {
                    set: self.top.set & !attributes.clear,
                    clear: self.top.clear & !attributes.set,
                };
            }
            (_, _, Some(spread)) => self.propagation.push(spread),
            _ => self.add_other(word),
        }
    }

    fn superblock_follows(&mut self, word: &str) {
        match word {
            "ro" => self.set_superblock("ro", "rw"),
            "rw" => self.superblock.retain(|other| *other != "ro"),
            _ => (),
        }
    }

    fn add_other(&mut self, word: &str) {
        match word {
            "bind" => self.bind = true,
            "rbind" => (self.bind, self.deep) = (true, true),
            "remount" => self.remount = true,
            "tmpcopyup" => self.copy_up = true,
            "idmap" => self.mapped = true,
            "ridmap" => (self.mapped, self.mapped_deep) = (true, true),
            "sync" => self.set_superblock("sync", "async"),
            "async" => self.set_superblock("async", "sync"),
            "dirsync" => self.set_superblock("dirsync", ""),
            "mand" => self.set_superblock("mand", "nomand"),
            "nomand" => self.set_superblock("nomand", "mand"),
            "lazytime" => self.set_superblock("lazytime", "nolazytime"),
            "nolazytime" => self.set_superblock("nolazytime", "lazytime"),
            "iversion" => self.legacy |= libc::MS_I_VERSION,
            "noiversion" => self.legacy &= !libc::MS_I_VERSION,
            "acl" => self.legacy |= libc::MS_POSIXACL,
            "noacl" => self.legacy &= !libc::MS_POSIXACL,
            "silent" => self.legacy |= libc::MS_SILENT,
            "loud" => self.legacy &= !libc::MS_SILENT,
            _ if is_for_programs(word) => (),
            _ => self.data.push(datum(word)),
        }
    }

    fn set_superblock(&mut self, name: &'static str, opposite: &str) {
        self.superblock.retain(|other| *other != opposite && *other != name);
        self.superblock.push(name);
    }
}

/// mount(8), "Filesystem-independent mount options": said to programs, not to the kernel.
fn is_for_programs(word: &str) -> bool {
    let prefixed = ["x-", "X-", "comment="].iter().any(|prefix| word.starts_with(prefix));
    let known =
        ["defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "_netdev"];
    prefixed || known.contains(&word)
}

fn datum(word: &str) -> Datum {
    match word.split_once('=') {
        Some((key, value)) => Datum { key: key.to_owned(), value: Some(value.to_owned()) },
        None => Datum { key: word.to_owned(), value: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stage2_namespaces::mount::Propagation;

    fn options(words: &[&str]) -> Options {
        Options::of(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_that_are_told_to_callers_are_no_file_systems() {
        for word in KNOWN {
            assert_eq!(Options::of(&[(*word).to_owned()]).data, [], "{word}");
        }
        assert!(KNOWN.is_sorted());
    }

    #[test]
    fn mounts_options_of_the_specification_all_have_their_place() {
        let words = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev \
            nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime \
            rbind rdev rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime \
            rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid \
            rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable idmap \
            ridmap acl noacl";
        for word in words.split_whitespace() {
            assert_eq!(options(&[word]).data, [], "{word}");
        }
        assert_eq!(options(&["x-systemd.automount", "nofail", "comment=a"]), Options::default());
    }

    #[test]
    fn mounts_options_said_later_count() {
        use libc::{MOUNT_ATTR__ATIME as ATIME, MOUNT_ATTR_NOATIME as NOATIME, MOUNT_ATTR_RDONLY as RDONLY};
        assert_eq!(options(&["ro", "rw"]).top, Attributes { set: 0, clear: RDONLY });
        assert_eq!(options(&["ro", "rw"]).superblock, [""; 0]);
        assert_eq!(options(&["rw", "ro"]).top.set, RDONLY);
        assert_eq!(options(&["strictatime", "noatime"]).top, Attributes { set: NOATIME, clear: ATIME });
        assert_eq!(options(&["noatime", "relatime"]).top, Attributes { set: 0, clear: ATIME });
        assert_eq!(options(&["sync", "async", "mand", "nomand"]).superblock, ["async", "nomand"]);
        let both = options(&["ro", "rrw"]);
        assert_eq!((both.top, both.all), (Attributes::default(), Attributes::off(RDONLY)));
        assert_eq!(options(&["rro", "rw"]).top.after(options(&["rro"]).all), Attributes::off(RDONLY));
    }

    #[test]
    fn mounts_options_that_nobody_knows_are_for_the_file_system() {
        let data = options(&["size=64k", "newinstance", "lowerdir=/a=b:/c", "nosuid"]).data;
        let pairs: Vec<_> = data.iter().map(|one| (one.key.as_str(), one.value.as_deref())).collect();
        assert_eq!(pairs, [("size", Some("64k")), ("newinstance", None), ("lowerdir", Some("/a=b:/c"))]);
    }

    #[test]
    fn mounts_options_keep_the_order_of_propagation() {
        let kinds: Vec<_> = options(&["rslave", "shared"]).propagation;
        assert_eq!(kinds[0], Spread::DEFAULT);
        assert_eq!(kinds[1], Spread { kind: Propagation::Shared, recursive: false });
    }
}
