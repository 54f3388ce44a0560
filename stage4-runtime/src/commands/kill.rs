//! `kill`: a signal to a container.
//!
//! signal(7). Book: "The life cycle" (`delete`).
//! Invariant: a name or a number means one signal of the kernel's, or nothing is sent.

use super::Desk;
use crate::id::ContainerId;
use crate::{Error, Result, death};
use nix::sys::signal::Signal as Named;
use std::str::FromStr;

/// Send a signal to a container's first process
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stage4-runtime kill mine KILL")]
pub struct KillArgs {
    /// To every process of its control group
    #[arg(long, short)]
    all: bool,
    /// The container's name
    #[arg(value_name = "ID")]
    id: ContainerId,
    /// A name, with or without SIG, or a number
    #[arg(value_name = "SIGNAL", default_value = "TERM")]
    signal: Signal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signal(i32);

pub(super) fn kill(desk: &Desk, args: &KillArgs) -> Result<u8> {
    let (place, record) = desk.container(&args.id)?;
    death::kill(&place, &record, args.signal.0, args.all).map(|()| 0)
}

/// The first two real-time signals are the C library's own (nptl(7)); SIGRTMIN is what it leaves to programs.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

impl FromStr for Signal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let number = name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok()).flatten();
        let named = || match name {
            "POLL" => Some(libc::SIGIO),
            "CLD" => Some(libc::SIGCHLD),
            "IOT" => Some(libc::SIGABRT),
            _ => Named::from_str(&format!("SIG{name}")).ok().map(|signal| signal as i32),
        };
        let found = number.or_else(named).or_else(|| real_time(name));
        // 0 is no signal: it only asks whether there is somebody (kill(2)).
        found.filter(|signal| (0..=*REAL_TIME.end()).contains(signal)).map(Signal).ok_or_else(|| {
            Error::refused(format!("unknown signal {text:?}"))
                .with_hint("a number from 0 to 64, or a name: `kill -l` lists them; RTMIN+3 counts from 34")
        })
    }
}

/// `RTMIN`, `RTMIN+3`, `RTMAX-3`, `RTMAX`
fn real_time(name: &str) -> Option<i32> {
    let steps = |text: &str, sign: char| match text.strip_prefix(sign) {
        Some(steps) if steps.bytes().all(|byte| byte.is_ascii_digit()) => steps.parse::<i32>().ok(),
        Some(_) => None,
        None => text.is_empty().then_some(0),
    };
    let from_first = || Some(REAL_TIME.start() + steps(name.strip_prefix("RTMIN")?, '+')?);
    let from_last = || Some(REAL_TIME.end() - steps(name.strip_prefix("RTMAX")?, '-')?);
    from_first().or_else(from_last).filter(|signal| REAL_TIME.contains(signal))
}

#[cfg(test)]
mod tests {
    use super::Signal;

    #[test]
    fn a_signal_is_a_name_or_a_number() {
        for (text, number) in [
            ("TERM", 15),
            ("sigkill", 9),
            ("9", 9),
            ("0", 0),
            ("64", 64),
            ("SIGRTMIN", 34),
            ("RTMIN+3", 37),
            ("SIGRTMAX-2", 62),
            ("WINCH", 28),
            ("POLL", 29),
        ] {
            assert_eq!(text.parse::<Signal>().unwrap(), Signal(number), "{text}");
        }
        for bad in ["", "SIG", "65", "-1", "+9", "RTMIN+31", "RTMIN3", "RTMAX-31", "RTMIN+-1", "KILLL", "9.0"]
        {
            assert!(bad.parse::<Signal>().is_err(), "{bad:?}");
        }
    }
}
