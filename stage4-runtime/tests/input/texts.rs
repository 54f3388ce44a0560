//! Texts that are no configuration, and files that are none.
//!
//! RFC 8259; open(2). Book: "config.json, field by field" (`config`).
//! Invariant: refused as a whole, before anything is done. Each byte of a text is tried by the tests of `config`.

use crate::rows::Table;
use nix::sys::stat::Mode;
use serde_json::json;
use std::fs;
use std::path::Path;

#[test]
fn texts_that_are_no_configuration_are_refused() {
    let Some(table) = Table::for_anybody() else { return };
    let good = table.text(&json!({}));
    let deep = format!("{{\"x\": {}{}, {}", "[".repeat(10_000), "]".repeat(10_000), &good[1..]);
    let twice = good.replacen("\"hostname\":", "\"hostname\": \"other\", \"hostname\":", 1);
    let invalid = [&good.as_bytes()[..good.len() - 1], b", \"x\": \"\xff\"}"].concat();
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "the file is empty [RFC 8259]"),
        ("blank", b" \n".to_vec(), "no JSON: EOF while parsing a value"),
        ("null", b"null".to_vec(), "expected an object"),
        ("array", format!("[{good}]").into(), "expected an object"),
        ("text", b"\"config\"".to_vec(), "expected an object"),
        ("cut off", good.as_bytes()[..good.len() / 2].to_vec(), "no JSON: EOF while parsing"),
        ("byte order mark", format!("\u{feff}{good}").into(), "a byte order mark is before the text"),
        ("deep", deep.into(), "nested more than 128 deep [RFC 8259]"),
        ("more behind it", format!("{good} {good}").into(), "no JSON: trailing characters"),
        ("a comma too many", format!("{},}}", &good[..good.len() - 1]).into(), "no JSON: trailing comma"),
        ("no UTF-8", invalid, "no UTF-8 after byte"),
        ("twice", twice.into(), "duplicate field `hostname`"),
        ("no version", table.text(&json!({"ociVersion": null})).into(), "missing field `ociVersion`"),
        ("NUL", table.text(&json!({"process": {"args": ["a\0"]}})).into(), "process.args[0]: holds NUL"),
        ("NUL in a name", table.text(&json!({"a\0": 1})).into(), "[\"a\\0\"]: holds NUL"),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect(), "no JSON: "),
    ];
    for (row, text, words) in rows {
        fs::write(table.bench.path("config.json"), text).unwrap();
        table.refuses(row, 1, |told| {
            assert!(told.starts_with("config.json: ") && told.contains(words), "{row}: {told}");
        });
    }
    assert!(!table.bench.path("state").exists(), "a directory of state was made");
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let Some(table) = Table::for_anybody() else { return };
    let file = table.bench.path("config.json");
    type Make = fn(&Path);
    let rows: [(&str, Make, &str); 5] = [
        ("none", |_| (), "hint: `stage4-runtime spec` writes one"),
        ("a directory", |file| fs::create_dir(file).unwrap(), "is no regular file"),
        (
            "a fifo",
            |file| nix::unistd::mkfifo(file, Mode::from_bits_truncate(0o600)).unwrap(),
            "is no regular file",
        ),
        ("endless", |file| std::os::unix::fs::symlink("/dev/zero", file).unwrap(), "is no regular file"),
        (
            "too long",
            |file| fs::File::create(file).unwrap().set_len((32 << 20) + 1).unwrap(),
            "is longer than 32 MiB",
        ),
    ];
    // With a root beside it `run` would do without config.json.
    fs::remove_dir_all(table.bench.path("rootfs")).unwrap();
    for (row, make, words) in rows {
        fs::remove_file(&file).or_else(|_| fs::remove_dir(&file)).ok();
        make(&file);
        table.refuses(row, 1, |told| {
            assert!(told.contains("config.json") && told.contains(words), "{row}: {told}");
        });
    }
    assert!(!table.bench.path("state").exists(), "a directory of state was made");
}
