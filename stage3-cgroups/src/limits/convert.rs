//! What the two versions write differently, and by which formula one becomes the other.
//!
//! kernel/sched/sched.h, block/bfq-cgroup.c. Book: "The same request twice" (`conversions`).
//! Invariant: pure; the default of one version becomes the default of the other.

/// Microseconds over which processor time is counted unless somebody says otherwise: kernel/sched/core.c,
/// `default_cfs_period()`.
pub const PERIOD: u64 = 100_000;

// ANCHOR: conversions
/// `cpu.weight` (1 to 10000, 100 is everybody's) as `cpu.shares` (2 to 262144, 1024 is everybody's).
///
/// The kernel's own rule: `sched_weight_from_cgroup()` in kernel/sched/sched.h, rounded to the nearest. Runtimes had
/// another one, `1 + (shares - 2) * 9999 / 262142`, which maps ends to ends and the default 1024 to 39.
pub fn shares_from_weight(weight: u64) -> u64 {
    ((weight * 1024 + 50) / 100).clamp(2, 262_144)
}

/// The way back: `sched_weight_to_cgroup()`.
pub fn weight_from_shares(shares: u64) -> u64 {
    ((shares * 100 + 512) / 1024).clamp(1, 10_000)
}
// ANCHOR_END: conversions

/// The greatest `blkio.bfq.weight`: `BFQ_MAX_WEIGHT` in block/bfq-iosched.h. Its default is 100, as that of `io.weight`,
/// so that the numbers mean the same.
pub const BFQ_MOST: u64 = 1000;

/// Version 1 limits memory and swap together (`memory.memsw`), version 2 swap alone.
pub fn memsw(memory: u64, swap: u64) -> u64 {
    memory.saturating_add(swap)
}

/// The swap alone that `memory.memsw` leaves; none where it is the smaller one, which the kernel does not allow.
pub fn swap_from_memsw(memory: u64, memsw: u64) -> Option<u64> {
    memsw.checked_sub(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_keep_defaults_ends_and_order() {
        assert_eq!((shares_from_weight(100), weight_from_shares(1024)), (1024, 100));
        assert_eq!((shares_from_weight(1), shares_from_weight(10_000)), (10, 102_400));
        assert_eq!((weight_from_shares(2), weight_from_shares(262_144)), (1, 10_000));
        for weight in 1..=10_000 {
            assert_eq!(weight_from_shares(shares_from_weight(weight)), weight);
            assert!(shares_from_weight(weight) < shares_from_weight(weight + 1));
        }
    }

    #[test]
    fn conversions_of_swap_add_and_take_away_memory() {
        assert_eq!(memsw(100, 0), 100);
        assert_eq!(memsw(u64::MAX, 1), u64::MAX);
        assert_eq!((swap_from_memsw(100, 130), swap_from_memsw(100, 99)), (Some(30), None));
    }
}
