//! How limits are written: `100M`, `max`, `0.5`, `8:0:rbps=1M`.
//!
//! No kernel calls. Book: "The file system as interface" (`info`).
//! Invariant: pure; sizes are powers of 1024, as the kernel's memparse() has them; nothing is rounded silently.

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A number, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// No limit.
    Max,
    /// This much.
    At(u64),
}

impl Limit {
    /// The number.
    pub fn number(self) -> Option<u64> {
        match self {
            Limit::Max => None,
            Limit::At(number) => Some(number),
        }
    }

    /// As version 1 writes it, where -1 is no limit.
    pub(crate) fn or_minus_one(self) -> String {
        self.number().map_or("-1".to_owned(), |number| number.to_string())
    }
}

/// As version 2 writes it.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Max => f.pad("max"),
            Limit::At(number) => number.fmt(f),
        }
    }
}

impl FromStr for Limit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "max" { Ok(Limit::Max) } else { Ok(Limit::At(text.parse::<Bytes>()?.0)) }
    }
}

/// A number with an optional K, M, G or T.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::refused(format!("{text:?} is no amount"))
                .with_hint("a whole number, with K, M, G or T for powers of 1024: 100M")
        };
        let letter = |c: char| "KMGT".find(c.to_ascii_uppercase()).map(|place| 10 * (place as u32 + 1));
        let (digits, shift) = match text.chars().last().and_then(letter) {
            Some(shift) => (&text[..text.len() - 1], shift),
            None => (text, 0),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let number: u64 = digits.parse().map_err(|_| bad())?;
        number.checked_mul(1 << shift).map(Bytes).ok_or_else(bad)
    }
}

/// Processor time per time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpus {
    /// As much as there is.
    All,
    /// In thousandths of one processor.
    Quota(u64),
}

impl FromStr for Cpus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "max" {
            return Ok(Cpus::All);
        }
        let bad = || {
            Error::refused(format!("{text:?} is no number of processors")).with_hint(
                "0.5 is half of one, 2 is two; at most three digits after the point; max is no limit",
            )
        };
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 3 {
            return Err(bad());
        }
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number < 1_000_000);
        let thousandths = number(whole).zip(number(&format!("{part:0<3}"))).map(|(w, p)| w * 1000 + p);
        thousandths.filter(|t| *t > 0).map(Cpus::Quota).ok_or_else(bad)
    }
}

/// A block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// Rates of a block device, per second; what is `None` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoLimit {
    /// Which device: the whole disk, for a partition has no queue.
    pub device: Device,
    /// Bytes read.
    pub rbps: Option<Limit>,
    /// Bytes written.
    pub wbps: Option<Limit>,
    /// Reads.
    pub riops: Option<Limit>,
    /// Writes.
    pub wiops: Option<Limit>,
}

impl FromStr for IoLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::refused(format!("{text:?} is no limit of a device")).with_hint(
                "MAJOR:MINOR:rbps=1M,wbps=1M,riops=100,wiops=max; `lsblk` shows MAJOR:MINOR of disks",
            )
        };
        let mut parts = text.splitn(3, ':');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or_else(bad);
        let device = Device { major: number()?, minor: number()? };
        let mut limit = IoLimit { device, rbps: None, wbps: None, riops: None, wiops: None };
        for word in parts.next().ok_or_else(bad)?.split(',') {
            let (key, value) = word.split_once('=').ok_or_else(bad)?;
            let value: Limit = value.parse()?;
            if value == Limit::At(0) {
                return Err(Error::refused(format!(
                    "{word}: a device that nobody may use is not throttled but denied"
                ))
                .with_hint("deny it with --device; or give at least 1"));
            }
            *match key {
                "rbps" => &mut limit.rbps,
                "wbps" => &mut limit.wbps,
                "riops" => &mut limit.riops,
                "wiops" => &mut limit.wiops,
                _ => return Err(bad()),
            } = Some(value);
        }
        Ok(limit)
    }
}

/// Huge pages of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HugeLimit {
    /// As the kernel writes it: `2MB`, `1GB`.
    pub size: String,
    /// Bytes, not pages.
    pub limit: Limit,
}

/// A scalar resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLimit {
    /// A line of `misc.capacity`: `sev`, `tdx`.
    pub name: String,
    /// Units of it.
    pub limit: Limit,
}

/// Handles of one RDMA device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RdmaLimit {
    /// As `rdma.current` has it: `mlx4_0`.
    pub device: String,
    /// Device handles.
    pub handles: Limit,
    /// Objects.
    pub objects: Limit,
}

/// `NAME=VALUE`, where the name becomes part of a file's name or of a line.
fn named<'a>(text: &'a str, example: &str) -> Result<(&'a str, &'a str)> {
    let plain = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    text.split_once('=')
        .filter(|(name, _)| plain(name))
        .ok_or_else(|| Error::refused(format!("{text:?} is no NAME=LIMIT")).with_hint(example))
}

impl FromStr for HugeLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (size, limit) = named(text, "2MB=64M")?;
        Ok(HugeLimit { size: size.to_owned(), limit: limit.parse()? })
    }
}

impl FromStr for NamedLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, limit) = named(text, "sev=4")?;
        Ok(NamedLimit { name: name.to_owned(), limit: limit.parse()? })
    }
}

impl FromStr for RdmaLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (device, limits) = named(text, "mlx4_0=10,100")?;
        let (handles, objects) = limits.split_once(',').ok_or_else(|| {
            Error::refused(format!("{text:?} is no DEVICE=HANDLES,OBJECTS")).with_hint("mlx4_0=10,100")
        })?;
        Ok(RdmaLimit { device: device.to_owned(), handles: handles.parse()?, objects: objects.parse()? })
    }
}
