//! A table: what is changed in a configuration that is good, and what the command says to it.
//!
//! No kernel calls of its own. Book: "How it is tested".
//! Invariant: each row is tried with `create` and with `run`, and the host is compared after each.

use crate::ground::Bench;
use crate::host::{Host, alone};
use crate::merge::merge;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs;

/// A bench whose configuration is good.
pub struct Table {
    pub bench: Bench,
    good: Value,
}

/// What is changed ([`merge`]; `NAME` stands for the bench's); the path of the fault; its value and rule; who says so.
pub type Row = (Value, &'static str, &'static str, &'static str);

/// What is changed; words of the error.
pub type Cannot = (Value, &'static [&'static str]);

pub fn process(patch: Value) -> Value {
    json!({ "process": patch })
}

pub fn linux(patch: Value) -> Value {
    json!({ "linux": patch })
}

impl Table {
    /// For rules, which are the same for everybody.
    pub fn for_anybody() -> Option<Table> {
        Bench::for_anybody().map(Table::on)
    }

    pub fn new() -> Option<Table> {
        Bench::new().map(Table::on)
    }

    /// The program, and every hook that would run before it, leave a file.
    fn on(bench: Bench) -> Table {
        alone();
        bench.config("echo ran > /shared/ran; exit 7", |config| {
            let shared = json!({"destination": "/shared", "type": "bind", "source": bench.path("shared"), "options": ["bind"]});
            config["mounts"].as_array_mut().unwrap().push(shared);
            let script = format!("echo ran > {}", bench.path("shared/hook").display());
            let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
            config["hooks"] = json!({"prestart": hook, "createRuntime": hook, "createContainer": hook});
            // What a row adds of these is to be the only one.
            config["linux"].as_object_mut().unwrap().remove("seccomp");
            let added = |kind: &Value| kind == "cgroup" || kind == "time";
            config["linux"]["namespaces"].as_array_mut().unwrap().retain(|one| !added(&one["type"]));
        });
        Table { good: bench.read("config.json"), bench }
    }

    /// The text of the good configuration, changed.
    pub fn text(&self, patch: &Value) -> String {
        let mut config = self.good.clone();
        merge(&mut config, patch.clone());
        config.to_string().replace("NAME", self.bench.name())
    }

    pub fn write(&self, patch: &Value) {
        fs::write(self.bench.path("config.json"), self.text(patch)).unwrap();
    }

    /// What is there behind the good configuration's.
    pub fn and(&self, list: &str, entry: Value) -> Value {
        let list = self.good.pointer(list).unwrap_or(&Value::Null).as_array().cloned().unwrap_or_default();
        list.into_iter().chain([entry]).collect()
    }

    /// Both verbs end with `status`, and the host is as before; `told` looks at what they say behind their names.
    pub fn refuses(&self, row: &str, status: i32, told: impl Fn(&str)) {
        for verb in ["create", "run"] {
            self.refuses_to(&[verb, &self.bench.id()], row, status, &told);
        }
    }

    /// The same of any command.
    pub fn refuses_to(&self, arguments: &[&str], row: &str, status: i32, told: impl Fn(&str)) {
        let before = Host::look(&self.bench);
        let (got, output, errors) = self.bench.call(arguments);
        assert_eq!((got, output.as_str()), (status, ""), "{row}: {arguments:?}: {errors}");
        let verb = format!("stage4-runtime: {}: ", arguments[0]);
        told(errors.strip_prefix(&verb).unwrap_or_else(|| panic!("{row}: {errors}")));
        before.is_as_before(&self.bench, &format!("{row}: {arguments:?}"));
    }

    /// What the machine cannot do, or somebody else has made so: found when something is begun already. Its own hooks
    /// run before that, and are taken away.
    pub fn cannot_do_each(&self, rows: Vec<Cannot>) {
        fs::create_dir(self.bench.path("state")).ok();
        for (mut patch, words) in rows {
            let hooks = patch.get("hooks").cloned().unwrap_or(Value::Null);
            patch["hooks"] = json!({"prestart": null, "createRuntime": null, "createContainer": null});
            merge(&mut patch["hooks"], hooks);
            self.write(&patch);
            self.refuses(&patch.to_string(), 1, |told| has_all(told, words, &patch.to_string()));
        }
    }

    /// One error, which names path, value, rule and source, and nothing was begun: not even the directory of state.
    pub fn refuses_each(&self, rows: Vec<Row>) {
        let wrong = RefCell::new(Vec::new());
        for (patch, path, words, source) in rows {
            self.write(&patch);
            let row = patch.to_string().chars().take(200).collect::<String>();
            self.refuses(&row, 1, |told| {
                let fault = told.lines().next().and_then(|line| line.strip_prefix("config.json: "));
                let what = fault.and_then(|fault| fault.strip_prefix(&format!("{path}: ")));
                let what = what.and_then(|what| what.strip_suffix(&format!(" [{source}]")));
                if !what.is_some_and(|what| what.contains(words)) {
                    wrong.borrow_mut().push(format!("{row}: wanted is {path}: {words} [{source}]: {told}"));
                }
            });
        }
        assert!(wrong.borrow().is_empty(), "{}", wrong.borrow().join("\n"));
        assert!(!self.bench.path("state").exists(), "a directory of state was made");
    }
}

/// An error without a hint says what failed, and not what to do.
pub fn has_all(told: &str, words: &[&str], row: &str) {
    let missing: Vec<_> = words.iter().chain(&["\nhint: "]).filter(|word| !told.contains(**word)).collect();
    assert!(missing.is_empty(), "{row}: without {missing:?}: {told}");
}
