//! Verbs that meet: whatever is asked of one container by many at once.
//!
//! mkdir(2), flock(2). Book: "Whoever is faster" (`races-verbs`).
//! Invariant: every answer is a success or an error that names its reason; nobody waits for ever.

use crate::arena::configure;
use crate::chance::Chance;
use crate::ground::Bench;
use crate::{alone, rounds};
use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex};
use std::time::Duration;

/// What is asked, and the only errors that it may be answered with.
struct Verb {
    words: &'static [&'static str],
    errors: &'static [&'static str],
}

const UNKNOWN: &str = "does not exist";
const HALF: &str = "is not whole";
const ENDED: &str = "container not running";
/// To an ordinary user, of one that is not started yet: it can no more be looked into than from inside (CVE-2016-9962).
const CLOSED: &str = "EACCES (Permission denied)";
const KILLED: &str = "has ended without a word";

// ANCHOR: races-verbs
const VERBS: [Verb; 7] = [
    Verb { words: &["create"], errors: &["already exists"] },
    Verb {
        words: &["start"],
        errors: &[UNKNOWN, HALF, "has stopped", "not in created state, but running", KILLED],
    },
    Verb { words: &["exec", "true"], errors: &[UNKNOWN, HALF, "exec in a stopped container", ENDED, CLOSED] },
    Verb { words: &["kill", "KILL"], errors: &[UNKNOWN, HALF, ENDED] },
    Verb { words: &["delete"], errors: &[UNKNOWN, HALF, "that is not stopped"] },
    Verb { words: &["delete", "--force"], errors: &[] },
    Verb { words: &["state"], errors: &[UNKNOWN, HALF] },
];
// ANCHOR_END: races-verbs

/// How often each answer was heard.
type Heard = BTreeMap<String, usize>;

impl Verb {
    /// A short name for the answer, if it is one that is allowed.
    fn answer(&self, (status, _, errors): &(i32, String, String)) -> Option<String> {
        let verb = self.words.join(" ");
        let known = self.errors.iter().find(|known| errors.contains(**known));
        match (status, known) {
            (0, _) => Some(format!("{verb}: done")),
            (1 | 255, Some(known)) => Some(format!("{verb}: {known}")),
            // Killed with the container.
            (137, _) if self.words[0] == "exec" => Some(format!("{verb}: killed")),
            _ => None,
        }
    }
}

#[test]
fn verbs_that_meet_get_answers_that_are_known() {
    let _alone = alone();
    let Some(bench) = Bench::for_anybody() else { return };
    let (id, each) = (bench.id(), (rounds() / 100).max(20));
    configure(&bench, "sleep 1000", |_| ());
    let (heard, barrier) = (Mutex::new(Heard::new()), Barrier::new(VERBS.len()));
    let mut chance = Chance::new();
    let odd: Vec<String> = std::thread::scope(|scope| {
        let all = VERBS.iter().map(|verb| {
            let mut chance = chance.another();
            let words = [&verb.words[..1], &[&id], &verb.words[1..]].concat();
            let (bench, heard, barrier) = (&bench, &heard, &barrier);
            let ask = move || {
                barrier.wait();
                std::thread::sleep(Duration::from_micros(chance.below(30_000)));
                let told = bench.call(&words);
                let answer = verb.answer(&told);
                answer
                    .iter()
                    .for_each(|answer| *heard.lock().unwrap().entry(answer.clone()).or_default() += 1);
                answer.is_none().then(|| format!("{words:?}: {told:?}"))
            };
            scope.spawn(move || std::iter::repeat_with(ask).take(each).flatten().collect::<Vec<_>>())
        });
        let all: Vec<_> = all.collect();
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    let heard = heard.into_inner().unwrap();
    heard.iter().for_each(|(answer, count)| println!("{count:>6} {answer}"));
    assert_eq!(odd, Vec::<String>::new(), "of {each} rounds");
    // Of few rounds not every verb need have come at its time.
    let verbs: &[&str] =
        if each < 200 { &["create"] } else { &["create", "start", "kill KILL", "delete", "state"] };
    for verb in verbs {
        assert!(heard.contains_key(&format!("{verb}: done")), "{verb} was never done");
    }
    bench.output(&["delete", "--force", &id]);
    bench.nothing_is_left();
}
