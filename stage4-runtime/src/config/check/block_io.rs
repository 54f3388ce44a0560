//! What is asked of limits of disks.
//!
//! No kernel calls; blkio-controller.rst; config-linux.md, "Block IO". Book: `config`.
//! Invariant: pure.

use super::{Findings, devices};
use crate::config::block_io::BlockIo;
use crate::config::fault::At;

const RULE: &str = "config-linux.md, Block IO";

pub(super) fn check(io: &BlockIo, at: At<'_>, found: &mut Findings) {
    weight(io.weight, &at.key("weight"), found);
    weight(io.leaf_weight, &at.key("leafWeight"), found);
    let disks = at.key("weightDevice");
    for (number, disk) in io.weight_device.iter().enumerate() {
        let at = disks.index(number);
        devices::numbers(disk.major, disk.minor, at, found);
        weight(disk.weight, &at.key("weight"), found);
        weight(disk.leaf_weight, &at.key("leafWeight"), found);
        if disk.weight.is_none() && disk.leaf_weight.is_none() {
            found.refuse(&at, "has neither weight nor leafWeight", RULE);
        }
    }
    for (name, disks) in io.throttles() {
        let at = at.key(name);
        for (number, disk) in disks.iter().enumerate() {
            devices::numbers(disk.major, disk.minor, at.index(number), found);
        }
    }
}

/// 0 is how engines write "as it is".
fn weight(weight: Option<u16>, at: &At<'_>, found: &mut Findings) {
    match weight {
        Some(weight) if weight != 0 && !(10..=1000).contains(&weight) => {
            found.refuse(at, format!("{weight} is not from 10 to 1000"), "blkio-controller.rst");
        }
        _ => {}
    }
}
