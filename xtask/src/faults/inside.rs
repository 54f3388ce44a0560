//! The inner one, in a sandbox of its own: is asked by lines of JSON, tries a point, and says what was seen.
//!
//! prctl(PR_SET_CHILD_SUBREAPER). Book: "Every call that fails" (`faults`).
//! Invariant: the sandbox is as before when the next point is tried, whatever came of this one.

use super::{
    ground::Ground,
    names,
    play::{self, Seen},
    point::{Count, Outcome, Point, Verb, Verdict},
    tracer::Target,
    world::World,
};
use crate::Error;
use nix::sys::prctl::set_child_subreaper;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{Write, stdin, stdout},
    path::Path,
};

/// What is asked for, a line each.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Which calls a verb makes.
    Learn(Verb),
    Try(Point),
}

/// What is answered, a line each.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Learnt(Vec<Count>),
    Tried(Outcome),
    /// Without any fault it does not work here.
    Impossible(String),
}

struct Worker {
    ground: Ground,
    world: World,
    /// What comes of a verb where nothing is spoilt.
    usual: BTreeMap<Verb, String>,
}

pub(super) fn work(runtime: &Path) -> Result<(), Error> {
    set_child_subreaper(true)
        .map_err(|errno| Error::Failed(format!("prctl(PR_SET_CHILD_SUBREAPER): {errno}")))?;
    let ground = Ground::lay(runtime)?;
    let mut worker = Worker { ground, world: World::seen(), usual: BTreeMap::new() };
    for line in stdin().lines() {
        let ask = serde_json::from_str(&line?).map_err(|error| Error::Failed(error.to_string()))?;
        let answer = match ask {
            Ask::Learn(verb) => worker.learn(verb),
            Ask::Try(point) => worker.attempt(point).map(Answer::Tried),
        };
        let answer = answer.unwrap_or_else(|error| {
            worker.world.restore();
            Answer::Impossible(error.to_string())
        });
        let text = serde_json::to_string(&answer).map_err(|error| Error::Failed(error.to_string()))?;
        writeln!(stdout(), "{text}")?;
    }
    Ok(())
}

impl Worker {
    /// Twice, for what differs by itself cannot be compared; and once before, for what the first one ever makes for all.
    fn learn(&mut self, verb: Verb) -> Result<Answer, Error> {
        self.unspoilt(verb)?;
        self.world = World::seen();
        let first = self.unspoilt(verb)?;
        self.world = World::seen();
        let second = self.unspoilt(verb)?;
        self.world = World::seen();
        let (Some(facts), Some(again)) = (first.facts, second.facts) else {
            return Err(Error::Failed(format!("{} told nothing", verb.name())));
        };
        if facts != again {
            return Err(Error::Failed(format!("{}: {}", verb.name(), difference(&facts, &again))));
        }
        self.usual.insert(verb, facts);
        let counts = second.told.counts.into_iter();
        let counts =
            counts.map(|((process, number), times)| Count { process, call: names::name(number), times });
        Ok(Answer::Learnt(counts.filter(|count| names::can_fail(&count.call)).collect()))
    }

    fn unspoilt(&self, verb: Verb) -> Result<Seen, Error> {
        let seen = play::play(&self.ground, verb, None, &self.world);
        play::remove(&self.ground)?;
        self.world.changed(true);
        let seen = seen?;
        match (seen.told.status, seen.told.hung) {
            (0, false) => Ok(seen),
            (status, _) => Err(Error::Failed(format!("{}: status {status}: {}", verb.name(), seen.errors))),
        }
    }

    fn attempt(&mut self, point: Point) -> Result<Outcome, Error> {
        if !self.usual.contains_key(&point.verb) {
            self.learn(point.verb)?;
        }
        let target = Target {
            process: point.process,
            call: point.call.clone(),
            number: point.number,
            errno: point.fault.errno(),
        };
        let seen = play::play(&self.ground, point.verb, Some(target), &self.world);
        let seen = seen.inspect_err(|_| drop(play::remove(&self.ground)))?;
        let usual = self.usual.get(&point.verb).map(String::as_str).unwrap_or_default();
        let (mut verdict, mut told) = judged(&seen, usual);
        // Of these, an error leaves everything as if nobody had asked.
        let is_birth = matches!(point.verb, Verb::Run | Verb::Create);
        if is_birth && (verdict == Verdict::Clean || seen.told.status == 0 && point.verb == Verb::Run) {
            let changed = self.world.changed(false);
            if !changed.is_empty() {
                let stays = if seen.told.status == 0 { Verdict::Left } else { Verdict::Deleted };
                verdict = verdict.max(stays);
                told = format!("{told}; until delete --force: {}", changed.join("; "));
            }
        }
        if let Some(why) = play::remove(&self.ground)? {
            (verdict, told) = (verdict.max(Verdict::Hung), why);
        }
        let left = self.world.changed(true);
        if !left.is_empty() {
            (verdict, told) = (verdict.max(Verdict::Left), format!("{}; {told}", left.join("; ")));
            self.world.restore();
            self.world = World::seen();
        }
        Ok(Outcome { point, verdict, status: seen.told.status, told })
    }
}

fn judged(seen: &Seen, usual: &str) -> (Verdict, String) {
    let said = || seen.errors.lines().next().unwrap_or_default().to_owned();
    match (&seen.facts, seen.told.status) {
        _ if seen.told.hung => (Verdict::Hung, said()),
        (Some(facts), _) if facts != usual => (Verdict::Open, difference(usual, facts)),
        (None, 0) => (Verdict::Open, "it says that it did, and the program has told nothing".to_owned()),
        _ if !seen.told.hit => (Verdict::Missed, said()),
        (Some(_), 0) => (Verdict::Carried, said()),
        _ => (Verdict::Clean, said()),
    }
}

/// Where they differ first, by the names of what is compared.
fn difference(usual: &str, seen: &str) -> String {
    let parsed =
        [usual, seen].map(|text| serde_json::from_str::<Value>(text).unwrap_or_else(|_| text.into()));
    let mut lines = Vec::new();
    compare(String::new(), &parsed[0], &parsed[1], &mut lines);
    lines.join("; ")
}

fn compare(name: String, one: &Value, other: &Value, lines: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            for (key, value) in one {
                compare(format!("{name}.{key}"), value, other.get(key).unwrap_or(&Value::Null), lines);
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            one.iter()
                .filter(|line| !other.contains(line))
                .for_each(|line| lines.push(format!("{name}: no {line}")));
            other
                .iter()
                .filter(|line| !one.contains(line))
                .for_each(|line| lines.push(format!("{name}: {line}")));
        }
        _ if one != other => lines.push(format!("{name}: {other} instead of {one}")),
        _ => {}
    }
}
