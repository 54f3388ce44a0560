//! Files of the kernel's whose words others choose: names of mounts and of groups, and lists of subordinate ids.
//!
//! No kernel calls; proc_pid_mountinfo(5), cgroups(7), subuid(5). Book: "How this runtime is tested".
//! Invariant: a file is read or refused, whoever has named what is in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage2_namespaces::{mountinfo, subid};
use stage3_cgroups::layout::Layout;

fuzz_target!(|text: &str| {
    // The two files of a layout, parted by an empty line.
    let (mounts, groups) = text.split_once("\n\n").unwrap_or((text, ""));
    if let Ok(mounts) = mountinfo::parse(mounts) {
        drop(Layout::parse(&mounts, groups));
    }
    drop(subid::parse(text, Some("ada"), 1000));
});
