//! An agent that answers for system calls: told of its listener, asked, and obeyed.

use crate::ground::{Bench, until};
use crate::sys::{Answer, answer, next};
use nix::errno::Errno;
use serde_json::{Value, json};
use stage4_runtime::console::socket;
use stage4_runtime::seccomp::Arch;
use stage4_runtime::seccomp::syscalls::Syscall;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

/// Answers until its bench ends; keeps what it was told, and the names of the calls that it was asked about.
struct Agent {
    told: Arc<Mutex<Vec<Value>>>,
    asked: Arc<Mutex<Vec<&'static str>>>,
}

impl Agent {
    /// Listens at `agent` of the bench's directory, and decides by the name of the call.
    fn at(bench: &Bench, decide: fn(&str) -> Answer) -> Agent {
        let listener = UnixListener::bind(bench.path("agent")).unwrap();
        let agent = Agent { told: Arc::default(), asked: Arc::default() };
        let (told, asked) = (Arc::clone(&agent.told), Arc::clone(&agent.asked));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (filter, words) = socket::receive(connection.unwrap().as_fd()).unwrap();
                told.lock().unwrap().push(serde_json::from_str(&words).unwrap());
                let asked = Arc::clone(&asked);
                std::thread::spawn(move || {
                    while let Some(call) = next(filter.as_fd()) {
                        let name = Syscall::numbered(call.number as u32, Arch::native().unwrap());
                        let name = name.map_or("?", Syscall::name);
                        asked.lock().unwrap().push(name);
                        answer(filter.as_fd(), &call, decide(name));
                    }
                });
            }
        });
        agent
    }

    /// The last that it was told; the runtime does not wait until it has read.
    fn was_told(&self) -> Value {
        until("the agent has been told", || !self.told.lock().unwrap().is_empty());
        self.told.lock().unwrap().pop().unwrap()
    }

    fn was_asked_about(&self, name: &str) -> bool {
        self.asked.lock().unwrap().contains(&name)
    }
}

/// A profile that asks about `names`, and allows all else.
fn profile(bench: &Bench, names: &[&str]) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": bench.path("agent"),
        "listenerMetadata": "for you",
        "syscalls": [{ "names": names, "action": "SCMP_ACT_NOTIFY" }]
    })
}

fn refuses_directories(name: &str) -> Answer {
    if name.starts_with("mkdir") { Answer::Fail(Errno::EDQUOT) } else { Answer::Continue }
}

const MAKE: &str = "busybox mkdir /tmp/made 2>&1; pwd; true";

#[test]
fn an_agent_is_told_of_a_container_and_answers_for_it() {
    let Some(bench) = Bench::new() else { return };
    let agent = Agent::at(&bench, refuses_directories);
    for confined in [true, false] {
        bench.config(MAKE, |config| {
            config["process"]["noNewPrivileges"] = json!(confined);
            config["linux"]["seccomp"] = profile(&bench, &["mkdir", "mkdirat", "getcwd"]);
            config["annotations"] = json!({"a.b": "c"});
        });
        let id = bench.id();
        let said = bench.output(&["run", &id]);
        assert_eq!(said, "mkdir: can't create directory '/tmp/made': Disk quota exceeded\n/", "{confined}");
        let told = agent.was_told();
        assert_eq!((&told["fds"], &told["metadata"]), (&json!(["seccompFd"]), &json!("for you")));
        assert_eq!(told["ociVersion"], stage4_runtime::config::VERSION);
        assert_eq!((&told["state"]["id"], &told["state"]["annotations"]["a.b"]), (&json!(id), &json!("c")));
        assert_eq!(told["state"]["status"], if confined { "created" } else { "creating" });
        assert!(told["pid"].as_i64().unwrap() > 1 && told["pid"] == told["state"]["pid"], "{told}");
    }
    assert!(agent.was_asked_about("getcwd"));
    bench.nothing_is_left();
}

/// Whatever it takes to hand the listener over: the filter asks about that, too.
#[test]
fn an_agent_may_be_asked_about_any_call() {
    let Some(bench) = Bench::new() else { return };
    let agent = Agent::at(&bench, |_| Answer::Continue);
    for confined in [true, false] {
        bench.config("echo done", |config| {
            config["process"]["noNewPrivileges"] = json!(confined);
            let mut profile = profile(&bench, &["sendmsg", "sendto", "write", "execve", "wait4", "close"]);
            profile["flags"] = json!(["SECCOMP_FILTER_FLAG_LOG"]);
            config["linux"]["seccomp"] = profile;
        });
        assert_eq!(bench.output(&["run", &bench.id()]), "done");
        bench.config("echo done", |config| {
            config["process"]["noNewPrivileges"] = json!(confined);
            let mut profile = profile(&bench, &["read"]);
            profile["defaultAction"] = json!("SCMP_ACT_NOTIFY");
            config["linux"]["seccomp"] = profile;
        });
        assert_eq!(bench.output(&["run", &bench.id()]), "done");
    }
    assert!(["write", "execve", "wait4"].iter().all(|name| agent.was_asked_about(name)));
    bench.nothing_is_left();
}

#[test]
fn an_agent_is_told_by_start_and_by_exec() {
    let Some(bench) = Bench::new() else { return };
    let agent = Agent::at(&bench, refuses_directories);
    bench.config("sleep 1000", |config| {
        config["linux"]["seccomp"] = profile(&bench, &["mkdir", "mkdirat"]);
        let flags = json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
        let known = stage4_runtime::seccomp::install::known_flags();
        if known.iter().any(|flag| flags[0] == flag.name()) {
            config["linux"]["seccomp"]["flags"] = flags;
        }
    });
    let id = bench.id();
    bench.output(&["create", &id]);
    bench.output(&["start", &id]);
    let (pid, first) = (bench.pid(&id), agent.was_told());
    assert_eq!((&first["pid"], &first["state"]["status"]), (&json!(pid), &json!("created")));
    let script = format!("{MAKE}; ls /proc/self/fd; busybox grep -c State: /proc/1/task/1/status");
    let said = bench.output(&["exec", &id, "sh", "-c", &script]);
    assert!(said.contains("quota exceeded") && said.ends_with("0\n1\n2\n3\n1"), "{said}");
    let second = agent.was_told();
    assert_eq!((&second["state"]["pid"], &second["state"]["status"]), (&json!(pid), &json!("running")));
    assert!(second["pid"].as_i64().unwrap() > 1 && second["pid"] != json!(pid), "{second}");
    // The messenger has gone before the program came: nobody finds a child that he does not know.
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    assert_eq!(children, "");
    bench.end(&id);
    bench.nothing_is_left();
}

#[test]
fn an_agent_that_is_not_there_lets_nothing_run() {
    let Some(bench) = Bench::new() else { return };
    for (confined, names) in [(true, &["mkdir"][..]), (false, &["mkdir"]), (true, &["close", "exit_group"])] {
        bench.config("echo has run", |config| {
            config["process"]["noNewPrivileges"] = json!(confined);
            config["linux"]["seccomp"] = profile(&bench, names);
        });
        let (status, output, errors) = bench.call(&["run", &bench.id()]);
        assert_eq!((status, output.as_str()), (1, ""), "{errors}");
        assert!(errors.contains("connect(") && errors.contains("ENOENT"), "{errors}");
        assert!(errors.contains("linux.seccomp.listenerPath"), "{errors}");
        if confined {
            let id = bench.id();
            bench.output(&["create", &id]);
            assert_eq!(bench.call(&["start", &id]).0, 1);
            until("it has stopped", || bench.status(&id) == "stopped");
            bench.output(&["delete", &id]);
        }
    }
    bench.nothing_is_left();
}

#[test]
fn an_agent_that_goes_away_is_an_error_for_a_visitor() {
    let Some(bench) = Bench::new() else { return };
    let agent = Agent::at(&bench, refuses_directories);
    let id = bench.idle(|config| config["linux"]["seccomp"] = profile(&bench, &["mkdir"]));
    agent.was_told();
    std::fs::remove_file(bench.path("agent")).unwrap();
    let (status, output, errors) = bench.call(&["exec", &id, "echo", "has run"]);
    assert!(status == 255 && output.is_empty() && errors.contains("ENOENT"), "{status}: {errors}");
    bench.end(&id);
    bench.nothing_is_left();
}

#[test]
fn a_filter_that_refuses_wait4_is_refused_where_it_asks_an_agent() {
    let Some(bench) = Bench::new() else { return };
    bench.config("true", |config| {
        config["linux"]["seccomp"] = profile(&bench, &["mkdir"]);
        let rule = json!({ "names": ["wait4"], "action": "SCMP_ACT_ERRNO" });
        config["linux"]["seccomp"]["syscalls"].as_array_mut().unwrap().push(rule);
    });
    let (status, _, errors) = bench.call(&["create", &bench.id()]);
    assert!(status == 1 && errors.contains("wait4 is refused"), "{errors}");
    bench.nothing_is_left();
}
