//! What is counted, and what the counts must say.
//!
//! No kernel calls. Book: "Whoever is faster" (`races`).
//! Invariant: a race that did not take place is a failure, as is one that was lost.

use crate::attacker::Attacker;
use std::sync::{Mutex, Once};

/// What became of one container, or process.
pub enum End {
    /// It was made; so many of its targets lie where the link leads inside, and the others in the directory.
    Made { linked: usize },
    /// An error was told.
    Refused,
    /// Something is where it must never be.
    Escaped(String),
}

/// How many make containers, or processes in one, at a time: each waits most of the time, for the kernel.
pub const HANDS: usize = 8;

/// The counts of one target.
pub struct Tally {
    name: &'static str,
    rounds: usize,
    begun: usize,
    idle: usize,
    exchanges: u64,
    linked: usize,
    made: usize,
    refused: usize,
    escapes: Vec<String>,
}

impl Tally {
    /// `count` containers of `each` targets, made by so many `hands` while `attacker` exchanges.
    pub fn race(
        (name, count, each): (&'static str, usize, usize),
        hands: usize,
        attacker: Attacker,
        one: impl Fn(usize) -> End + Sync,
    ) -> Self {
        let tally = Mutex::new(Tally {
            name,
            rounds: count * each,
            begun: 0,
            idle: 0,
            exchanges: 0,
            linked: 0,
            made: 0,
            refused: 0,
            escapes: Vec::new(),
        });
        let begin = || tally.lock().unwrap().begin(count);
        let work = || {
            while let Some(n) = begin() {
                let before = attacker.exchanges();
                let end = one(n);
                tally.lock().unwrap().count(end, attacker.exchanges() > before);
            }
        };
        std::thread::scope(|scope| (0..hands).for_each(|_| drop(scope.spawn(work))));
        let mut tally = tally.into_inner().unwrap();
        tally.exchanges = attacker.end();
        tally
    }

    /// The number of the next container, unless it was the last or something has escaped.
    fn begin(&mut self, count: usize) -> Option<usize> {
        assert!(self.idle < 50 + 3 * count, "{}: nothing was exchanged meanwhile", self.name);
        (self.begun < count && self.escapes.is_empty()).then(|| {
            self.begun += 1;
            self.begun - 1
        })
    }

    fn count(&mut self, end: End, attacked: bool) {
        match end {
            End::Escaped(how) => self.escapes.push(how),
            // On a machine that is busy he may sleep for as long as a container takes: that is no round.
            _ if !attacked => {
                self.idle += 1;
                self.begun -= 1;
            }
            End::Made { linked } => {
                self.made += 1;
                self.linked += linked;
            }
            End::Refused => self.refused += 1,
        }
    }

    /// Says it, beside what became of the naive way, and judges.
    pub fn tell(&self, naive: Option<Lost>) {
        static HEAD: Once = Once::new();
        HEAD.call_once(|| {
            let columns = "rounds  exchanges   linked   made refused escaped   naive: lost  of";
            println!("\n{:<26} {columns}", "");
        });
        let Tally { name, rounds, exchanges, linked, made, refused, .. } = self;
        let lost =
            naive.as_ref().map_or_else(|| "-".to_owned(), |lost| format!("{:>5} {:>5}", lost.lost, lost.of));
        let escaped = self.escapes.len();
        println!(
            "{name:<26} {rounds:>6} {exchanges:>10} {linked:>8} {made:>6} {refused:>7} {escaped:>7}         {lost}"
        );
        assert_eq!(self.escapes, Vec::<String>::new(), "{name}");
        assert!(*made > 0, "{name}: nothing was ever made");
        assert!(naive.is_none_or(|lost| lost.lost > 0), "{name}: the naive way has not lost either");
    }

    /// The link was met as well, and led to a place inside.
    pub fn met_the_link(self) -> Self {
        assert!(self.linked > 0 || !self.escapes.is_empty(), "{}: the link was never met", self.name);
        self
    }

    /// The link was met as well, and refused.
    pub fn refused_the_link(self) -> Self {
        assert!(self.refused > 0 || !self.escapes.is_empty(), "{}: the link was never met", self.name);
        self
    }
}

/// How often the naive way was led outside.
pub struct Lost {
    pub lost: usize,
    pub of: usize,
}
