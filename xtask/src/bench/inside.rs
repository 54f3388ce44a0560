//! The runtimes side by side, in a sandbox: each case is run by all of them in turn.
//!
//! fork(2), execve(2), kill(2). Book: "How to use this book".
//! Invariant: what is measured is one command, from its start to its end; what is made for it and ended after it is not.

use super::bundle;
use super::measure::{Cost, WARM_UP, cost, failed, medians};
use super::runtimes::Case;
use crate::Error;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// The directory in which everything lies.
#[derive(Debug)]
pub(super) struct Ground(pub PathBuf);

impl Ground {
    pub fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    pub fn bundle(&self, name: &str) -> PathBuf {
        self.0.join("bundles").join(name)
    }

    fn errors(&self) -> PathBuf {
        self.0.join("errors")
    }
}

/// One that is measured.
#[derive(Clone, Debug)]
pub(super) struct Runtime {
    pub name: String,
    pub program: PathBuf,
}

/// What the floor is called in the rows.
pub(super) const FLOOR: &str = "floor";

impl Runtime {
    /// As an engine calls it.
    fn command(&self, ground: &Ground, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(ground.0.join("state").join(&self.name)).args(words);
        command
    }

    fn is_floor(&self) -> bool {
        self.name == FLOOR
    }

    fn run(&self, ground: &Ground, bundle: &str, id: &str) -> Result<Command, Error> {
        if !self.is_floor() {
            let bundle = ground.bundle(bundle);
            return Ok(self.command(ground, &["run", "--bundle", &bundle.to_string_lossy(), id]));
        }
        let mut command = Command::new(&self.program);
        command.arg(ground.root()).arg(id);
        // Its groups are in the hierarchies that limit something, as those of a runtime.
        for entry in fs::read_dir("/sys/fs/cgroup")? {
            let hierarchy = entry?.path();
            if hierarchy.join("cgroup.procs").is_file() && !hierarchy.ends_with("systemd") {
                command.arg(hierarchy);
            }
        }
        command.args(["--", "/bin/idle"]);
        Ok(command)
    }
}

/// What is measured, with what and how often.
#[derive(Debug)]
pub(super) struct Session {
    pub ground: Ground,
    pub runtimes: Vec<Runtime>,
    pub runs: u32,
}

impl Session {
    /// Rows of one case.
    pub fn measure(&self, case: Case) -> Result<Vec<Value>, Error> {
        match case {
            Case::Run => Ok(vec![self.row(case, "run", self.runs("plain", self.runs)?)]),
            Case::Seccomp => Ok(vec![self.row(case, "run, usual profile", self.runs("seccomp", self.runs)?)]),
            Case::Life => self.life(),
            Case::Exec => self.exec(),
            Case::Sequential => self.sequential(),
            Case::Alive => self.alive(),
            Case::Mounts => self.mounts(),
            Case::Memory => self.memory(),
            Case::Calls => self.calls(),
        }
    }

    fn row(&self, case: Case, what: &str, costs: Costs) -> Value {
        let sides = self.runtimes.iter().filter_map(|runtime| {
            let costs = costs.get(&runtime.name)?;
            let mut side = medians(costs);
            side["name"] = json!(runtime.name);
            Some(side)
        });
        json!({ "case": case.to_string(), "what": what, "runs": self.runs, "sides": sides.collect::<Vec<_>>() })
    }

    /// `run` by all in turn. The floor has one configuration only.
    fn runs(&self, bundle: &str, runs: u32) -> Result<Costs, Error> {
        let mut costs = Costs::new();
        for number in 0..runs + WARM_UP {
            for runtime in self.in_turn(number).filter(|one| bundle == "plain" || !one.is_floor()) {
                let id =
                    format!("stage4-{}-{number}", runtime.name.replace(|c: char| !c.is_alphanumeric(), "-"));
                let one = cost(runtime.run(&self.ground, bundle, &id)?, &self.ground.errors())?;
                if number >= WARM_UP {
                    costs.entry(runtime.name.clone()).or_default().push(one);
                }
            }
        }
        Ok(costs)
    }

    fn real(&self) -> impl Iterator<Item = &Runtime> {
        self.in_turn(0).filter(|runtime| !runtime.is_floor())
    }

    /// Every round begins with another: the first after a pause waits for the kernel, which lets the next ones pass
    /// (entering a group of version 1 takes a lock whose price is a grace period of RCU, once for many).
    fn in_turn(&self, round: u32) -> impl Iterator<Item = &Runtime> {
        let count = self.runtimes.len();
        self.runtimes.iter().cycle().skip(round as usize % count.max(1)).take(count)
    }

    fn life(&self) -> Result<Vec<Value>, Error> {
        const VERBS: [&str; 5] = ["create", "start", "state", "kill", "delete"];
        let mut all: BTreeMap<&str, Costs> = BTreeMap::new();
        for number in 0..self.runs + WARM_UP {
            for runtime in self.in_turn(number).filter(|runtime| !runtime.is_floor()) {
                let one = self.one_life(runtime, &format!("stage4-life-{number}"))?;
                if number >= WARM_UP {
                    for (verb, cost) in VERBS.into_iter().zip(one) {
                        all.entry(verb).or_default().entry(runtime.name.clone()).or_default().push(cost);
                    }
                }
            }
        }
        let row = |verb| self.row(Case::Life, verb, all.remove(verb).unwrap_or_default());
        Ok(VERBS.into_iter().map(row).collect())
    }

    fn one_life(&self, runtime: &Runtime, id: &str) -> Result<[Cost; 5], Error> {
        let (errors, bundle) = (self.ground.errors(), self.ground.bundle("waiting"));
        let file = self.ground.0.join("pid");
        let words =
            ["create", "--bundle", &bundle.to_string_lossy(), "--pid-file", &file.to_string_lossy(), id];
        let say = |words: &[&str]| cost(runtime.command(&self.ground, words), &errors);
        let create = say(&words)?;
        let [start, state, kill] = [say(&["start", id])?, say(&["state", id])?, say(&["kill", id, "KILL"])?];
        until_gone(&file)?;
        Ok([create, start, state, kill, say(&["delete", id])?])
    }

    /// A container that waits, detached.
    fn begin(&self, runtime: &Runtime, id: &str) -> Result<(), Error> {
        let bundle = self.ground.bundle("waiting");
        let words = ["run", "--detach", "--bundle", &bundle.to_string_lossy(), id];
        cost(runtime.command(&self.ground, &words), &self.ground.errors()).map(drop)
    }

    fn end(&self, runtime: &Runtime, id: &str) -> Result<(), Error> {
        cost(runtime.command(&self.ground, &["delete", "--force", id]), &self.ground.errors()).map(drop)
    }

    fn exec(&self) -> Result<Vec<Value>, Error> {
        let (mut costs, id) = (Costs::new(), "stage4-visited");
        self.real().try_for_each(|runtime| self.begin(runtime, id))?;
        for number in 0..self.runs + WARM_UP {
            for runtime in self.in_turn(number).filter(|runtime| !runtime.is_floor()) {
                let command = runtime.command(&self.ground, &["exec", id, "/bin/idle"]);
                let one = cost(command, &self.ground.errors())?;
                if number >= WARM_UP {
                    costs.entry(runtime.name.clone()).or_default().push(one);
                }
            }
        }
        self.real().try_for_each(|runtime| self.end(runtime, id))?;
        Ok(vec![self.row(Case::Exec, "exec", costs)])
    }

    /// Many in a row: is the last quarter as quick as the first?
    fn sequential(&self) -> Result<Vec<Value>, Error> {
        let costs = self.runs("plain", self.runs * 7)?;
        let quarter = |which: fn(&[Cost]) -> &[Cost]| -> Costs {
            costs.iter().map(|(name, all)| (name.clone(), which(all).to_vec())).collect()
        };
        let first = quarter(|all| &all[..all.len() / 4]);
        let last = quarter(|all| &all[all.len() - all.len() / 4..]);
        Ok(vec![
            self.row(Case::Sequential, "run, the first quarter", first),
            self.row(Case::Sequential, "run, the last quarter", last),
        ])
    }

    /// Is it slower while others live?
    fn alive(&self) -> Result<Vec<Value>, Error> {
        let count = (self.runs * 2).min(50);
        let alone = self.runs("plain", self.runs)?;
        let ids: Vec<String> = (0..count).map(|number| format!("stage4-alive-{number}")).collect();
        for runtime in self.real() {
            ids.iter().try_for_each(|id| self.begin(runtime, id))?;
        }
        let beside = self.runs("plain", self.runs)?;
        for runtime in self.real() {
            ids.iter().try_for_each(|id| self.end(runtime, id))?;
        }
        Ok(vec![
            self.row(Case::Alive, "run, alone", alone),
            self.row(Case::Alive, &format!("run, {count} of each alive"), beside),
        ])
    }

    fn mounts(&self) -> Result<Vec<Value>, Error> {
        let row = |count: usize| {
            let costs = self.runs(&format!("mounts-{count}"), (self.runs / 3).max(2))?;
            Ok(self.row(Case::Mounts, &format!("run, {count} mounts"), costs))
        };
        bundle::MANY.into_iter().map(row).collect()
    }

    fn memory(&self) -> Result<Vec<Value>, Error> {
        let mut sides = Vec::new();
        for runtime in self.real() {
            let inner = runtime.run(&self.ground, "plain", "stage4-weighed")?;
            let mut command = Command::new(self.ground.0.join("weigh"));
            command.arg(inner.get_program()).args(inner.get_args());
            let kib: f64 = self.output(command)?.trim().parse().unwrap_or(f64::NAN);
            sides.push(json!({ "name": runtime.name, "peak_kib": kib }));
        }
        Ok(vec![json!({ "case": "memory", "what": "run, the largest process", "runs": 1, "sides": sides })])
    }

    fn calls(&self) -> Result<Vec<Value>, Error> {
        let (mut sides, file) = (Vec::new(), self.ground.0.join("calls"));
        for runtime in &self.runtimes {
            let inner = runtime.run(&self.ground, "plain", "stage4-traced")?;
            let mut command = Command::new("strace");
            command.arg("-fqco").arg(&file).arg(inner.get_program()).args(inner.get_args());
            self.output(command)?;
            sides.push(json!({ "name": runtime.name, "calls": total(&fs::read_to_string(&file)?) }));
        }
        Ok(vec![json!({ "case": "calls", "what": "run, system calls", "runs": 1, "sides": sides })])
    }

    fn output(&self, mut command: Command) -> Result<String, Error> {
        let errors = self.ground.errors();
        command.stdin(Stdio::null()).stderr(fs::File::create(&errors)?);
        let output = command.output()?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(failed(&command, &output.status.to_string(), &errors)),
        }
    }
}

/// Of each runtime, by its name.
type Costs = BTreeMap<String, Vec<Cost>>;

/// `100.00  0.001  1  1378  95 total`: the calls come before the errors, of which there may be none.
fn total(summary: &str) -> Option<u64> {
    let line = summary.lines().rev().find(|line| line.ends_with("total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

/// A process that was killed takes a moment to end.
fn until_gone(file: &Path) -> Result<(), Error> {
    let path = format!("/proc/{}/stat", fs::read_to_string(file)?.trim());
    let end = Instant::now() + Duration::from_secs(30);
    while fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z ")) {
        if Instant::now() > end {
            return Err(Error::Failed(format!("{path}: it was killed half a minute ago, and lives")));
        }
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn bench_counts_the_calls_of_a_summary() {
        let text = "% time seconds usecs/call calls errors syscall\n100.00 0.003 2 1378 95 total\n";
        assert_eq!(super::total(text), Some(1378));
        assert_eq!(super::total("100.00 0.003 2 13 total"), Some(13));
        assert_eq!(super::total(""), None);
    }
}
