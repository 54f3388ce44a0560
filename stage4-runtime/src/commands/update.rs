//! `update`: other limits for a container that is there.
//!
//! cgroups(7). Book: "Resources" (`resources`).
//! Invariant: what is not named is not touched.

use super::Desk;
use crate::bundle::read_bounded;
use crate::config::block_io::BlockIo;
use crate::config::resources::{Cpu, Memory, Pids, Resources};
use crate::config::{check, parse};
use crate::id::ContainerId;
use crate::log::Level;
use crate::plan::cgroup::devices;
use crate::state::Status;
use crate::{Error, Result, cgroup};
use stage3_cgroups::limits::Bytes;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Change the limits of a container
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  stage4-runtime update --memory 256M --pids-limit 50 mine",
    allow_negative_numbers = true
)]
pub struct UpdateArgs {
    /// Limits as JSON, as `linux.resources` of config.json has them; - is standard input
    #[arg(long, short, value_name = "FILE")]
    resources: Option<PathBuf>,
    /// Bytes of memory; -1 is no limit
    #[arg(long, value_name = "BYTES")]
    memory: Option<Size>,
    /// Bytes of memory and swap together; -1 is no limit
    #[arg(long, value_name = "BYTES")]
    memory_swap: Option<Size>,
    /// Bytes of memory that are left to it while there is enough
    #[arg(long, value_name = "BYTES")]
    memory_reservation: Option<Size>,
    /// Its share of contended processors; 1024 is everybody's
    #[arg(long, value_name = "N", alias = "cpu-share")]
    cpu_shares: Option<u64>,
    /// Microseconds of processor time in each period; negative is no limit
    #[arg(long, value_name = "US")]
    cpu_quota: Option<i64>,
    /// Microseconds of a period
    #[arg(long, value_name = "US")]
    cpu_period: Option<u64>,
    /// Processors, as 0-2,4
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes, as 0
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Tasks; -1 is no limit
    #[arg(long, value_name = "N")]
    pids_limit: Option<i64>,
    /// Its share of contended disks, 10 to 1000
    #[arg(long, value_name = "N")]
    blkio_weight: Option<u16>,
    /// The container's name
    #[arg(value_name = "ID")]
    id: ContainerId,
}

#[derive(Debug, Clone, Copy)]
struct Size(i64);

impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "-1" {
            return Ok(Size(-1));
        }
        let Bytes(bytes) = text.to_ascii_uppercase().parse()?;
        i64::try_from(bytes).map(Size).map_err(|_| Error::refused(format!("no memory is as large as {text}")))
    }
}

pub(super) fn update(desk: &Desk, args: &UpdateArgs) -> Result<u8> {
    let (place, record) = desk.container(&args.id)?;
    if desk.status(&place, &record)? == Status::Stopped {
        return Err(
            Error::refused("container not running").with_hint("its process has ended, and nobody is limited")
        );
    }
    let resources = match &args.resources {
        Some(path) => {
            let name = path.display().to_string();
            let resources = parse(&name, &read(path)?)?;
            let warnings = check::resources(&resources).verdict(&name)?;
            warnings.iter().for_each(|warning| desk.log.say(Level::Warning, &format!("{name}: {warning}")));
            resources
        }
        None => {
            let resources = args.resources();
            check::resources(&resources).verdict("update")?;
            resources
        }
    };
    let group = desk.group(&place)?;
    cgroup::update(&group, &resources)?;
    if !resources.devices.is_empty() {
        cgroup::decide_about_devices(&group, &devices::policy(&resources.devices)?)?;
    }
    Ok(0)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    match path == Path::new("-") {
        true => read_bounded(std::io::stdin().lock(), path),
        false => {
            let file = std::fs::File::open(path).map_err(|e| Error::io(format!("open({path:?})"), &e))?;
            read_bounded(file, path)
        }
    }
}

impl UpdateArgs {
    fn resources(&self) -> Resources {
        let memory = Memory {
            limit: self.memory.map(|size| size.0),
            swap: self.memory_swap.map(|size| size.0),
            reservation: self.memory_reservation.map(|size| size.0),
            ..Memory::default()
        };
        let cpu = Cpu {
            shares: self.cpu_shares,
            quota: self.cpu_quota,
            period: self.cpu_period,
            cpus: self.cpuset_cpus.clone(),
            mems: self.cpuset_mems.clone(),
            ..Cpu::default()
        };
        let block_io = BlockIo { weight: self.blkio_weight, ..BlockIo::default() };
        Resources {
            memory: (memory != Memory::default()).then_some(memory),
            cpu: (cpu != Cpu::default()).then_some(cpu),
            pids: self.pids_limit.map(|limit| Pids { limit: Some(limit) }),
            block_io: (block_io != BlockIo::default()).then_some(block_io),
            ..Resources::default()
        }
    }
}
