//! What a birth says that it did, held against what `explain` says that it will do.

use crate::ground::Bench;
use serde_json::{Value, json};
use std::fs;

/// All that has a deed of its own, as far as every machine has it.
fn whole(config: &mut Value) {
    let hook = json!([{ "path": "/bin/true" }]);
    for moment in ["prestart", "createRuntime", "createContainer", "poststart"] {
        config["hooks"][moment] = hook.clone();
    }
    config["hooks"]["startContainer"] = json!([{ "path": "/bin/true" }]);
    let linux = &mut config["linux"];
    linux["sysctl"] = json!({ "kernel.msgmax": "65536" });
    // In a clock of its own, ten days later: what init notes is the parent's time all the same.
    linux["timeOffsets"] = json!({ "monotonic": { "secs": 864_000 }, "boottime": { "secs": 864_000 } });
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// Of one of the two: each deed is told, and those that follow it are told after it.
fn agree(told: &[Value], trace: &[Value], who: &str) {
    let mut finger = 0;
    for deed in trace.iter().filter(|deed| deed["who"] == who) {
        let (act, field) = (text(deed, "act"), text(deed, "field"));
        let is = |step: &Value| step["act"] == act && text(step, "field").starts_with(field);
        let next = told[finger..].iter().position(is);
        finger += next.unwrap_or_else(|| panic!("not told, or told before what was done before it: {deed}"));
    }
    assert!(finger > 0, "{who} has done nothing");
}

/// None runs into the next of the same, nor before the first or after the last of all.
fn follow(trace: &[Value], who: &str) {
    let number = |deed: &Value, key: &str| deed[key].as_u64().unwrap_or_else(|| panic!("{key}: {deed}"));
    let mut last = 0;
    for deed in trace.iter().filter(|deed| deed["who"] == who) {
        let (begin, end) = (number(deed, "begin_ns"), number(deed, "end_ns"));
        assert!(last <= begin && begin <= end, "{last}: {deed}");
        last = end;
    }
}

fn deed<'a>(trace: &'a [Value], name: &str) -> &'a Value {
    trace.iter().find(|deed| deed["deed"] == name).unwrap_or_else(|| panic!("no {name:?}: {trace:#?}"))
}

fn traced(bench: &Bench, status: i32) -> Value {
    let (got, _, errors) = bench.call(&["run", "--trace", "trace.json", &bench.id()]);
    assert_eq!(got, status, "{errors}");
    bench.read("trace.json")
}

#[test]
fn explain_tells_what_a_trace_says_was_done_in_its_order() {
    let Some(bench) = Bench::new() else { return };
    bench.config("exit 7", whole);
    let trace = traced(&bench, 7);
    let trace = array(&trace);
    let told: Value = serde_json::from_str(&bench.output(&["explain", "--format", "json"])).unwrap();
    for who in ["parent", "init"] {
        agree(array(&told), trace, who);
        follow(trace, who);
    }
    assert!(trace.iter().all(|deed| deed["failed"] == false), "{trace:#?}");
    // Where one waits for the other.
    for (before, after) in [
        ("group", "mounts"),
        ("devices", "devices policy"),
        ("devices", "hooks prestart"),
        ("hooks createRuntime", "hooks createContainer"),
        ("execute", "hooks poststart"),
    ] {
        let (end, begin) = (&deed(trace, before)["end_ns"], &deed(trace, after)["begin_ns"]);
        assert!(end.as_u64() <= begin.as_u64(), "{before} {end}, {after} {begin}");
    }
    bench.nothing_is_left();
}

#[test]
fn explain_is_followed_in_a_user_namespace_under_a_filter_that_forbids_to_write() {
    let Some(bench) = Bench::new() else { return };
    bench.config("exit 7", |config| {
        let map = json!([{ "containerID": 0, "hostID": 0, "size": 65536 }]);
        let linux = &mut config["linux"];
        linux["namespaces"].as_array_mut().unwrap().push(json!({ "type": "user" }));
        (linux["uidMappings"], linux["gidMappings"]) = (map.clone(), map);
        linux["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["write", "clock_gettime"], "action": "SCMP_ACT_ERRNO" }]
        });
        // So that the filter comes as early as it can.
        config["process"]["noNewPrivileges"] = json!(false);
        config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "cgroup");
    });
    let trace = traced(&bench, 7);
    let told: Value = serde_json::from_str(&bench.output(&["explain", "--format", "json"])).unwrap();
    ["parent", "init"].iter().for_each(|who| agree(array(&told), array(&trace), who));
    let names = ["map ids", "become root", "last acts", "execute"];
    names.iter().for_each(|name| assert!(deed(array(&trace), name)["end_ns"].is_u64(), "{trace:#}"));
    bench.nothing_is_left();
}

#[test]
fn a_birth_that_fails_is_traced_until_then() {
    let Some(bench) = Bench::new() else { return };
    bench.config("true", |config| config["hooks"] = json!({"createContainer": [{"path": "/bin/false"}]}));
    let trace = traced(&bench, 1);
    let trace = array(&trace);
    let last = trace.last().unwrap();
    assert_eq!((&last["deed"], &last["failed"]), (&json!("hooks createContainer"), &json!(true)));
    assert_eq!(trace.iter().filter(|deed| deed["failed"] == true).count(), 1, "{trace:#?}");
    // Later than all that, and after the last that is told before it.
    bench.config("true", |config| config["process"]["args"] = json!(["nosuch"]));
    let trace = traced(&bench, 127);
    assert_eq!(array(&trace).last().unwrap()["deed"], "last acts");
    bench.nothing_is_left();
}

#[test]
fn a_trace_is_a_picture_that_is_well_formed() {
    let Some(bench) = Bench::new() else { return };
    bench.config("true", whole);
    bench.output(&["run", "--trace", "trace.svg", &bench.id()]);
    let picture = fs::read_to_string(bench.path("trace.svg")).unwrap();
    for word in
        [">parent</text>", ">init</text>", ">mounts</text>", " µs</text>", "prefers-color-scheme: dark"]
    {
        assert!(picture.contains(word), "{word}: {picture}");
    }
    let mut open = Vec::new();
    for tag in picture.split('<').skip(1) {
        let (tag, after) = tag.split_once('>').expect("a tag is closed");
        let name = tag.split([' ', '/']).next().unwrap();
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{picture}"),
            None if tag.ends_with('/') => (),
            None => open.push(name),
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert!(!after.contains('&') && !after.contains('>'), "{after}");
    }
    assert!(open.is_empty(), "{open:?}");
    bench.nothing_is_left();
}

#[test]
fn a_trace_by_another_name_is_a_wrong_command_line_and_one_without_room_a_warning() {
    let Some(bench) = Bench::new() else { return };
    bench.config("exit 7", |_| ());
    for name in ["trace", "trace.txt", "json", ".svg", ""] {
        let (status, _, errors) = bench.call(&["run", "--trace", name, &bench.id()]);
        assert!(status == 2 && errors.contains(".json or .svg is wanted"), "{name:?}: {status}: {errors}");
    }
    assert!(!bench.path("state").exists(), "nothing was begun");
    let (status, _, errors) = bench.call(&["run", "--trace", "nosuch/trace.svg", &bench.id()]);
    assert!(
        status == 7 && errors.contains("warning: --trace: ") && errors.contains("ENOENT"),
        "{status}: {errors}"
    );
    assert!(!bench.path("trace.svg").exists());
    bench.nothing_is_left();
}
