//! What is asked of cache and memory bandwidth of Intel's.
//!
//! No kernel calls; resctrl 2016; config-linux.md, "IntelRdt". Book: `config`.
//! Invariant: pure; a class leads to one directory of resctrl, a schema is one line.

use super::{Findings, text};
use crate::config::fault::At;
use crate::config::linux::IntelRdt;

const RULE: &str = "config-linux.md, IntelRdt";

pub(super) fn check(rdt: &IntelRdt, at: At<'_>, found: &mut Findings) {
    if let Some(class) = &rdt.clos_id {
        clos(class, at.key("closID"), found);
    }
    if let Some(schema) = &rdt.l3_cache_schema {
        if !schema.starts_with("L3:") {
            found.warn(&at.key("l3CacheSchema"), format!("{schema:?} does not begin with L3:"), RULE);
        }
        text::line(schema, &at.key("l3CacheSchema"), RULE, found);
    }
    if let Some(schema) = &rdt.mem_bw_schema {
        if !schema.starts_with("MB:") {
            found.refuse(&at.key("memBwSchema"), format!("{schema:?} does not begin with MB:"), RULE);
        }
        text::line(schema, &at.key("memBwSchema"), RULE, found);
    }
    let schemata = at.key("schemata");
    for (number, schema) in rdt.schemata.iter().enumerate() {
        text::line(schema, &schemata.index(number), RULE, found);
    }
    for (name, given) in [("enableCMT", rdt.enable_cmt), ("enableMBM", rdt.enable_mbm)] {
        if given.is_some() {
            found.warn(&at.key(name), "is ignored; enableMonitoring took its place in version 1.3", RULE);
        }
    }
}

fn clos(class: &str, at: At<'_>, found: &mut Findings) {
    match class {
        "/" => {}
        "" | "." | ".." => found.refuse(&at, format!("{class:?} is no name of a directory"), RULE),
        "info" | "mon_groups" | "mon_data" => {
            found.refuse(&at, format!("{class:?} is a directory of the kernel's"), "resctrl.rst");
        }
        _ if class.contains('/') => found.refuse(&at, format!("{class:?} is not one name, and not /"), RULE),
        _ => text::line(class, &at, RULE, found),
    }
}
