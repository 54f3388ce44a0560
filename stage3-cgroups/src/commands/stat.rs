//! `stage3-cgroups stat`: what a group uses, and what happens in it.
//!
//! memory.current, cpu.stat, pids.events, *.pressure; inotify(7), eventfd(2). Book: "Notifications" (`events`).
//! Invariant: what this layout does not count is `-`, not 0.

use super::{Named, print, seconds};
use crate::Result;
use crate::events::Watcher;
use crate::group::Group;
use crate::limits::Limit;
use crate::usage::Usage;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};
use stage2_namespaces::commands::table::{Format, Table};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  stage3-cgroups stat stage3-lab
  stage3-cgroups stat stage3-lab --watch --for 10     what happens, when it happens";

/// Show what a group uses, what its limits are, and how often it met them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct StatArgs {
    #[command(flatten)]
    named: Named,

    /// Tell what happens, until the group is deleted
    #[arg(long, conflicts_with = "format")]
    watch: bool,

    /// But not for longer than this
    #[arg(long = "for", value_name = "SECONDS", requires = "watch", value_parser = seconds)]
    duration: Option<Duration>,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints it.
pub fn stat(args: &StatArgs) -> Result<u8> {
    let group = args.named.open()?;
    if args.watch {
        return watch(&group, args.duration.unwrap_or(Duration::MAX));
    }
    print(&table(&group.usage()?, group.processes()?.len()).render(args.format))
}

fn table(usage: &Usage, processes: usize) -> Table {
    let mut table = Table::new(&["what", "now", "peak", "limit", "met", "unit"]);
    let mut limited = |what: &str, now, peak: Option<u64>, limit: Value, met: Option<u64>, unit: &str| {
        table.push([json!(what), json!(now), json!(peak), limit, json!(met), json!(unit)]);
    };
    let cpu_max = usage.cpu_max.map_or(Value::Null, |(quota, period)| json!(format!("{quota} of {period}")));
    let (memory_max, pids_max) = (limit(usage.memory_max), limit(usage.pids_max));
    limited("memory", usage.memory, usage.memory_peak, memory_max, usage.memory_met, "bytes");
    limited("tasks", usage.pids, usage.pids_peak, pids_max, usage.pids_refused, "tasks");
    limited("cpu time", usage.cpu, None, cpu_max, usage.throttled, "µs");
    for (what, now, unit) in [
        ("throttled", json!(usage.throttled_for), "µs"),
        ("processes", json!(processes), "processes"),
        ("oom kills", json!(usage.oom_kills), "processes"),
        ("swap", json!(usage.swap), "bytes"),
        ("read", json!(usage.read), "bytes"),
        ("written", json!(usage.written), "bytes"),
        ("cpu pressure", json!(usage.pressure.cpu), "µs"),
        ("memory pressure", json!(usage.pressure.memory), "µs"),
        ("io pressure", json!(usage.pressure.io), "µs"),
        ("frozen", json!(usage.frozen), "-"),
    ] {
        table.push([json!(what), now, Value::Null, Value::Null, Value::Null, json!(unit)]);
    }
    table
}

fn limit(limit: Option<Limit>) -> Value {
    match limit {
        Some(Limit::At(number)) => json!(number),
        Some(Limit::Max) => json!("max"),
        None => Value::Null,
    }
}

/// How long a change that rings no bell may go unseen: version 1 has none for throttling.
const LOOK: Duration = Duration::from_millis(200);

fn watch(group: &Group, duration: Duration) -> Result<u8> {
    let begun = Instant::now();
    let mut watcher = Watcher::new(group)?;
    while group.is_there() && begun.elapsed() < duration && somebody_listens() {
        let patience = LOOK.min(duration.saturating_sub(begun.elapsed()));
        for event in watcher.wait(patience)? {
            print(&format!("{:>8.3} s  {event}\n", begun.elapsed().as_secs_f64()))?;
        }
    }
    Ok(0)
}

/// Has the reader of a pipe gone, as `head` does? Then there is nobody to tell, and perhaps never an event again.
fn somebody_listens() -> bool {
    let stdout = std::io::stdout();
    let mut pipe = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let gone = poll(&mut pipe, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
    !gone || !pipe[0].revents().is_some_and(|said| said.contains(PollFlags::POLLERR))
}
