//! A line of numbers, cut into ranges with one value each.
//!
//! No kernel calls. Book: "System calls under a filter" (`seccomp`).
//! Invariant: every number from 0 to the last is in exactly one range.

/// What each number from 0 to `last` means.
#[derive(Debug, Clone)]
pub struct Ranges<T> {
    last: u64,
    /// Where each range begins, ascending, the first at 0.
    starts: Vec<(u64, T)>,
}

/// One range, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range<T> {
    pub from: u64,
    pub to: u64,
    pub value: T,
}

impl<T: Copy + PartialEq> Ranges<T> {
    /// All of them mean the same.
    pub fn new(last: u64, value: T) -> Self {
        Ranges { last, starts: vec![(0, value)] }
    }

    // ANCHOR: seccomp-ranges
    /// From now on the numbers from `from` to `to` mean `value`.
    pub fn set(&mut self, from: u64, to: u64, value: T) {
        let first = self.starts.partition_point(|(start, _)| *start < from);
        let behind = self.starts.partition_point(|(start, _)| *start <= to);
        // What the range around `to` meant goes on behind it, unless the next begins there.
        let next = self.starts.get(behind).map(|(start, _)| *start);
        let rest = (to < self.last && next != Some(to + 1)).then(|| (to + 1, self.starts[behind - 1].1));
        self.starts.splice(first..behind, std::iter::once((from, value)).chain(rest));
    }
    // ANCHOR_END: seccomp-ranges

    /// What `number` means.
    pub fn at(&self, number: u64) -> T {
        self.starts[self.starts.partition_point(|(start, _)| *start <= number) - 1].1
    }

    /// The ranges from the first to the last; neighbours differ.
    pub fn list(mut self) -> Vec<Range<T>> {
        self.starts.dedup_by(|next, before| next.1 == before.1);
        let ends = self.starts.iter().skip(1).map(|(start, _)| start - 1).chain([self.last]);
        self.starts.iter().zip(ends).map(|(&(from, value), to)| Range { from, to, value }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seccomp_ranges_mean_what_was_set_last() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for _ in 0..2000 {
            let mut plain = [0u64; 40];
            let mut ranges = Ranges::new(39, 0);
            for _ in 0..random(12) {
                let (a, b, value) = (random(40), random(40), random(4));
                let (from, to) = (a.min(b), a.max(b));
                plain[from as usize..=to as usize].fill(value);
                ranges.set(from, to, value);
            }
            assert!((0..40).all(|number| ranges.at(number) == plain[number as usize]));
            let list = ranges.list();
            assert!(list.windows(2).all(|two| two[0].to + 1 == two[1].from && two[0].value != two[1].value));
            assert_eq!((list[0].from, list[list.len() - 1].to), (0, 39));
            for Range { from, to, value } in list {
                assert!(plain[from as usize..=to as usize].iter().all(|x| *x == value));
            }
        }
    }
}
