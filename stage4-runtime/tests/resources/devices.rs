//! Rules for devices: by a list in version 1, by a program in version 2.

use crate::ground::Bench;
use serde_json::{Value, json};

/// Everybody may write into the kernel's log, but for the group (drivers/char/mem.c, 1:11).
fn with_a_device(config: &mut Value, access: &str) {
    config["linux"]["devices"] =
        json!([{"path": "/dev/msg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]);
    config["linux"]["resources"]["devices"] = rules(access);
}

fn rules(access: &str) -> Value {
    let mut rules = vec![json!({"allow": false, "access": "rwm"})];
    if !access.is_empty() {
        rules.push(json!({"allow": true, "type": "c", "major": 1, "minor": 11, "access": access}));
    }
    Value::Array(rules)
}

#[test]
fn devices_are_opened_as_the_rules_say_and_an_update_changes_them() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|config| with_a_device(config, "w"));
    let opens = |script: &str| {
        let (status, _, errors) = bench.call(&["exec", &id, "sh", "-c", script]);
        assert!(status == 0 || errors.contains("Operation not permitted"), "{script}: {status}: {errors}");
        status == 0
    };
    let both = || (opens(": > /dev/msg"), opens(": < /dev/msg"), opens(": <> /dev/zero"));
    // To read it needs CAP_SYSLOG, where dmesg_restrict says so: what is denied is denied in either case.
    assert_eq!(both(), (true, false, true));
    for (access, may) in [("", false), ("rw", true)] {
        let mut command = bench.runtime(&["update", "--resources", "-", &id]);
        command.write_stdin(json!({"devices": rules(access)}).to_string()).assert().success();
        assert_eq!((both().0, both().2), (may, true), "{access:?}");
    }
    bench.end(&id);
    bench.nothing_is_left();
}
