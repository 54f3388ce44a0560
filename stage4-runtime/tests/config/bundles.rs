//! config.json as a file.
//!
//! No calls are made up: files, a fifo and links in a temporary directory. Book: "config.json, field by field" (`config`).
//! Invariant: what is no regular file of a bounded length is refused, and nobody is waited for.

use super::default;
use nix::sys::stat::Mode;
use stage4_runtime::bundle::{Bundle, CONFIG};
use stage4_runtime::config::check::Verb;
use std::fs;
use std::path::Path;

fn config(directory: &Path) -> Result<String, String> {
    let bundle = Bundle::open(directory).map_err(|error| error.to_string())?;
    let checked = bundle.config(Verb::Start).map_err(|error| error.to_string())?;
    Ok(checked.config.hostname.unwrap_or_default())
}

#[test]
fn config_is_read_through_the_bundles_descriptor() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    fs::create_dir(&first).unwrap();
    fs::write(first.join(CONFIG), default().to_string()).unwrap();
    let bundle = Bundle::open(&first).unwrap();
    fs::rename(&first, &second).unwrap();
    let checked = bundle.config(Verb::Start).unwrap();
    assert!(checked.warnings.is_empty() && checked.config.process.is_some());
    assert!(bundle.path().is_absolute());
}

#[test]
fn config_must_be_a_regular_file_of_a_bounded_length() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(CONFIG);
    let words = |expected: &str| {
        let error = config(directory.path()).unwrap_err();
        assert!(error.contains(expected), "{expected}: {error}");
    };
    words("ENOENT");
    fs::create_dir(&file).unwrap();
    words("is no regular file");
    fs::remove_dir(&file).unwrap();
    nix::unistd::mkfifo(&file, Mode::from_bits_truncate(0o600)).unwrap();
    words("is no regular file");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    words("is no regular file");
    fs::remove_file(&file).unwrap();
    fs::File::create(&file).unwrap().set_len((32 << 20) + 1).unwrap();
    words("is longer than 32 MiB");
    fs::write(&file, "{}").unwrap();
    words("config.json: missing field `ociVersion`");
    fs::write(&file, default().to_string()).unwrap();
    assert_eq!(config(directory.path()).as_deref(), Ok("stage4"));
}

#[test]
fn bundle_must_be_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    for (path, errno) in [("file", "ENOTDIR"), ("missing", "ENOENT")] {
        let error = Bundle::open(&directory.path().join(path)).unwrap_err();
        assert!(error.to_string().contains(errno), "{error}");
        assert!(error.hint().is_some());
    }
}
