//! `/etc/ld.so.cache`: where ldconfig(8) saw each library.
//!
//! No kernel calls, bytes in and paths out; glibc 2.2 (2000), hwcaps extension 2.33 (2021). Book: `build`.
//! Invariant: every offset is checked; a cache that lies is a cache without entries.

use crate::elf::Target;
use object::elf;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
const NEW_MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;
const NEW_HEADER: usize = 48;
const NEW_ENTRY: usize = 24;
const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
const SECTION_HWCAPS: u32 = 1;

/// The libraries that ldconfig found, in its order; glibc's `sysdeps/generic/dl-cache.h`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Cache {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    flags: u32,
    name: Vec<u8>,
    path: PathBuf,
    /// The glibc-hwcaps subdirectory it was found in.
    hwcaps: Option<Vec<u8>>,
}

impl Cache {
    /// Reads the new format, alone or behind a table in the old one. `None`: the bytes are no such cache.
    pub fn parse(bytes: &[u8]) -> Option<Cache> {
        let start = new_format_at(bytes)?;
        let count = word(bytes, start + 20)? as usize;
        let extension = word(bytes, start + 32)? as usize;
        let hwcaps = if extension == 0 { Vec::new() } else { hwcaps(bytes, extension).unwrap_or_default() };
        let mut entries = Vec::new();
        for index in 0..count {
            let at = start + NEW_HEADER + index.checked_mul(NEW_ENTRY)?;
            let hwcap = (word(bytes, at + 16)?, word(bytes, at + 20)?);
            let hwcaps = match hwcap {
                (0, 0) => None,
                // DL_CACHE_HWCAP_EXTENSION; the ten bits below are an ISA level.
                (section, kind) if kind & !0x3ff == 1 << 30 => Some(hwcaps.get(section as usize)?.clone()),
                // The capabilities of before 2.33, which glibc no longer looks at since 2.37.
                _ => continue,
            };
            entries.push(Entry {
                flags: word(bytes, at)?,
                name: string(bytes, start + word(bytes, at + 4)? as usize)?.to_vec(),
                path: OsStr::from_bytes(string(bytes, start + word(bytes, at + 8)? as usize)?).into(),
                hwcaps,
            });
        }
        Some(Cache { entries })
    }

    /// The one file that ld.so would open for `name`: the best of `hwcaps` (best first), else the plain one.
    pub fn lookup(&self, name: &OsStr, target: Target, hwcaps: &[&str]) -> Option<&Path> {
        let rank = |entry: &Entry| match &entry.hwcaps {
            None => Some(hwcaps.len()),
            Some(level) => hwcaps.iter().position(|usable| usable.as_bytes() == level.as_slice()),
        };
        self.entries
            .iter()
            .filter(|entry| entry.name == name.as_bytes() && fits(entry.flags, target))
            .filter_map(|entry| Some((rank(entry)?, entry)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, entry)| entry.path.as_path())
    }

    /// How many libraries it lists.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it lists none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn new_format_at(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(NEW_MAGIC) {
        return Some(0);
    }
    let count = word(bytes.strip_prefix(OLD_MAGIC).map(|_| bytes)?, 12)? as usize;
    let start = OLD_HEADER.checked_add(count.checked_mul(OLD_ENTRY)?)?.next_multiple_of(8);
    bytes.get(start..)?.starts_with(NEW_MAGIC).then_some(start)
}

/// The names of glibc-hwcaps subdirectories. Here offsets count from the beginning of the file, not of the format.
fn hwcaps(bytes: &[u8], at: usize) -> Option<Vec<Vec<u8>>> {
    if word(bytes, at)? != EXTENSION_MAGIC {
        return None;
    }
    let sections = (0..word(bytes, at + 4)? as usize).map(|index| at + 8 + index * 16);
    let section =
        sections.take_while(|&s| s < bytes.len()).find(|&s| word(bytes, s) == Some(SECTION_HWCAPS))?;
    let (offset, size) = (word(bytes, section + 8)? as usize, word(bytes, section + 12)? as usize);
    (0..size / 4)
        .map(|index| Some(string(bytes, word(bytes, offset + index * 4)? as usize)?.to_vec()))
        .collect()
}

/// Whether an entry is for `target`: the ABI is in the second byte, 3 in the first says "ELF, libc 6".
fn fits(flags: u32, target: Target) -> bool {
    let abi = match (elf::Machine(target.machine), target.wide) {
        (elf::EM_386, _) => 0x0003,
        (elf::EM_X86_64, true) => 0x0303,
        (elf::EM_X86_64, false) => 0x0803,
        (elf::EM_S390, true) => 0x0403,
        (elf::EM_PPC64, true) => 0x0503,
        (elf::EM_AARCH64, true) => 0x0a03,
        // Elsewhere the ABI depends on flags of the file; the file itself is checked after this.
        _ => return true,
    };
    flags == abi
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn string(bytes: &[u8], at: usize) -> Option<&[u8]> {
    bytes.get(at..)?.split(|&byte| byte == 0).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86_64: Target = Target { machine: 62, wide: true, little: true };

    /// A cache as ldconfig writes it: (name, path, flags, hwcaps section or legacy bits).
    fn written(old_entries: Option<u32>, entries: &[(&str, &str, u32, u64)], hwcaps: &[&str]) -> Vec<u8> {
        let mut file = Vec::new();
        if let Some(count) = old_entries {
            file.extend(OLD_MAGIC);
            file.push(0);
            file.extend(count.to_ne_bytes());
            file.resize((OLD_HEADER + count as usize * OLD_ENTRY).next_multiple_of(8), 0xee);
        }
        let start = file.len();
        let (mut table, mut strings) = (Vec::new(), Vec::new());
        let base = NEW_HEADER + entries.len() * NEW_ENTRY;
        let mut put = |text: &str| {
            strings.extend(text.as_bytes());
            strings.push(0);
            (base + strings.len() - text.len() - 1) as u32
        };
        for (name, path, flags, hwcap) in entries {
            for field in [*flags, put(name), put(path), 0] {
                table.extend(field.to_ne_bytes());
            }
            table.extend(hwcap.to_ne_bytes());
        }
        let levels: Vec<u32> = hwcaps.iter().map(|level| start as u32 + put(level)).collect();
        let extension = (start + base + strings.len()).next_multiple_of(4) as u32;
        file.extend(NEW_MAGIC);
        for field in [entries.len() as u32, strings.len() as u32, 2, extension, 0, 0, 0] {
            file.extend(field.to_ne_bytes());
        }
        file.extend(table);
        file.extend(strings);
        file.resize(extension as usize, 0);
        for field in [EXTENSION_MAGIC, 1, SECTION_HWCAPS, 0, extension + 24, levels.len() as u32 * 4] {
            file.extend(field.to_ne_bytes());
        }
        levels.iter().for_each(|level| file.extend(level.to_ne_bytes()));
        file
    }

    const V3: u64 = (1 << 62) | 1;
    const V2: u64 = 1 << 62;

    fn sample(old_entries: Option<u32>) -> Vec<u8> {
        let entries = [
            ("libz.so.1", "/lib/i386/libz.so.1", 0x0003, 0),
            ("libz.so.1", "/lib/tls/libz.so.1", 0x0303, 1 << 63),
            ("libz.so.1", "/lib/glibc-hwcaps/x86-64-v2/libz.so.1", 0x0303, V2),
            ("libz.so.1", "/lib/glibc-hwcaps/x86-64-v3/libz.so.1", 0x0303, V3),
            ("libz.so.1", "/lib/libz.so.1", 0x0303, 0),
            ("libz.so.1", "/usr/lib/libz.so.1", 0x0303, 0),
        ];
        written(old_entries, &entries, &["x86-64-v2", "x86-64-v3"])
    }

    fn lookup<'a>(cache: &'a Cache, target: Target, hwcaps: &[&str]) -> &'a str {
        cache.lookup(OsStr::new("libz.so.1"), target, hwcaps).unwrap().to_str().unwrap()
    }

    #[test]
    fn build_takes_the_best_hwcaps_entry_that_the_cpu_can_run() {
        for old_entries in [None, Some(0), Some(3)] {
            let cache = Cache::parse(&sample(old_entries)).unwrap();
            assert_eq!(cache.len(), 5, "the legacy tls entry is not used");
            assert_eq!(
                lookup(&cache, X86_64, &["x86-64-v3", "x86-64-v2"]),
                "/lib/glibc-hwcaps/x86-64-v3/libz.so.1"
            );
            assert_eq!(lookup(&cache, X86_64, &["x86-64-v2"]), "/lib/glibc-hwcaps/x86-64-v2/libz.so.1");
            assert_eq!(lookup(&cache, X86_64, &[]), "/lib/libz.so.1");
        }
    }

    #[test]
    fn build_asks_the_cache_for_the_programs_own_abi() {
        let cache = Cache::parse(&sample(None)).unwrap();
        assert_eq!(
            lookup(&cache, Target { machine: 3, wide: false, little: true }, &[]),
            "/lib/i386/libz.so.1"
        );
        let aarch64 = Target { machine: 183, wide: true, little: true };
        assert_eq!(cache.lookup(OsStr::new("libz.so.1"), aarch64, &[]), None);
    }

    #[test]
    fn build_survives_a_cache_cut_off_anywhere() {
        let whole = sample(Some(3));
        for length in 0..whole.len() {
            if let Some(cache) = Cache::parse(&whole[..length]) {
                assert!(cache.len() <= 5);
            }
        }
        assert_eq!(Cache::parse(b"something else"), None);
    }
}
