//! Commands, errors, exit codes: what callers of the command rely on, and what a reader types.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

mod ground;

use assert_cmd::Command;
use ground::{BINARY, Bench};
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn stage4(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments);
    command
}

#[test]
fn its_version_is_said_in_the_words_that_docker_reads_and_is_the_specifications_newest() {
    let features: Value = serde_json::from_slice(&stage4(&["features"]).output().unwrap().stdout).unwrap();
    let newest = features["ociVersionMax"].as_str().unwrap();
    let told = format!("stage4-runtime version {}\nspec: {newest}\n", env!("CARGO_PKG_VERSION"));
    stage4(&["--version"]).assert().success().stdout(told);
}

#[test]
fn spec_writes_a_configuration_once_and_never_over_another() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().to_str().unwrap();
    stage4(&["spec", "--bundle", bundle]).assert().success();
    let config: Value =
        serde_json::from_slice(&fs::read(directory.path().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["process"]["args"], serde_json::json!(["sh"]));
    stage4(&["spec", "--bundle", bundle]).assert().code(1).stderr(contains("EEXIST"));
}

#[test]
fn spec_writes_what_differs_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().to_str().unwrap();
    let spec = |arguments: &[&str]| stage4(&[&["spec", "--bundle", bundle], arguments].concat());
    for (wrong, code, phrase) in [
        (&["--set", "hostname"][..], 2, "PATH=VALUE is wanted"),
        (&["--set", "hostname=x\n"], 1, "hostname"),
        (&["--set", "hostnam=x"], 1, "--set hostnam: the specification knows no such property"),
        (&["--remove", "linux.namespaces[net]"], 1, "hint: there are: pid, network"),
    ] {
        spec(wrong).assert().code(code).stderr(contains(phrase));
        assert!(!directory.path().join("config.json").exists(), "{wrong:?}");
    }
    spec(&["--remove", "linux.namespaces[network]", "--set", "hostname=box", "--", "probe", "facts"])
        .assert()
        .success();
    let config: Value =
        serde_json::from_slice(&fs::read(directory.path().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["hostname"], "box");
    assert_eq!(config["process"]["args"], serde_json::json!(["probe", "facts"]));
    let namespaces = config["linux"]["namespaces"].as_array().unwrap();
    let kinds: Vec<_> = namespaces.iter().map(|namespace| namespace["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..4], ["pid", "ipc", "uts", "mount"]);
    // What came later is asked for where the kernel has it.
    let later = ["cgroup", "time"].into_iter().filter(|kind| Path::new("/proc/self/ns").join(kind).exists());
    assert_eq!(kinds[4..], later.collect::<Vec<_>>());
    assert_eq!(config["linux"]["seccomp"]["defaultAction"], "SCMP_ACT_ALLOW");
}

#[test]
fn features_with_debug_log_what_was_done_and_without_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let to = ["--log", log.to_str().unwrap(), "--log-format", "json"];
    stage4(&[&to[..], &["features"]].concat()).assert().success();
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    stage4(&[&to[..], &["--debug", "features"]].concat()).assert().success().stderr("");
    let text = fs::read_to_string(&log).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["level"], &last["msg"]), (&"debug".into(), &"features: done, exit status 0".into()));
}

#[test]
fn features_are_the_kernels_and_ours() {
    let output = stage4(&["features"]).assert().success().get_output().stdout.clone();
    let features: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(features["ociVersionMin"], "1.0.0");
    assert_eq!(features["hooks"].as_array().unwrap().len(), 6);
    let kinds: Vec<_> = features["linux"]["namespaces"].as_array().unwrap().iter().collect();
    let time = std::path::Path::new("/proc/self/ns/time").exists();
    assert_eq!(kinds.contains(&&serde_json::json!("time")), time, "{kinds:?}");
    assert_eq!(features["linux"]["cgroup"]["systemd"], false);
}

#[test]
fn wrong_command_lines_are_refused_before_anything_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    let home = home.to_str().unwrap();
    for (arguments, code, phrase) in [
        (&["state", "a/b"][..], 2, "invalid container ID"),
        (&["state", ".."], 2, "invalid container ID"),
        (&["kill", "x", "NOSUCH"], 2, "unknown signal"),
        (&["--systemd-cgroup", "list"], 1, "cgroupfs"),
        (&["--rootless", "perhaps", "list"], 2, "auto"),
        (&["exec", "x"], 2, "COMMAND"),
        (&["exec", "--user", "root", "x", "true"], 2, "is not a number"),
        (&["update", "--memory", "much", "x"], 2, "much"),
        (&["create", "--preserve-fds", "500", "x"], 1, "not open"),
    ] {
        stage4(&["--root", home]).args(arguments).assert().code(code).stderr(contains(phrase));
    }
    assert!(fs::metadata(home).is_err(), "no directory of state was made");
}

#[test]
fn the_last_line_of_the_log_is_the_error_alone() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let home = directory.path().join("home");
    let arguments =
        ["--root", home.to_str().unwrap(), "--log", log.to_str().unwrap(), "--log-format", "json"];
    stage4(&arguments).args(["state", "nobody"]).assert().code(1);
    let text = fs::read_to_string(&log).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["level"], &last["msg"]), (&"error".into(), &"container nobody does not exist".into()));
    assert!(last["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn lists_are_tables_objects_or_names() {
    let Some(bench) = Bench::new() else { return };
    assert_eq!(bench.output(&["list", "--format", "json"]), "[]");
    assert_eq!(bench.output(&["list", "-q"]), "");
    let id = bench.idle(|_| ());
    assert_eq!(bench.output(&["list", "-q"]), id);
    let list: Value = serde_json::from_str(&bench.output(&["list", "--format", "json"])).unwrap();
    let keys: Vec<_> = list[0].as_object().unwrap().keys().cloned().collect();
    for key in ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "owner"] {
        assert!(keys.iter().any(|known| known == key), "{key}: {keys:?}");
    }
    bench.end(&id);
    bench.nothing_is_left();
}

/// All verbs but the hidden one, as the command itself lists them.
fn verbs() -> Vec<String> {
    let help = stage4(&["--help"]).assert().success().get_output().stdout.clone();
    let help = String::from_utf8(help).unwrap();
    let lines = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn completions_and_manual_pages_are_generated() {
    for shell in ["bash", "zsh", "fish"] {
        let completions = stage4(&["generate", "completions", shell]).assert().success();
        let text = String::from_utf8(completions.get_output().stdout.clone()).unwrap();
        verbs().iter().for_each(|verb| assert!(text.contains(verb.as_str()), "{shell}: {verb}"));
    }
    let directory = tempfile::tempdir().unwrap();
    stage4(&["generate", "man", directory.path().to_str().unwrap()]).assert().success();
    for verb in verbs() {
        let page = directory.path().join(format!("stage4-runtime-{verb}.1"));
        let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
        assert!(text.contains(".SH SYNOPSIS") && text.contains("Example"), "{verb}: {text}");
    }
}

#[test]
fn every_verb_has_a_help_with_its_options_and_an_example() {
    let verbs = verbs();
    assert!(verbs.len() >= 17, "{verbs:?}");
    for verb in verbs {
        let help = stage4(&[&verb, "--help"]).assert().success();
        help.stdout(contains("Usage: stage4-runtime")).stdout(contains(format!("stage4-runtime {verb}")));
        let help = stage4(&[&verb, "--help"]).assert().get_output().stdout.clone();
        assert!(String::from_utf8(help).unwrap().contains("Example"), "{verb}");
    }
}
