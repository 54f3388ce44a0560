//! What a group used over time, and the moments when something happened.
//!
//! Reads the files of `usage` again and again. Book: "Pictures" (`plot`).
//! Invariant: a recording is a table of numbers; everything drawn is drawn from it alone.

use crate::events::{Event, Watcher};
use crate::group::Group;
use crate::limits::Limit;
use crate::usage::Usage;
use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The numbers of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// Milliseconds since the beginning.
    pub at: u64,
    /// Bytes.
    pub memory: Option<u64>,
    /// Their limit.
    pub memory_max: Option<u64>,
    /// Microseconds of processor time so far.
    pub cpu: Option<u64>,
    /// Thousandths of a processor that are allowed.
    pub cpu_max: Option<u64>,
    /// Tasks.
    pub pids: Option<u64>,
    /// Their limit.
    pub pids_max: Option<u64>,
    /// So far: kills for want of memory.
    pub oom_kills: Option<u64>,
    /// So far: throttled periods.
    pub throttled: Option<u64>,
    /// So far: refused forks.
    pub refused: Option<u64>,
}

/// Samples in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recording {
    /// At least one.
    pub samples: Vec<Sample>,
}

const COLUMNS: [&str; 10] = [
    "ms",
    "memory",
    "memory_max",
    "cpu_us",
    "cpu_max",
    "pids",
    "pids_max",
    "oom_kills",
    "throttled",
    "refused",
];

impl Sample {
    fn of(at: u64, usage: &Usage) -> Self {
        let quota = |(limit, period): (Limit, u64)| limit.number().map(|quota| quota * 1000 / period.max(1));
        Sample {
            at,
            memory: usage.memory,
            memory_max: usage.memory_max.and_then(Limit::number),
            cpu: usage.cpu,
            cpu_max: usage.cpu_max.and_then(quota),
            pids: usage.pids,
            pids_max: usage.pids_max.and_then(Limit::number),
            oom_kills: usage.oom_kills,
            throttled: usage.throttled,
            refused: usage.pids_refused,
        }
    }

    fn fields(&self) -> [Option<u64>; 10] {
        [
            Some(self.at),
            self.memory,
            self.memory_max,
            self.cpu,
            self.cpu_max,
            self.pids,
            self.pids_max,
            self.oom_kills,
            self.throttled,
            self.refused,
        ]
    }

    fn from_fields(fields: [Option<u64>; 10]) -> Option<Self> {
        let [at, memory, memory_max, cpu, cpu_max, pids, pids_max, oom_kills, throttled, refused] = fields;
        Some(Sample {
            at: at?,
            memory,
            memory_max,
            cpu,
            cpu_max,
            pids,
            pids_max,
            oom_kills,
            throttled,
            refused,
        })
    }
}

impl Recording {
    // ANCHOR: plot
    /// Records `group` every `interval`, and at once when something happens, until `done`.
    pub fn take(group: &Group, interval: Duration, done: &AtomicBool) -> Result<Recording> {
        let begun = Instant::now();
        let mut watcher = Watcher::new(group)?;
        let mut recording = Recording::default();
        loop {
            // Asked first: what happened before the end is in the last sample.
            let last = done.load(Ordering::Acquire);
            let at = begun.elapsed().as_millis() as u64;
            recording.samples.push(Sample::of(at, &group.usage()?));
            if last {
                return Ok(recording);
            }
            watcher.wait(interval)?;
        }
    }
    // ANCHOR_END: plot

    /// The moments: milliseconds and what happened.
    pub fn moments(&self) -> Vec<(u64, Event)> {
        let more =
            |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?)).filter(|more| *more > 0);
        let mut moments = Vec::new();
        for pair in self.samples.windows(2) {
            let (then, now) = (pair[0], pair[1]);
            let happened = [
                more(now.throttled, then.throttled).map(Event::Throttled),
                more(now.refused, then.refused).map(Event::ForkRefused),
                more(now.oom_kills, then.oom_kills).map(Event::OomKill),
            ];
            moments.extend(happened.into_iter().flatten().map(|event| (now.at, event)));
        }
        moments
    }

    /// As a table, parted by tabs; what there is no number for is `-`.
    pub fn to_table(&self) -> String {
        let cell = |field: &Option<u64>| field.map_or("-".to_owned(), |number| number.to_string());
        let row = |sample: &Sample| sample.fields().iter().map(cell).collect::<Vec<_>>().join("\t") + "\n";
        self.samples.iter().fold(COLUMNS.join("\t") + "\n", |table, sample| table + &row(sample))
    }

    /// From such a table.
    pub fn from_table(text: &str) -> Result<Recording> {
        let mut lines = text.lines();
        if lines.next() != Some(&COLUMNS.join("\t")) {
            return Err(Error::refused("this is no recording: its first line does not name the columns")
                .with_hint("`run --plot FILE.svg` writes one to FILE.tsv"));
        }
        let broken =
            |number: usize| Error::refused(format!("line {} of the recording is broken", number + 2));
        let samples = lines.enumerate().map(|(number, line)| parse_row(line).ok_or_else(|| broken(number)));
        let recording = Recording { samples: samples.collect::<Result<_>>()? };
        let sorted = recording.samples.windows(2).all(|pair| pair[0].at <= pair[1].at);
        match recording.samples.is_empty() || !sorted {
            true => Err(Error::refused("a recording has one line at least, and time goes forwards in it")),
            false => Ok(recording),
        }
    }
}

fn parse_row(line: &str) -> Option<Sample> {
    let cell = |text: &str| if text == "-" { Some(None) } else { text.parse().ok().map(Some) };
    let fields: Vec<Option<u64>> = line.split('\t').map(cell).collect::<Option<_>>()?;
    Sample::from_fields(fields.try_into().ok()?)
}
