//! `ps`: the processes of a container, as the host numbers them.
//!
//! cgroup.procs; ps(1). Book: "The life cycle" (`state`).
//! Invariant: who is listed is in the container's group; what is told of him is told by the host's ps(1).

use super::list::Form;
use super::{Desk, print};
use crate::id::ContainerId;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// List the processes of a container
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  stage4-runtime ps mine -o pid,comm")]
pub struct PsArgs {
    /// A table by ps(1), or the numbers only
    #[arg(long, short, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// The container's name
    #[arg(value_name = "ID")]
    id: ContainerId,
    /// For ps(1) [default: -ef]
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

pub(super) fn ps(desk: &Desk, args: &PsArgs) -> Result<u8> {
    let (place, _) = desk.container(&args.id)?;
    let pids = desk.group(&place)?.processes()?;
    let text = match args.format {
        Form::Json => serde_json::to_string(&pids).map_err(|e| Error::refused(format!("ps: {e}")))? + "\n",
        Form::Table => only(&pids, &told_by_ps(&args.options)?)?,
    };
    print(&text).map(|()| 0)
}

fn told_by_ps(options: &[String]) -> Result<String> {
    let default = ["-ef".to_owned()];
    let options = if options.is_empty() { &default } else { options };
    let output = Command::new("ps").args(options).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| {
        Error::io("execve(\"ps\")", &e)
            .with_hint("the table is ps(1)'s, of the package procps; or --format json")
    })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::refused(format!("ps {}: {}", options.join(" "), output.status))),
    }
}

/// The head, and the lines of these processes.
fn only(pids: &BTreeSet<i32>, table: &str) -> Result<String> {
    let head = table.lines().next().unwrap_or_default();
    let column = head.split_whitespace().position(|title| title == "PID").ok_or_else(|| {
        Error::refused("ps: the table has no column PID")
            .with_hint("-o must name pid, or who is whose cannot be told")
    })?;
    let is_ours = |line: &&str| {
        line.split_whitespace()
            .nth(column)
            .and_then(|pid| pid.parse().ok())
            .is_some_and(|pid| pids.contains(&pid))
    };
    let lines = table.lines().skip(1).filter(is_ours);
    Ok(std::iter::once(head).chain(lines).map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_containers_processes_are_left() {
        let table = "UID  PID PPID CMD\nroot 1 0 init\nroot 12 1 sleep 1\nroot 13 12 12\n";
        assert_eq!(only(&[12].into(), table).unwrap(), "UID  PID PPID CMD\nroot 12 1 sleep 1\n");
        assert!(only(&[12].into(), "USER CMD\nroot init\n").is_err());
    }
}
