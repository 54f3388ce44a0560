//! The fewest calls of mount_setattr(2) that make a copied tree what is asked.
//!
//! No kernel calls; mount_setattr(2). Book: "Mounts" (`mounts`).
//! Invariant: pure; propagation is applied in its order, and what is said of the topmost mount after what is said of
//! all; the call for a mount alone is one.

use super::options::Attributes;
use super::{Mount, What};

/// One call of mount_setattr(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// With AT_RECURSIVE?
    pub deep: bool,
    /// What is switched on and off.
    pub attributes: Attributes,
    /// MS_PRIVATE and so on; 0 changes nothing.
    pub propagation: u64,
}

impl Mount {
    /// What a bind mount is changed by before it is attached.
    pub fn changes(&self) -> Vec<Change> {
        let tree = matches!(&self.what, What::Bind(bind) if bind.deep);
        let spreads = self.propagation.iter().map(|one| Change {
            deep: tree && one.recursive,
            propagation: one.flag(),
            ..Change::default()
        });
        let mut changes: Vec<Change> = spreads.collect();
        if tree {
            let first = join(&mut changes, 0, true, self.all);
            join(&mut changes, first, false, self.top);
        } else {
            join(&mut changes, 0, false, self.top.after(self.all));
        }
        changes
    }
}

/// Puts `attributes` into the first call of that depth from `from` on, or into one of their own; where the next may be.
fn join(changes: &mut Vec<Change>, from: usize, deep: bool, attributes: Attributes) -> usize {
    if attributes.is_empty() {
        return from;
    }
    match (from..changes.len()).find(|place| changes[*place].deep == deep) {
        Some(place) => {
            changes[place].attributes = attributes;
            place
        }
        None => {
            changes.push(Change { deep, attributes, propagation: 0 });
            changes.len() - 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::mounts::Bind;
    use crate::plan::mounts::options::Options;

    fn changes(deep: bool, words: &str) -> Vec<Change> {
        let options = Options::of(&words.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let what = What::Bind(Bind { source: "/".into(), deep, users: None });
        let (top, all, propagation) = (options.top, options.all, options.propagation);
        Mount { index: 0, target: "x".into(), what, top, all, propagation }.changes()
    }

    #[test]
    fn mounts_alone_are_changed_by_one_call() {
        for words in ["ro rro nosuid private", "rnosuid nodev rslave", "ro"] {
            assert_eq!(changes(false, words).len(), 1, "{words}");
        }
        let one = changes(false, "rro rw rprivate")[0];
        assert_eq!((one.deep, one.attributes.set, one.propagation), (false, 0, libc::MS_PRIVATE));
    }

    #[test]
    fn mounts_with_others_below_are_changed_by_as_many_calls_as_it_takes() {
        let shape = |words| {
            changes(true, words)
                .iter()
                .map(|one| (one.deep, one.attributes.set != 0, one.propagation))
                .collect::<Vec<_>>()
        };
        use libc::{MS_PRIVATE, MS_SHARED, MS_SLAVE};
        assert_eq!(shape("rslave rro"), [(true, true, MS_SLAVE)]);
        assert_eq!(shape("rprivate ro"), [(true, false, MS_PRIVATE), (false, true, 0)]);
        assert_eq!(shape("rslave shared ro rnosuid"), [(true, true, MS_SLAVE), (false, true, MS_SHARED)]);
        assert_eq!(shape("private rro ro"), [(false, false, MS_PRIVATE), (true, true, 0), (false, true, 0)]);
    }
}
