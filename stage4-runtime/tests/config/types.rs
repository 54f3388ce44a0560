//! A value of the wrong type, at every place where there is a value.
//!
//! No kernel calls; RFC 8259. Book: "config.json, field by field" (`config`).
//! Invariant: a wrong value is refused by the path of itself, at every place that there is.

use super::complete;
use serde_json::{Value, json};
use stage4_runtime::config::{Config, Faults, parse};

/// A place: names and numbers, from the top on.
type Place = Vec<Step>;

#[derive(Clone)]
enum Step {
    Name(String),
    Number(usize),
}

fn places(value: &Value, here: &Place, all: &mut Vec<Place>) {
    let mut visit = |step, value| {
        let mut place = here.clone();
        place.push(step);
        all.push(place.clone());
        places(value, &place, all);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| visit(Step::Name(name.clone()), value)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(number, value)| visit(Step::Number(number), value))
        }
        _ => {}
    }
}

fn at<'a>(value: &'a mut Value, place: &[Step]) -> &'a mut Value {
    place.iter().fold(value, |value, step| match step {
        Step::Name(name) => &mut value[name],
        Step::Number(number) => &mut value[number],
    })
}

/// As the errors write it.
fn written(place: &[Step]) -> String {
    place.iter().fold(String::new(), |text, step| match step {
        Step::Number(number) => format!("{text}[{number}]"),
        Step::Name(name) if name.contains('.') => format!("{text}[{name:?}]"),
        Step::Name(name) if text.is_empty() => name.clone(),
        Step::Name(name) => format!("{text}.{name}"),
    })
}

/// Values that are none of `value`'s type.
fn wrong(value: &Value) -> Vec<Value> {
    let mut all =
        vec![Value::Null, json!(true), json!("x"), json!(1.5), json!(-1.0e300), json!([]), json!({})];
    all.push(json!([["x"], {"x": 1}]));
    all.retain(|other| std::mem::discriminant(other) != std::mem::discriminant(value) || other.is_f64());
    match value {
        // A list of texts is also wrong with numbers in it; that is tried at its entries.
        Value::Number(_) => all.push(json!("1")),
        Value::Bool(_) => all.push(json!(0)),
        _ => {}
    }
    all
}

fn read(value: &Value) -> Result<Config, Faults> {
    parse("config.json", value.to_string().as_bytes())
}

fn all_places() -> Vec<Place> {
    let mut all = Vec::new();
    places(&complete(), &Vec::new(), &mut all);
    all
}

#[test]
fn config_wrong_types_are_refused_by_their_path_everywhere() {
    let mut tried = 0;
    for place in all_places() {
        let original = at(&mut complete(), &place).clone();
        for wrong in wrong(&original) {
            let mut value = complete();
            *at(&mut value, &place) = wrong.clone();
            let faults = read(&value).expect_err(&format!("{} = {wrong} is taken", written(&place)));
            let [fault] = &faults.list[..] else { panic!("{faults}") };
            assert_eq!(fault.path, written(&place), "{wrong}: {fault}");
            tried += 1;
        }
    }
    assert!(tried > 2000, "{tried} tried");
}

#[test]
fn config_numbers_do_not_wrap_around() {
    for place in all_places() {
        let original = at(&mut complete(), &place).clone();
        for wrong in ["18446744073709551616", "-9223372036854775809", "1e3", "-0.0"] {
            if original.is_number() {
                let mut value = complete();
                *at(&mut value, &place) = json!("HERE");
                let text = value.to_string().replace("\"HERE\"", wrong);
                let faults = parse::<Config>("config.json", text.as_bytes()).expect_err(wrong);
                assert_eq!(faults.list[0].path, written(&place), "{wrong}: {faults}");
            }
        }
    }
}

#[test]
fn config_properties_that_must_be_there_are_asked_for_by_name() {
    let mut required = Vec::new();
    for place in all_places() {
        let Some((Step::Name(name), parent)) = place.split_last() else { continue };
        let mut value = complete();
        let removed = at(&mut value, parent).as_object_mut().unwrap().remove(name);
        assert!(removed.is_some());
        if let Err(faults) = read(&value) {
            let fault = &faults.list[0];
            assert_eq!(fault.path, written(parent), "{fault}");
            assert!(fault.what.contains(&format!("missing field `{name}`")), "{fault}");
            required.push(format!("{}.{name}", written(parent)));
        }
    }
    required.retain(|path| !path.contains("[1]") && !path.contains("[2]"));
    let expected = [
        ".ociVersion",
        "root.path",
        "process.cwd",
        "process.user.uid",
        "process.user.gid",
        "process.consoleSize.height",
        "process.consoleSize.width",
        "process.rlimits[0].type",
        "process.rlimits[0].soft",
        "process.rlimits[0].hard",
        "process.scheduler.policy",
        "process.ioPriority.class",
        "process.ioPriority.priority",
        "mounts[0].destination",
        "hooks.poststop[0].path",
        "linux.namespaces[0].type",
        "linux.uidMappings[0].containerID",
        "linux.uidMappings[0].hostID",
        "linux.uidMappings[0].size",
        "linux.devices[0].type",
        "linux.devices[0].path",
        "linux.resources.devices[0].allow",
        "linux.resources.blockIO.throttleReadBpsDevice[0].rate",
        "linux.resources.hugepageLimits[0].pageSize",
        "linux.resources.hugepageLimits[0].limit",
        "linux.resources.network.priorities[0].name",
        "linux.resources.network.priorities[0].priority",
        "linux.personality.domain",
        "linux.memoryPolicy.mode",
        "linux.seccomp.defaultAction",
        "linux.seccomp.syscalls[0].names",
        "linux.seccomp.syscalls[0].action",
    ];
    for path in expected {
        assert!(required.iter().any(|one| one == path), "{path} may be missing; not so: {required:?}");
    }
}

#[test]
fn config_names_that_are_none_are_answered_with_those_there_are() {
    let rows = [
        (
            "process.rlimits[0].type",
            "RLIMIT_FOO",
            "\"RLIMIT_FOO\" is not a resource of getrlimit(2) (one of RLIMIT_AS,",
        ),
        (
            "linux.namespaces[2].type",
            "nett",
            "\"nett\" is not a kind of namespace (one of pid, network, mount,",
        ),
        ("linux.devices[0].type", "x", "\"x\" is not a type of device (one of c, b, u, p)"),
        ("linux.resources.devices[1].type", "p", "is not a type of device in a rule (one of a, c, b)"),
        ("linux.rootfsPropagation", "Shared", "\"Shared\" is not a mount propagation"),
        ("linux.personality.domain", "BSD", "(one of LINUX, LINUX32)"),
        ("linux.memoryPolicy.mode", "MPOL_NO", "is not a memory policy"),
        ("linux.memoryPolicy.flags[0]", "MPOL_F_NO", "is not a flag of a memory policy"),
        ("process.scheduler.policy", "SCHED_NO", "is not a scheduling policy"),
        ("process.scheduler.flags[0]", "SCHED_FLAG_NO", "is not a scheduling flag"),
        ("process.ioPriority.class", "RT", "is not a class of I/O priorities"),
        ("linux.seccomp.defaultAction", "ALLOW", "(one of SCMP_ACT_KILL,"),
    ];
    for (path, name, words) in rows {
        let place = all_places().into_iter().find(|place| written(place) == path).expect(path);
        let mut value = complete();
        *at(&mut value, &place) = json!(name);
        let faults = read(&value).expect_err(path);
        assert_eq!(faults.list[0].path, path);
        assert!(faults.to_string().contains(words), "{faults}");
    }
    let mut value = complete();
    value["linux"]["timeOffsets"] = json!({"realtime": {"secs": 1}});
    let faults = read(&value).unwrap_err().to_string();
    assert!(
        faults.contains("\"realtime\" is not a clock with an offset (one of boottime, monotonic)"),
        "{faults}"
    );
}
