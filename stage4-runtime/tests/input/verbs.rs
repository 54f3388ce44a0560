//! Verbs at the wrong time, of the wrong container, with the wrong words.
//!
//! runtime.md, "Operations". Book: "The life cycle" (`state`).
//! Invariant: the containers that there are live on as they were: same status, same process.

use crate::ground::{Bench, until};
use crate::host::Host;
use crate::rows::{Table, has_all};
use serde_json::{Value, json};
use std::fs;

/// A container in each state.
struct Containers {
    table: Table,
    created: String,
    running: String,
    paused: String,
    stopped: String,
}

impl Containers {
    fn new() -> Option<Containers> {
        let table = Table::new()?;
        table.write(&json!({"hooks": null, "process": {"args": ["sleep", "1000"]}}));
        let [created, running, paused, stopped] = [(); 4].map(|()| table.bench.id());
        table.bench.output(&["create", &created]);
        [&running, &paused, &stopped]
            .iter()
            .for_each(|id| drop(table.bench.output(&["run", "--detach", id])));
        table.bench.output(&["pause", &paused]);
        table.bench.output(&["kill", &stopped, "KILL"]);
        until("it has stopped", || table.bench.status(&stopped) == "stopped");
        // The program of whoever is started wrongly leaves a file; the bundle is the same for all.
        table.write(&json!({}));
        Some(Containers { table, created, running, paused, stopped })
    }

    fn states(&self) -> [(String, i32); 4] {
        [&self.created, &self.running, &self.paused, &self.stopped]
            .map(|id| (self.table.bench.status(id), self.table.bench.pid(id)))
    }

    /// `ID` in the arguments stands for the container's.
    fn refuse(&self, state: &str, arguments: &str, status: i32, words: &str) {
        let id = match state {
            "created" => &self.created,
            "running" => &self.running,
            "paused" => &self.paused,
            "stopped" => &self.stopped,
            _ => "nobody",
        };
        let words_of = |word| if word == "ID" { id } else { word };
        let arguments: Vec<_> = arguments.split(' ').map(words_of).collect();
        let row = format!("{state}: {words}");
        self.table
            .refuses_to(&arguments, &row, status, |told| assert!(told.contains(words), "{row}: {told}"));
    }

    /// All that was tried has changed nothing.
    fn end(self, before: [(String, i32); 4]) {
        assert_eq!(self.states(), before);
        let Containers { table: Table { bench, .. }, created, running, paused, stopped } = self;
        [created, running, paused, stopped]
            .iter()
            .for_each(|id| drop(bench.output(&["delete", "--force", id])));
        bench.nothing_is_left();
    }
}

#[test]
fn verbs_at_the_wrong_time_are_refused() {
    let Some(containers) = Containers::new() else { return };
    let before = containers.states();
    let unknown = "container nobody does not exist\nhint: `stage4-runtime list`";
    let exists = "container with given ID already exists: ";
    let mut rows: Vec<_> =
        ["state ID", "start ID", "kill ID", "delete ID", "pause ID", "resume ID", "ps ID", "update ID"]
            .map(|verb| ("unknown", verb, 1, unknown))
            .to_vec();
    for state in ["created", "running", "paused", "stopped"] {
        rows.extend([(state, "create ID", 1, exists), (state, "run ID", 1, exists)]);
    }
    rows.extend([
        ("unknown", "exec ID true", 255, unknown),
        ("unknown", "events --stats ID", 1, unknown),
        ("running", "start ID", 1, "container is not in created state"),
        ("paused", "start ID", 1, "container is not in created state"),
        ("stopped", "start ID", 1, "cannot start a container that has stopped"),
        ("stopped", "kill ID", 1, "container not running"),
        ("created", "delete ID", 1, "that is not stopped: created"),
        ("running", "delete ID", 1, "that is not stopped: running"),
        ("paused", "delete ID", 1, "that is not stopped: paused"),
        ("paused", "pause ID", 1, "container not running or created: paused"),
        ("stopped", "pause ID", 1, "container not running or created: stopped"),
        ("created", "resume ID", 1, "container not paused: created"),
        ("running", "resume ID", 1, "container not paused: running"),
        ("stopped", "resume ID", 1, "container not paused: stopped"),
        ("paused", "exec ID true", 255, "cannot exec in a paused container"),
        ("stopped", "exec ID true", 255, "cannot exec in a stopped container"),
        ("stopped", "update --pids-limit 5 ID", 1, "container not running"),
        ("stopped", "events --stats ID", 1, "is not running"),
        ("running", "exec ID nosuch", 127, "executable file not found in $PATH"),
        ("running", "exec ID /etc", 126, "permission denied"),
        ("running", "exec --cwd /nosuch ID true", 255, "process.cwd"),
    ]);
    rows.iter().for_each(|(state, arguments, status, words)| {
        containers.refuse(state, arguments, *status, words);
    });
    containers.end(before);
}

/// What `exec` and `update` are given is read as a config.json is.
#[test]
fn parts_of_a_configuration_are_refused_as_the_whole_is() {
    let Some(containers) = Containers::new() else { return };
    let before = containers.states();
    let bench = &containers.table.bench;
    let process = |patch: Value| {
        let mut process = json!({"cwd": "/", "args": ["true"], "user": {"uid": 0, "gid": 0}});
        crate::merge::merge(&mut process, patch);
        process.to_string()
    };
    for (text, words) in [
        (String::new(), "part: the file is empty"),
        ("null".to_owned(), "part: invalid type: null, expected an object"),
        (process(json!({})) + "x", "part: no JSON: trailing characters"),
        (process(json!({"cwd": "tmp"})), "part: cwd: \"tmp\" is no absolute path [config.md, Process]"),
        (process(json!({"args": []})), "part: args: is empty or missing"),
        (process(json!({"env": ["A"]})), "part: env[0]: \"A\" is no NAME=VALUE"),
        (process(json!({"args": ["a\0"]})), "part: args[0]: holds NUL"),
        (
            process(json!({"rlimits": [{"type": "X", "hard": 1, "soft": 1}]})),
            "part: rlimits[0].type: \"X\" is not",
        ),
    ] {
        fs::write(bench.path("part"), text).unwrap();
        containers.refuse("running", "exec --process part ID", 255, words);
    }
    for (text, words) in [
        ("[]", "part: invalid type: sequence, expected an object"),
        ("{\"pids\": {\"limit\": -2}}", "part: pids.limit: -2 is not from 0"),
        ("{\"cpu\": {\"cpus\": \"8000\"}}", "cpuset.cpus\", \"8000\")"),
        ("{\"unified\": {\"cgroup.kill\": \"1\"}}", "part: unified[\"cgroup.kill\"]: "),
    ] {
        fs::write(bench.path("part"), text).unwrap();
        containers.refuse("running", "update --resources part ID", 1, words);
    }
    fs::File::create(bench.path("part")).unwrap().set_len((32 << 20) + 1).unwrap();
    for (arguments, status, words) in [
        ("exec --process part ID", 255, "\"part\" is longer than 32 MiB"),
        ("exec --process nosuch ID", 255, "open(\"nosuch\"): ENOENT"),
        ("update --resources nosuch ID", 1, "open(\"nosuch\"): ENOENT"),
        ("update --resources /dev/zero ID", 1, "\"/dev/zero\" is longer than 32 MiB"),
    ] {
        containers.refuse("running", arguments, status, words);
    }
    containers.end(before);
}

/// Whatever the verb: an id is refused before anything is looked for.
#[test]
fn ids_that_are_no_plain_names_are_refused() {
    let Some(bench) = Bench::for_anybody() else { return };
    let before = Host::look(&bench);
    let long = "x".repeat(256);
    for id in ["", ".", "..", "a/b", "../a", "/a", "a\nb", "a b", "a:b", "a\\b", "*", "é", "%00", &long] {
        for words in ["create", "run", "state", "delete --force", "exec"] {
            let arguments: Vec<_> =
                words.split(' ').chain([id]).chain((words == "exec").then_some("true")).collect();
            let (status, output, errors) = bench.call(&arguments);
            assert_eq!((status, output.as_str()), (2, ""), "{words} {id:?}: {errors}");
            assert!(errors.contains("invalid container ID") || id.is_empty(), "{words} {id:?}: {errors}");
        }
        before.is_as_before(&bench, id);
    }
}

/// Nothing is made by whoever only asks, or does not know what he asks for.
#[test]
fn verbs_without_any_container_make_nothing() {
    let Some(bench) = Bench::for_anybody() else { return };
    let before = Host::look(&bench);
    for (words, status, told) in [
        ("state nobody", 1, "container nobody does not exist"),
        ("start nobody", 1, "container nobody does not exist"),
        ("kill nobody", 1, "container nobody does not exist"),
        ("delete nobody", 1, "container nobody does not exist"),
        ("delete --force nobody", 0, ""),
        ("list --quiet", 0, ""),
        ("kill nobody NOSUCH", 2, "unknown signal"),
        ("kill nobody 65", 2, "unknown signal"),
        ("create", 2, "ID"),
        ("create --bundle nosuch nobody", 1, "O_PATH|O_DIRECTORY): ENOENT"),
        ("create --bundle rootfs/bin/busybox nobody", 1, "O_PATH|O_DIRECTORY): ENOTDIR"),
        ("create --bundle rootfs nobody", 1, "hint: `stage4-runtime spec` writes one"),
        ("create --preserve-fds 500 nobody", 1, "not open"),
        ("run --trace nobody.txt nobody", 2, "a name that ends in .json or .svg is wanted"),
    ] {
        let (got, _, errors) = bench.call(&words.split(' ').collect::<Vec<_>>());
        assert!(got == status && errors.contains(told), "{words}: {got}: {errors}");
        before.is_as_before(&bench, words);
    }
}

#[test]
fn what_surrounds_a_container_is_asked_for_before_it_is_made() {
    let Some(table) = Table::new() else { return };
    fs::create_dir(table.bench.path("state")).unwrap();
    let id = table.bench.id();
    table.write(&json!({"hooks": null}));
    let refuses = |options: &[&str], words: &'static [&'static str]| {
        let arguments = [&["create"], options, &[&id]].concat();
        table.refuses_to(&arguments, "surroundings", 1, |told| has_all(told, words, &format!("{options:?}")));
    };
    refuses(&["--pid-file", "nosuch/pid"], &["\"nosuch/pid.next\"): ENOENT", "--pid-file"]);
    refuses(&["--console-socket", "nosuch"], &["--console-socket: the process has no terminal"]);
    table.write(&json!({"hooks": null, "process": {"terminal": true}}));
    refuses(&[], &["cannot allocate a terminal", "--console-socket SOCKET"]);
    refuses(&["--console-socket", "nosuch"], &["connect(\"nosuch\"): ENOENT", "--console-socket"]);
    refuses(&["--console-socket", "config.json"], &["connect(\"config.json\"): ECONNREFUSED"]);
}

/// A program that is found when it is created, and gone or kept from running when it is started.
#[test]
fn starts_that_fail_leave_a_container_that_has_stopped() {
    let Some(table) = Table::new() else { return };
    let bench = &table.bench;
    let script = |script: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
    for (hooks, words) in [
        (
            json!({"startContainer": script("echo sorry; exit 3")}),
            "hooks.startContainer[0] (\"/bin/sh\") failed with status 3: sorry",
        ),
        (
            json!({"poststart": script("echo sorry; exit 3")}),
            "hooks.poststart[0] (\"/bin/sh\") failed with status 3: sorry",
        ),
    ] {
        let mut patch = json!({"hooks": {"prestart": null, "createRuntime": null, "createContainer": null}, "process": {"args": ["sleep", "1000"]}});
        crate::merge::merge(&mut patch["hooks"], hooks);
        table.write(&patch);
        let id = bench.id();
        bench.output(&["create", &id]);
        let (status, _, errors) = bench.call(&["start", &id]);
        assert!(status == 1 && errors.contains(words), "{status}: {errors}");
        until("it has stopped", || bench.status(&id) == "stopped");
        bench.output(&["delete", &id]);
        bench.nothing_is_left();
        let before = Host::look(bench);
        let (status, _, errors) = bench.call(&["run", &id]);
        assert!(status == 1 && errors.contains(words), "{status}: {errors}");
        before.is_as_before(bench, words);
        let (status, _, errors) = bench.call(&["run", "--detach", &id]);
        assert!(status == 1 && errors.contains(words), "{status}: {errors}");
        before.is_as_before(bench, words);
    }
}
