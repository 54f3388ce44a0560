//! What a group uses, and how often it met its limits: the same numbers from both versions.
//!
//! memory.current, cpu.stat, pids.events, io.stat, *.pressure and what version 1 has for them. Book: "Pressure" (`events`).
//! Invariant: a number that this layout does not have is none, and never 0.

use crate::Result;
use crate::controller::Controller;
use crate::group::Group;
use crate::layout::Version;
use crate::limits::{Limit, convert};

/// Numbers of one moment. Bytes, microseconds, counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of memory, with what the kernel keeps for the group.
    pub memory: Option<u64>,
    /// The most there ever was.
    pub memory_peak: Option<u64>,
    /// The limit of it.
    pub memory_max: Option<Limit>,
    /// How often the limit was met and memory had to be taken back.
    pub memory_met: Option<u64>,
    /// Bytes of swap.
    pub swap: Option<u64>,
    /// Processes that were killed for want of memory.
    pub oom_kills: Option<u64>,
    /// Microseconds of processor time.
    pub cpu: Option<u64>,
    /// Microseconds allowed for each period, and the period.
    pub cpu_max: Option<(Limit, u64)>,
    /// Periods that were counted.
    pub periods: Option<u64>,
    /// Those of them in which the group had to wait.
    pub throttled: Option<u64>,
    /// For how long altogether, in microseconds.
    pub throttled_for: Option<u64>,
    /// Tasks.
    pub pids: Option<u64>,
    /// The most there ever were.
    pub pids_peak: Option<u64>,
    /// The limit of them.
    pub pids_max: Option<Limit>,
    /// fork(2) that was refused.
    pub pids_refused: Option<u64>,
    /// Bytes read from block devices.
    pub read: Option<u64>,
    /// Bytes written to them.
    pub written: Option<u64>,
    /// Microseconds during which somebody waited for memory, for a processor, for a disk; Linux 4.20.
    pub pressure: Pressure,
    /// Is everybody stopped?
    pub frozen: Option<bool>,
}

/// `some total` of the three pressure files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pressure {
    /// cpu.pressure
    pub cpu: Option<u64>,
    /// memory.pressure
    pub memory: Option<u64>,
    /// io.pressure
    pub io: Option<u64>,
}

impl Group {
    /// Reads what it uses now.
    pub fn usage(&self) -> Result<Usage> {
        let mut usage = Usage { frozen: self.is_frozen()?, pressure: self.pressure()?, ..Usage::default() };
        self.memory_usage(&mut usage)?;
        self.cpu_usage(&mut usage)?;
        self.pids_usage(&mut usage)?;
        self.io_usage(&mut usage)?;
        Ok(usage)
    }

    fn version_of(&self, controller: Controller) -> Option<Version> {
        self.place(controller).map(|place| place.hierarchy.version)
    }

    fn number(&self, controller: Controller, file: &str) -> Result<Option<u64>> {
        Ok(self.read(controller, file)?.and_then(|text| text.trim().parse().ok()))
    }

    fn memory_usage(&self, usage: &mut Usage) -> Result<()> {
        let number = |file| self.number(Controller::Memory, file);
        let text = |file| self.read(Controller::Memory, file);
        if self.version_of(Controller::Memory) == Some(Version::V1) {
            usage.memory = number("memory.usage_in_bytes")?;
            usage.memory_peak = number("memory.max_usage_in_bytes")?;
            usage.memory_max = number("memory.limit_in_bytes")?.map(unlimited);
            usage.memory_met = number("memory.failcnt")?;
            usage.oom_kills = text("memory.oom_control")?.and_then(|text| keyed(&text, "oom_kill"));
            let together = number("memory.memsw.usage_in_bytes")?;
            usage.swap =
                usage.memory.zip(together).map(|(m, both)| convert::swap_from_memsw(m, both).unwrap_or(0));
        } else {
            usage.memory = number("memory.current")?;
            usage.memory_peak = number("memory.peak")?;
            usage.memory_max = text("memory.max")?.and_then(|text| text.trim().parse().ok());
            let events = text("memory.events")?.unwrap_or_default();
            (usage.memory_met, usage.oom_kills) = (keyed(&events, "max"), keyed(&events, "oom_kill"));
            usage.swap = number("memory.swap.current")?;
        }
        Ok(())
    }

    fn cpu_usage(&self, usage: &mut Usage) -> Result<()> {
        let stat = self.read(Controller::Cpu, "cpu.stat")?.unwrap_or_default();
        usage.periods = keyed(&stat, "nr_periods");
        usage.throttled = keyed(&stat, "nr_throttled");
        if self.version_of(Controller::Cpu) == Some(Version::V1) {
            usage.throttled_for = keyed(&stat, "throttled_time").map(|nanoseconds| nanoseconds / 1000);
            let quota = self.read(Controller::Cpu, "cpu.cfs_quota_us")?.map(|text| quota(text.trim()));
            usage.cpu_max = quota.zip(self.number(Controller::Cpu, "cpu.cfs_period_us")?);
        } else {
            usage.throttled_for = keyed(&stat, "throttled_usec");
            usage.cpu_max = self.read(Controller::Cpu, "cpu.max")?.and_then(|text| cpu_max(&text));
        }
        usage.cpu = match self.version_of(Controller::Cpuacct) {
            Some(Version::V1) => {
                self.number(Controller::Cpuacct, "cpuacct.usage")?.map(|nanoseconds| nanoseconds / 1000)
            }
            _ => self.read(Controller::Cpuacct, "cpu.stat")?.and_then(|text| keyed(&text, "usage_usec")),
        };
        Ok(())
    }

    /// The same files in both versions.
    fn pids_usage(&self, usage: &mut Usage) -> Result<()> {
        usage.pids = self.number(Controller::Pids, "pids.current")?;
        usage.pids_peak = self.number(Controller::Pids, "pids.peak")?;
        usage.pids_max = self.read(Controller::Pids, "pids.max")?.and_then(|text| text.trim().parse().ok());
        let events = self.read(Controller::Pids, "pids.events")?.unwrap_or_default();
        usage.pids_refused = keyed(&events, "max");
        Ok(())
    }

    fn io_usage(&self, usage: &mut Usage) -> Result<()> {
        (usage.read, usage.written) = match self.version_of(Controller::Io) {
            Some(Version::V1) => {
                let text = self.read(Controller::Io, "blkio.throttle.io_service_bytes_recursive")?;
                let sum = |key| text.as_deref().map(|text| summed(text, key));
                (self.counted(sum(" Read "), "read")?, self.counted(sum(" Write "), "write")?)
            }
            _ => {
                let text = self.read(Controller::Io, "io.stat")?;
                (
                    text.as_deref().map(|t| summed(t, " rbytes=")),
                    text.as_deref().map(|t| summed(t, " wbytes=")),
                )
            }
        };
        Ok(())
    }

    /// Some kernels, as Linux 6.1, count in version 1 only where there is a rate to be held (block/blk-throttle.h): without
    /// one a 0 says nothing.
    fn counted(&self, bytes: Option<u64>, direction: &str) -> Result<Option<u64>> {
        if bytes != Some(0) {
            return Ok(bytes);
        }
        for rate in ["bps", "iops"] {
            let rates = self.read(Controller::Io, &format!("blkio.throttle.{direction}_{rate}_device"))?;
            if rates.is_some_and(|rates| !rates.trim().is_empty()) {
                return Ok(bytes);
            }
        }
        Ok(None)
    }

    /// Only version 2 has it, in a hybrid layout too.
    fn pressure(&self) -> Result<Pressure> {
        let of = |file| -> Result<Option<u64>> {
            let text = self.unified().map(|place| place.directory.read_if_there(file)).transpose()?.flatten();
            Ok(text.and_then(|text| some_total(&text)))
        };
        Ok(Pressure { cpu: of("cpu.pressure")?, memory: of("memory.pressure")?, io: of("io.pressure")? })
    }
}

/// The number of a line `key number`.
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    let number = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(number)
}

/// Version 1 writes "no limit" as the greatest whole number of pages: mm/page_counter.h, PAGE_COUNTER_MAX.
fn unlimited(bytes: u64) -> Limit {
    if bytes >= 1 << 62 { Limit::Max } else { Limit::At(bytes) }
}

fn quota(text: &str) -> Limit {
    text.parse().map_or(Limit::Max, Limit::At)
}

/// `50000 100000`, `max 100000`
fn cpu_max(text: &str) -> Option<(Limit, u64)> {
    let (quota, period) = text.trim().split_once(' ')?;
    Some((quota.parse().ok()?, period.parse().ok()?))
}

/// The sum of the numbers after `key`, over all devices.
fn summed(text: &str, key: &str) -> u64 {
    let number =
        |line: &str| -> Option<u64> { line.split_once(key)?.1.split_whitespace().next()?.parse().ok() };
    text.lines().filter_map(number).sum()
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=1234`
fn some_total(text: &str) -> Option<u64> {
    text.lines().find(|line| line.starts_with("some "))?.split_once("total=")?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_by_their_whole_key() {
        let text = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n";
        assert_eq!(
            (keyed(text, "max"), keyed(text, "oom"), keyed(text, "oom_kill")),
            (Some(12), Some(3), Some(2))
        );
        assert_eq!(keyed(text, "oom_"), None);
    }

    #[test]
    fn io_of_both_versions_is_summed_over_devices() {
        let v1 = "8:0 Read 10\n8:0 Write 5\n8:0 Total 15\n8:16 Read 1\nTotal 16\n";
        assert_eq!((summed(v1, " Read "), summed(v1, " Write ")), (11, 5));
        let v2 = "8:16 rbytes=10 wbytes=5 rios=1 wios=1 dbytes=0 dios=0\n8:0 rbytes=1 wbytes=0 rios=1\n";
        assert_eq!((summed(v2, " rbytes="), summed(v2, " wbytes=")), (11, 5));
    }

    #[test]
    fn cpu_limits_of_both_versions_are_read() {
        assert_eq!(cpu_max("max 100000\n"), Some((Limit::Max, 100_000)));
        assert_eq!(cpu_max("50000 100000\n"), Some((Limit::At(50_000), 100_000)));
        assert_eq!((quota("-1"), quota("50000")), (Limit::Max, Limit::At(50_000)));
        assert_eq!(unlimited(9_223_372_036_854_771_712), Limit::Max);
        assert_eq!(
            some_total("some avg10=0.00 avg60=0.00 avg300=0.00 total=77\nfull avg10=0 total=5\n"),
            Some(77)
        );
    }
}
