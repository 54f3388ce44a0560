//! What is no config.json at all: cut off, padded, hostile.
//!
//! No kernel calls; RFC 8259. Book: "config.json, field by field" (`config`).
//! Invariant: no text makes the parser or the rules panic.

use super::{COMPLETE, complete, default, findings};
use serde_json::json;
use stage4_runtime::config::check::{self, Verb};
use stage4_runtime::config::{Config, Faults, Process, Resources, parse};

fn refused(text: &[u8]) -> Faults {
    parse::<Config>("config.json", text).expect_err(&String::from_utf8_lossy(&text[..text.len().min(80)]))
}

#[test]
fn config_texts_that_are_no_object_are_refused_as_a_whole() {
    let deep = format!("{{\"x\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let unclosed = "[".repeat(1_000_000);
    let rows: [(&[u8], &str); 17] = [
        (b"", "the file is empty"),
        (b" \n", "no JSON: EOF while parsing a value"),
        (b"null", "expected an object"),
        (b"[]", "expected an object"),
        (b"[\"1.3.0\", null, null, null, null, [], {}, {}, {}]", "expected an object"),
        (b"7", "expected an object"),
        (b"\"text\"", "expected an object"),
        (b"{}", "missing field `ociVersion`"),
        (b"{\"ociVersion\": \"1.0.0\"} x", "trailing characters"),
        (b"{\"ociVersion\": \"1.0.0\"}{}", "trailing characters"),
        (b"{\"ociVersion\": \"1.0.0\",}", "trailing comma"),
        (b"{'ociVersion': '1.0.0'}", "key must be a string"),
        (b"\xef\xbb\xbf{\"ociVersion\": \"1.0.0\"}", "byte order mark"),
        (b"{\"ociVersion\": \"1.0.0\", \"x\": \"\xff\"}", "no UTF-8 after byte 30"),
        (b"{\"ociVersion\": \"1.0.0\", \"hostname\": \"a\nb\"}", "control character"),
        (deep.as_bytes(), "nested more than 128 deep"),
        (unclosed.as_bytes(), "nested more than 128 deep"),
    ];
    for (text, words) in rows {
        let faults = refused(text);
        assert!(
            faults.list[0].path.is_empty() && faults.to_string().starts_with("config.json: "),
            "{faults}"
        );
        assert!(faults.to_string().contains(words), "{words}: {faults}");
    }
}

#[test]
fn config_properties_that_are_there_twice_are_refused() {
    let rows = [
        ("\"hostname\": \"a-host\"", "\"hostname\": \"a\", \"hostname\": \"b\"", "", "hostname"),
        ("\"readonly\": true", "\"readonly\": true, \"readonly\": false", "root", "readonly"),
        ("\"empty\": \"\"", "\"empty\": \"\", \"empty\": \"x\"", "annotations", "empty"),
        ("\"ens4\": {}", "\"ens4\": {}, \"ens4\": {}", "linux.netDevices", "ens4"),
    ];
    for (once, twice, object, name) in rows {
        let text = COMPLETE.replacen(once, twice, 1);
        assert_ne!(text, COMPLETE, "{once}");
        let faults = refused(text.as_bytes()).to_string();
        assert!(faults.contains(&format!("duplicate field `{name}`")), "{faults}");
        assert!(faults.starts_with(&format!("config.json: {object}")), "{faults}");
    }
}

#[test]
fn config_nul_is_refused_everywhere() {
    for (value, path) in [
        (json!({"annotations": {"a": "x\0y"}}), "annotations.a"),
        (json!({"annotations": {"a\0": "x"}}), "annotations[\"a\\0\"]"),
        (json!({"process": {"args": ["sh", "a\0"]}}), "process.args[1]"),
        (json!({"anything": [{"else": "\0"}]}), "anything[0].else"),
    ] {
        let mut whole = default();
        for (name, part) in value.as_object().unwrap() {
            whole[name] = part.clone();
        }
        if let Some(process) = whole["process"].as_object_mut() {
            process.insert("cwd".to_owned(), json!("/"));
        }
        let faults = refused(whole.to_string().as_bytes());
        assert_eq!((faults.list[0].path.as_str(), faults.list.len()), (path, 1), "{faults}");
    }
    let mut harmless = default();
    harmless["annotations"] = json!({"a": "\\u0000"});
    assert!(findings(&harmless).faults.is_empty(), "a backslash and letters are no NUL");
}

#[test]
fn config_unknown_properties_are_ignored() {
    let mut value = default();
    for other in ["windows", "solaris", "vm", "zos", "freebsd", "x"] {
        value[other] = json!({"anything": [null, 1.5, {"a": []}]});
    }
    value["process"]["commandLine"] = json!("cmd.exe");
    value["linux"]["x"] = json!(null);
    let found = findings(&value);
    assert!(found.faults.is_empty() && found.warnings.is_empty(), "{found:?}");
}

#[test]
fn config_cut_off_anywhere_is_refused_and_nothing_panics() {
    let text = default().to_string();
    for length in 0..text.len() {
        refused(&text.as_bytes()[..length]);
    }
}

/// Marsaglia's xorshift: the same texts every time.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 1).unwrap()
}

#[test]
fn config_with_any_bytes_changed_does_not_panic() {
    const PIECES: [&str; 14] = [
        "null",
        "-1",
        "1e999",
        "\"\"",
        "[]",
        "{}",
        "\\u0000",
        "\"..\"",
        "0",
        "/",
        "18446744073709551615",
        ":",
        ",",
        "\u{0}",
    ];
    let (text, mut state, mut taken) = (complete().to_string().into_bytes(), 0x9E37_79B9_7F4A_7C15, 0);
    for _ in 0..4_000 {
        let mut changed = text.clone();
        for _ in 0..1 + next(&mut state) % 3 {
            let place = next(&mut state) % changed.len();
            match next(&mut state) % 3 {
                0 => changed[place] = u8::try_from(next(&mut state) % 256).unwrap(),
                1 => {
                    drop(changed.drain(place..(place + next(&mut state) % 20).min(text.len() / 2).max(place)))
                }
                _ => drop(changed.splice(place..place, PIECES[next(&mut state) % PIECES.len()].bytes())),
            }
        }
        if let Ok(config) = parse::<Config>("config.json", &changed) {
            check::config(&config, Verb::Start);
            taken += 1;
        }
    }
    assert!(taken > 100, "{taken} texts were taken: the changes are too hard to test the rules");
}

#[test]
fn config_parts_are_read_alone() {
    let process: Process = parse("process.json", br#"{"cwd": "/", "args": ["true"]}"#).unwrap();
    assert!(check::process(&process).faults.is_empty());
    let resources: Resources = parse("-", br#"{"pids": {"limit": -2}}"#).unwrap();
    let faults = check::resources(&resources).verdict("-").unwrap_err().to_string();
    assert!(faults.starts_with("-: pids.limit: -2 is not"), "{faults}");
}
