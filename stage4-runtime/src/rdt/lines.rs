//! Lines of `schemata`, and what is written when.
//!
//! No kernel calls; config-linux.md, "IntelRdt". Book: "Cache" (`rdt`).
//! Invariant: pure; of two lines for the memory bandwidth the one of `memBwSchema` counts.

use crate::config::linux::IntelRdt;

/// The texts to write, one after the other; none where nothing was asked for.
pub fn writes(asked: &IntelRdt) -> Vec<String> {
    let cache = asked.l3_cache_schema.iter().flat_map(|schema| schema.lines());
    let cache = cache.filter(|line| asked.mem_bw_schema.is_none() || !line.starts_with("MB:"));
    let first: Vec<&str> = cache.chain(asked.mem_bw_schema.as_deref()).collect();
    let last: Vec<&str> = asked.schemata.iter().map(String::as_str).collect();
    let text = |lines: Vec<&str>| (!lines.is_empty()).then(|| format!("{}\n", lines.join("\n")));
    [text(first), text(last)].into_iter().flatten().collect()
}

/// All their lines.
pub fn wanted(asked: &IntelRdt) -> Vec<String> {
    writes(asked).iter().flat_map(|text| text.lines().map(str::to_owned)).collect()
}

/// The first of `wanted` that `present`, the text of a `schemata`, has otherwise or not at all.
pub fn first_other<'a>(wanted: &'a [String], present: &str) -> Option<&'a String> {
    let present: Vec<_> = present.lines().map(read).collect();
    wanted.iter().find(|line| {
        let (resource, entries) = read(line);
        // A line may name some of the caches: those are compared.
        !present
            .iter()
            .any(|(name, all)| *name == resource && entries.iter().all(|entry| all.contains(entry)))
    })
}

/// `L3:0=7f;1=7f` without its blanks and leading zeroes, which the kernel writes and people do not.
fn read(line: &str) -> (String, Vec<(String, String)>) {
    let (resource, entries) = line.split_once(':').unwrap_or((line, ""));
    let entry = |entry: &str| {
        let (cache, mask) = entry.split_once('=').unwrap_or((entry, ""));
        let mask = mask.trim().trim_start_matches('0').to_ascii_lowercase();
        (cache.trim().to_owned(), mask)
    };
    (resource.trim().to_owned(), entries.split(';').map(entry).collect())
}

/// The mount point of the first resctrl of a mountinfo, proc_pid_mountinfo(5).
pub fn mount_point(mountinfo: &str) -> Option<&str> {
    mountinfo.lines().find_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        back.starts_with("resctrl ").then(|| front.split(' ').nth(4)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(l3: Option<&str>, mb: Option<&str>, schemata: &[&str]) -> IntelRdt {
        IntelRdt {
            l3_cache_schema: l3.map(Into::into),
            mem_bw_schema: mb.map(Into::into),
            schemata: schemata.iter().map(|line| (*line).to_owned()).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn rdt_schemata_are_written_last_and_one_bandwidth_counts() {
        assert!(writes(&asked(None, None, &[])).is_empty());
        assert_eq!(writes(&asked(Some("L3:0=f\nMB:0=10"), None, &[])), ["L3:0=f\nMB:0=10\n"]);
        assert_eq!(writes(&asked(Some("L3:0=f\nMB:0=10"), Some("MB:0=20"), &[])), ["L3:0=f\nMB:0=20\n"]);
        assert_eq!(
            writes(&asked(Some("L3:0=f"), None, &["L2:0=1", "MB:0=5"])),
            ["L3:0=f\n", "L2:0=1\nMB:0=5\n"]
        );
    }

    #[test]
    fn rdt_a_class_is_the_same_whatever_the_kernel_pads_it_with() {
        let present = "    MB:0=100;1= 70\n    L3:0=007f0;1=0001f\n";
        let same = |line: &str| first_other(&[line.to_owned()], present).is_none();
        assert!(same("L3:0=7f0;1=1f") && same("L3:1=1F") && same("MB:1=70"));
        assert!(!same("L3:0=7f1") && !same("L2:0=7f0") && !same("MB:2=10"));
    }

    #[test]
    fn rdt_is_found_where_it_is_mounted() {
        let line = "40 24 0:36 / /sys/fs/resctrl rw,relatime shared:9 - resctrl resctrl rw\n";
        assert_eq!(mount_point(line), Some("/sys/fs/resctrl"));
        assert_eq!(mount_point("24 1 0:1 / /resctrl rw - tmpfs resctrl rw\n"), None);
    }
}
