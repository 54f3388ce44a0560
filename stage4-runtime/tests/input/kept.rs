//! What is no error: it is ignored, or set right, as the specification says.
//!
//! config.md, "Extensibility", "Capabilities", "Mounts"; config-linux.md, "Seccomp". Book: "config.json, field by field"
//! (`config`).
//! Invariant: the program runs, and a warning says what it was not given.

use crate::host::Host;
use crate::rows::Table;
use serde_json::{Value, json};
use std::fs;

#[test]
fn kept_is_what_the_specification_tells_to_ignore() {
    let Some(table) = Table::new() else { return };
    let bench = &table.bench;
    fs::create_dir(bench.path("state")).unwrap();
    let capabilities = |set: &str, name: &str| json!({"process": {"capabilities": {set: [name]}}});
    let relative = json!({"destination": "tmp", "type": "tmpfs", "source": "tmpfs"});
    let seccomp = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["nosuch", "kexec_load"], "action": "SCMP_ACT_ERRNO"}]});
    let rows: Vec<(Value, &str)> = vec![
        (json!({}), ""),
        (json!({"x": {"y": [null, 1.5]}, "windows": {"layerFolders": ["C:"]}, "solaris": {}}), ""),
        (json!({"process": {"commandLine": "cmd.exe", "x": 1}, "linux": {"x": null}}), ""),
        (json!({"ociVersion": "1.0.0-rc5"}), ""),
        (json!({"ociVersion": "1.99.0"}), "ociVersion: \"1.99.0\" is later than"),
        (
            capabilities("bounding", "CAP_NOSUCH"),
            "process.capabilities.bounding[0]: \"CAP_NOSUCH\" is no capability",
        ),
        (
            capabilities("ambient", "cap_kill"),
            "process.capabilities.ambient[0]: \"cap_kill\" is no capability",
        ),
        (
            capabilities("effective", "CAP_CHOWN"),
            "process.capabilities.effective[0]: \"CAP_CHOWN\" is not among the permitted",
        ),
        (
            json!({"mounts": table.and("/mounts", relative)}),
            "].destination: \"tmp\" is relative, and taken as \"/tmp\"",
        ),
        (
            json!({"linux": {"seccomp": seccomp}}),
            "linux.seccomp.syscalls: no system call is known by the name \"nosuch\"",
        ),
        (
            json!({"process": {"consoleSize": {"height": 1, "width": 1}}}),
            "process.consoleSize: is ignored without a terminal",
        ),
        (
            json!({"hooks": {"poststop": [{"path": "/bin/false"}]}}),
            "hooks.poststop[0] (\"/bin/false\") failed with status 1",
        ),
    ];
    for (patch, warning) in rows {
        table.write(&patch);
        let before = Host::look(bench);
        let (status, _, errors) = bench.call(&["run", &bench.id()]);
        assert_eq!(status, 7, "{patch}: {errors}");
        let warnings: Vec<_> = errors.lines().collect();
        match warning {
            "" => assert_eq!(errors, "", "{patch}"),
            words => assert!(
                warnings.len() == 1 && warnings[0].contains(words) && warnings[0].contains("warning: "),
                "{patch}: {errors}"
            ),
        }
        ["shared/ran", "shared/hook"].iter().for_each(|file| fs::remove_file(bench.path(file)).unwrap());
        before.is_as_before(bench, &patch.to_string());
    }
}
