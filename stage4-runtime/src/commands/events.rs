//! `events`: what a container uses, again and again, and when somebody in it is killed for want of memory.
//!
//! memory.events, memory.oom_control, cpu.stat and the others. Book: "Resources" (`resources`).
//! Invariant: an object a line, of the shape that callers of runc read; a number that the layout does not have is 0, as
//! that shape demands, and never a guess.

use super::{Desk, print};
use crate::id::ContainerId;
use crate::state::{Place, Record, Status};
use crate::{Error, Result};
use serde_json::{Value, json};
use stage3_cgroups::events::{Event, Watcher};
use stage3_cgroups::limits::Limit;
use stage3_cgroups::usage::Usage;
use stage3_cgroups::{Controller, Group};
use std::time::{Duration, Instant};

/// Print what a container uses, and when memory runs out
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stage4-runtime events --stats mine")]
pub struct EventsArgs {
    /// Once, and no more
    #[arg(long)]
    stats: bool,
    /// Seconds between two prints
    #[arg(long, value_name = "SECONDS", default_value = "5s", value_parser = seconds)]
    interval: Duration,
    /// The container's name
    #[arg(value_name = "ID")]
    id: ContainerId,
}

/// `5`, `5s`, `500ms`
fn seconds(text: &str) -> Result<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, Duration::from_millis(1)),
        None => (text.strip_suffix('s').unwrap_or(text), Duration::from_secs(1)),
    };
    let time =
        number.parse().ok().and_then(|number: u32| unit.checked_mul(number)).filter(|time| !time.is_zero());
    time.ok_or_else(|| Error::refused(format!("{text:?} is no time to wait")).with_hint("as 5s or 500ms"))
}

pub(super) fn events(desk: &Desk, args: &EventsArgs) -> Result<u8> {
    let (place, record) = desk.container(&args.id)?;
    if desk.status(&place, &record)? == Status::Stopped {
        return Err(Error::refused(format!("container {} is not running", args.id)));
    }
    let group = desk.group(&place)?;
    let tell = || print(&line("stats", &args.id, Some(stats(&group)?)));
    match args.stats {
        true => tell().map(|()| 0),
        false => watch(desk, args, (&place, &record), &group, tell).map(|()| 0),
    }
}

fn watch(
    desk: &Desk,
    args: &EventsArgs,
    (place, record): (&Place, &Record),
    group: &Group,
    tell: impl Fn() -> Result<()>,
) -> Result<()> {
    let mut watcher = Watcher::new(group)?;
    let mut next = Instant::now();
    while desk.status(place, record)? != Status::Stopped && group.is_there() {
        if Instant::now() >= next {
            tell()?;
            next = Instant::now() + args.interval;
        }
        // Not longer than this: the end of a container without a first event must be seen, too.
        let patience = next.saturating_duration_since(Instant::now()).min(Duration::from_millis(500));
        for event in watcher.wait(patience)? {
            if matches!(event, Event::OomKill(_)) {
                print(&line("oom", &args.id, None))?;
            }
        }
    }
    Ok(())
}

fn line(kind: &str, id: &ContainerId, data: Option<Value>) -> String {
    let mut object = json!({ "type": kind, "id": id.as_str() });
    if let Some(data) = data {
        object["data"] = data;
    }
    format!("{object}\n")
}

fn stats(group: &Group) -> Result<Value> {
    let usage = group.usage()?;
    let number = |number: Option<u64>| number.unwrap_or(0);
    Ok(json!({
        "cpu": cpu(group, &usage)?,
        "memory": memory(group, &usage)?,
        "pids": {
            "current": number(usage.pids),
            "limit": usage.pids_max.and_then(Limit::number).unwrap_or(0),
        },
        "blkio": {
            "ioServiceBytesRecursive": [
                { "op": "Read", "value": number(usage.read) },
                { "op": "Write", "value": number(usage.written) },
            ],
        },
    }))
}

fn cpu(group: &Group, usage: &Usage) -> Result<Value> {
    let nanoseconds = |microseconds: Option<u64>| microseconds.unwrap_or(0).saturating_mul(1000);
    let unified = group.read(Controller::Cpuacct, "cpu.stat")?.unwrap_or_default();
    let keyed = |key: &str| unified.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    // Version 1 has both in nanoseconds, and one number for each processor.
    let own = |file: &str| -> Result<Option<Vec<u64>>> {
        let text = group.read(Controller::Cpuacct, file)?;
        Ok(text.map(|text| text.split_whitespace().filter_map(|number| number.parse().ok()).collect()))
    };
    let one = |file: &str, key: &str| -> Result<u64> {
        Ok(own(file)?.and_then(|numbers| numbers.first().copied()).unwrap_or_else(|| nanoseconds(keyed(key))))
    };
    let mut value = json!({
        "usage": {
            "total": nanoseconds(usage.cpu),
            "kernel": one("cpuacct.usage_sys", "system_usec ")?,
            "user": one("cpuacct.usage_user", "user_usec ")?,
        },
        "throttling": {
            "periods": usage.periods.unwrap_or(0),
            "throttledPeriods": usage.throttled.unwrap_or(0),
            "throttledTime": nanoseconds(usage.throttled_for),
        },
    });
    if let Some(each) = own("cpuacct.usage_percpu")? {
        value["usage"]["percpu"] = json!(each);
    }
    Ok(value)
}

fn memory(group: &Group, usage: &Usage) -> Result<Value> {
    // No limit is the largest number there is.
    let limit = |limit: Option<Limit>| limit.and_then(Limit::number).unwrap_or(u64::MAX);
    let raw: serde_json::Map<String, Value> = group
        .read(Controller::Memory, "memory.stat")?
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(key, number)| Some((key.to_owned(), json!(number.parse::<u64>().ok()?))))
        .collect();
    let cache = raw.get("cache").or_else(|| raw.get("file")).cloned().unwrap_or(json!(0));
    Ok(json!({
        "cache": cache,
        "usage": {
            "limit": limit(usage.memory_max),
            "usage": usage.memory.unwrap_or(0),
            "max": usage.memory_peak.unwrap_or(0),
            "failcnt": usage.memory_met.unwrap_or(0),
        },
        "swap": { "usage": usage.swap.unwrap_or(0) },
        "raw": raw,
    }))
}
