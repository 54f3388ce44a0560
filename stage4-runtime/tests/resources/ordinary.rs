//! Ordinary users: with groups that were given to them their limits hold; without, who asks for limits is refused.

use crate::ground::{BINARY, Bench, is_root, until};
use crate::group::{layout, only_in_version_2};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

const USER: u32 = 61_236;

/// An ordinary user at a bench: ourselves, or one that root plays.
struct Ordinary<'a> {
    bench: &'a Bench,
    /// The group that the commands are in, where one was made.
    group: Option<PathBuf>,
}

impl<'a> Ordinary<'a> {
    /// Without a group of his own.
    fn new(bench: &'a Bench) -> Self {
        if is_root() {
            let given = Command::new("chown").args(["-R", &USER.to_string()]).arg(bench.path("")).status();
            assert!(given.unwrap().success());
        }
        Ordinary { bench, group: None }
    }

    /// With a group that was given to him, as systemd gives a scope: he sits in one inside it.
    fn with_group(bench: &'a Bench) -> Self {
        let unified = layout().unified().unwrap().clone();
        let given = match is_root() {
            true => unified.mount.join(format!("stage4-given-{}", std::process::id())),
            false => unified.mount.join(unified.here.unwrap().trim_start_matches('/')),
        };
        let leaf = given.join("stage4-leaf");
        match is_root() {
            true => {
                fs::create_dir(&given).unwrap();
                fs::create_dir(&leaf).unwrap();
                for file in
                    ["", "cgroup.procs", "cgroup.subtree_control", "stage4-leaf", "stage4-leaf/cgroup.procs"]
                {
                    chown(given.join(file), Some(USER), Some(USER)).unwrap();
                }
            }
            false => {
                fs::create_dir(&leaf).unwrap();
                let all = fs::read_to_string(given.join("cgroup.procs")).unwrap();
                all.lines().for_each(|pid| fs::write(leaf.join("cgroup.procs"), pid).unwrap());
            }
        }
        Ordinary { group: Some(leaf), ..Self::new(bench) }
    }

    fn call(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new("sh");
        let enter = "[ -z \"$0\" ] || echo $$ > $0/cgroup.procs; exec \"$@\"";
        let group = self.group.as_ref().filter(|_| is_root());
        command.args(["-c", enter]).arg(group.map_or(PathBuf::new(), PathBuf::clone));
        if is_root() {
            let ids = [format!("--reuid={USER}"), format!("--regid={USER}")];
            command.arg("setpriv").args(ids).args(["--clear-groups", "--bounding-set=-all"]);
        }
        command.args([BINARY, "--root"]).arg(self.bench.path("home")).args(arguments);
        command.current_dir(self.bench.path(""));
        self.bench.watch(command)
    }

    fn output(&self, arguments: &[&str]) -> String {
        let (status, output, errors) = self.call(arguments);
        assert_eq!(status, 0, "{arguments:?}: {errors}");
        output.trim().to_owned()
    }

    /// False: the built command is out of his reach, which has been said.
    fn config(&self, script: &str, edit: impl FnOnce(&mut Value)) -> bool {
        fs::remove_file(self.bench.path("config.json")).ok();
        let (status, _, errors) = self.call(&["spec", "--rootless"]);
        if status != 0 && errors.contains("Permission denied") {
            crate::ground::skip("an ordinary user may not execute the built command");
            return false;
        }
        assert_eq!(status, 0, "{errors}");
        let mut config = self.bench.read("config.json");
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["sh", "-c", script]);
        edit(&mut config);
        fs::write(self.bench.path("config.json"), config.to_string()).unwrap();
        true
    }
}

impl Drop for Ordinary<'_> {
    fn drop(&mut self) {
        let given = self.group.as_ref().and_then(|leaf| leaf.parent()).filter(|_| is_root());
        if let Some(given) = given {
            self.call(&["delete", "--force", "stage4-limited"]);
            fs::remove_dir(given.join("stage4-leaf")).and_then(|()| fs::remove_dir(given)).unwrap();
        }
    }
}

fn bench() -> Option<Bench> {
    if fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|most| most.trim() == "0") {
        crate::ground::skip("user namespaces are off: user.max_user_namespaces is 0");
        return None;
    }
    Bench::for_anybody()
}

#[test]
fn an_ordinary_user_with_a_group_has_limits_and_all_that_groups_are_for() {
    let Some(()) = only_in_version_2("nothing of version 1 is given away") else { return };
    let Some(bench) = bench() else { return };
    let user = Ordinary::with_group(&bench);
    let limited = |config: &mut Value| {
        config["linux"]["resources"] = json!({"pids": {"limit": 21}, "memory": {"limit": 32 << 20},
            "devices": [{"allow": false, "access": "rwm"}]});
    };
    if !user.config("sleep 1000", limited) {
        return;
    }
    user.output(&["run", "--detach", "stage4-limited"]);
    let told = |user: &Ordinary<'_>| -> Value {
        serde_json::from_str(&user.output(&["events", "--stats", "stage4-limited"])).unwrap()
    };
    assert_eq!(told(&user)["data"]["pids"], json!({"current": 1, "limit": 21}));
    assert_eq!(told(&user)["data"]["memory"]["usage"]["limit"], 32 << 20);
    user.output(&["update", "--pids-limit", "22", "stage4-limited"]);
    assert_eq!(told(&user)["data"]["pids"]["limit"], 22);
    assert_eq!(user.output(&["exec", "stage4-limited", "cat", "/sys/fs/cgroup/pids.max"]), "22");
    user.output(&["pause", "stage4-limited"]);
    let state: Value = serde_json::from_str(&user.output(&["state", "stage4-limited"])).unwrap();
    assert_eq!(state["status"], "paused");
    user.output(&["resume", "stage4-limited"]);
    user.output(&["kill", "--all", "stage4-limited", "KILL"]);
    until("it has stopped", || user.output(&["state", "stage4-limited"]).contains("stopped"));
    user.output(&["delete", "stage4-limited"]);
    drop(user);
    bench.nothing_is_left();
}

#[test]
fn an_ordinary_user_without_a_group_is_refused_limits_and_nothing_else() {
    let Some(bench) = bench() else { return };
    if !is_root() && layout().kind() == stage3_cgroups::layout::Kind::V2 {
        return observe::skip::skip_for(observe::skip::Runner::Root, "no group", "one was given to us here");
    }
    let user = Ordinary::new(&bench);
    if !user.config("exit 7", |_| ()) {
        return;
    }
    assert_eq!(user.call(&["run", "stage4-unlimited"]).0, 7);
    for limit in [json!({"pids": {"limit": 21}}), json!({"memory": {"limit": 32 << 20}})] {
        user.config("exit 7", |config| config["linux"]["resources"] = limit);
        let (status, _, errors) = user.call(&["run", "stage4-unlimited"]);
        assert!(status == 1 && errors.contains("hint"), "{status}: {errors}");
        assert_eq!(user.output(&["list", "-q"]), "", "nothing of it is left");
    }
    bench.nothing_is_left();
}

#[test]
fn an_ordinary_users_visitor_has_the_score_that_is_planned() {
    let Some(bench) = bench() else { return };
    let user = Ordinary::new(&bench);
    if !user.config("sleep 1000", |config| config["process"]["oomScoreAdj"] = json!(500)) {
        return;
    }
    user.output(&["run", "--detach", "stage4-scored"]);
    assert_eq!(user.output(&["exec", "stage4-scored", "cat", "/proc/self/oom_score_adj"]), "500");
    let mut process = bench.read("config.json")["process"].clone();
    process["args"] = json!(["cat", "/proc/self/oom_score_adj"]);
    process["oomScoreAdj"] = json!(700);
    fs::write(bench.path("process.json"), process.to_string()).unwrap();
    assert_eq!(user.output(&["exec", "--process", "process.json", "stage4-scored"]), "700");
    process["oomScoreAdj"] = json!(-900);
    fs::write(bench.path("process.json"), process.to_string()).unwrap();
    let (status, _, errors) = user.call(&["exec", "--process", "process.json", "stage4-scored"]);
    assert!(status == 255 && errors.contains("oomScoreAdj"), "{status}: {errors}");
    user.output(&["delete", "--force", "stage4-scored"]);
    bench.nothing_is_left();
}

/// The beginning of the range that /etc/subuid grants to `name`.
fn subordinate(name: &str) -> Option<u32> {
    let text = fs::read_to_string("/etc/subuid").ok()?;
    let range = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")))?;
    range.split(':').next()?.parse().ok()
}

#[test]
fn an_ordinary_user_with_subordinate_ids_has_many_users_inside() {
    if is_root() {
        let only = "root maps what he likes";
        return observe::skip::skip_for(observe::skip::Runner::Ordinary, "subordinate ids", only);
    }
    let Some(bench) = bench() else { return };
    let own = nix::unistd::geteuid().as_raw();
    let Some(first) = subordinate(&std::env::var("USER").unwrap_or_default()) else {
        return crate::ground::skip("no subordinate ids are granted in /etc/subuid: usermod --add-subuids");
    };
    let user = Ordinary::new(&bench);
    let ranges = json!([{"containerID": 0, "hostID": own, "size": 1},
        {"containerID": 1, "hostID": first, "size": 1000}]);
    let edit = |config: &mut Value| {
        config["process"]["user"] = json!({"uid": 5, "gid": 6, "additionalGids": [7]});
        config["linux"]["uidMappings"] = ranges.clone();
        config["linux"]["gidMappings"] = ranges.clone();
    };
    assert!(user.config("id; sleep 1000", edit));
    user.output(&["run", "--detach", "stage4-mapped"]);
    assert_eq!(user.output(&["exec", "stage4-mapped", "id"]), "uid=5 gid=6 groups=7");
    let state: Value = serde_json::from_str(&user.output(&["state", "stage4-mapped"])).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", state["pid"])).unwrap();
    assert!(status.contains(&format!("Uid:\t{}", first + 4)), "{status}");
    user.output(&["delete", "--force", "stage4-mapped"]);
    bench.nothing_is_left();
}
