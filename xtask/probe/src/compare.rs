//! Each fact inside, by its relation to the same fact on the host.
//!
//! Pure but for reading two files. Book: "What the jail shares with the host".
//! Invariant: the same relations give the same letters on every machine.

use crate::{Failure, Options, Result, say};
use serde_json::Value;
use std::{fmt, process::ExitCode};

/// How a fact inside relates to the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Relation {
    /// The very same thing.
    Hosts,
    /// Something of its own, shown.
    Own(String),
    /// Not visible from inside.
    Hidden,
}

impl fmt::Display for Relation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Relation::Hosts => out.write_str("host's"),
            Relation::Own(detail) if detail.is_empty() => out.write_str("own"),
            Relation::Own(detail) => write!(out, "own ({detail})"),
            Relation::Hidden => out.write_str("hidden"),
        }
    }
}

/// `probe compare HOST.json INSIDE.json`
pub(crate) fn print(options: &Options) -> Result<ExitCode> {
    let [host, inside] = &options.words()?[..] else {
        return Err(Failure::Usage("compare HOST.json INSIDE.json".into()));
    };
    let (host, inside) = (load(host)?, load(inside)?);
    for (fact, relation) in relations(&host, &inside) {
        say(format_args!("{:<14}{relation}", format!("{fact}:")))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn load(path: &str) -> Result<Value> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::Failed(format!("open({path:?}): {error}")))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Failed(format!("{path}: not the facts of a probe: {error}")))
}

// ANCHOR: facts
/// The facts in the order in which the book tells them.
fn relations(host: &Value, inside: &Value) -> Vec<(&'static str, Relation)> {
    let mut list = vec![("root", root(host, inside))];
    for kind in ["mnt", "uts", "ipc", "pid", "net", "user", "cgroup", "time"] {
        list.push((kind, same(&host["namespaces"][kind], &inside["namespaces"][kind], |_| String::new())));
    }
    list.push(("processes", processes(host, inside)));
    for fact in ["hostname", "interfaces"] {
        list.push((fact, same(&host[fact], &inside[fact], text)));
    }
    list.push(("uid-map", same(&host["uid-map"], &inside["uid-map"], map)));
    list.push(("ids", same(&host["user"], &inside["user"], text)));
    list.push(("capabilities", same(&amount(&host["capabilities"]), &amount(&inside["capabilities"]), text)));
    list.push(("clock", clock(host, inside)));
    list.push(("seccomp", same(&host["seccomp"], &inside["seccomp"], |_| "filtered".into())));
    list.push(("kernel", same(&host["kernel"], &inside["kernel"], text)));
    list
}
// ANCHOR_END: facts

// ANCHOR: flips
/// The host's where it is equal, its own where it is not.
fn same(host: &Value, inside: &Value, detail: impl Fn(&Value) -> String) -> Relation {
    match inside {
        Value::Null => Relation::Hidden,
        value if value == host => Relation::Hosts,
        value => Relation::Own(detail(value)),
    }
}
// ANCHOR_END: flips

fn text(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "none".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The first line of a uid_map, in words (user_namespaces(7)).
fn map(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let mut numbers = text.split([' ', ';']);
    match (numbers.next(), numbers.next()) {
        (Some(inside), Some(outside)) => format!("{inside} here is uid {outside} outside"),
        _ => "nobody is mapped".into(),
    }
}

fn root(host: &Value, inside: &Value) -> Relation {
    let entries = |value: &Value| {
        let list = value["entries"].as_array().cloned().unwrap_or_default();
        list.iter().map(text).collect::<Vec<_>>().join(" ")
    };
    same(&host["root"], &inside["root"], |_| entries(inside))
}

// ANCHOR: namespace-facts
/// The host's, when most of the host's pids are there: some come and go between the two looks.
fn processes(host: &Value, inside: &Value) -> Relation {
    let list = |value: &Value| value["processes"].as_array().cloned();
    let (hosts, Some(inside)) = (list(host).unwrap_or_default(), list(inside)) else {
        return Relation::Hidden;
    };
    let common = hosts.iter().filter(|pid| inside.contains(pid)).count();
    // A young pid namespace has a handful of low numbers, which the host may have as well.
    match common * 2 > hosts.len() && inside.len() * 2 > hosts.len() {
        true => Relation::Hosts,
        false => Relation::Own(format!("{} visible", inside.len())),
    }
}

/// Seconds since boot: the two were read within a moment of each other.
fn clock(host: &Value, inside: &Value) -> Relation {
    match (host["boottime"].as_i64(), inside["boottime"].as_i64()) {
        (Some(host), Some(inside)) if host.abs_diff(inside) <= 60 => Relation::Hosts,
        (_, Some(_)) => Relation::Own("offset".into()),
        (_, None) => Relation::Hidden,
    }
}
// ANCHOR_END: namespace-facts

/// How many capabilities a mask holds, roughly: machines differ in the few that even root is denied.
fn amount(mask: &Value) -> Value {
    let mask = mask.as_str().and_then(|hex| u64::from_str_radix(hex, 16).ok());
    match mask.map(u64::count_ones) {
        None => Value::Null,
        Some(0) => "none".into(),
        Some(38..) => "all".into(),
        Some(_) => "some".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn find(host: &Value, inside: &Value, fact: &str) -> String {
        let list = relations(host, inside);
        list.iter().find(|(name, _)| *name == fact).unwrap().1.to_string()
    }

    #[test]
    fn what_is_equal_is_the_hosts_and_what_is_missing_is_hidden() {
        let host = json!({"hostname": "a", "namespaces": {"mnt": "mnt:[1]"}, "root": "1:2"});
        let inside = json!({"hostname": "a", "namespaces": {"mnt": "mnt:[2]"},
                            "root": "1:9", "entries": ["bin", "lib"]});
        assert_eq!(find(&host, &inside, "hostname"), "host's");
        assert_eq!(find(&host, &inside, "mnt"), "own");
        assert_eq!(find(&host, &inside, "pid"), "hidden");
        assert_eq!(find(&host, &inside, "root"), "own (bin lib)");
        assert_eq!(find(&host, &inside, "processes"), "hidden");
    }
}
