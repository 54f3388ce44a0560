//! The bundles that the runtimes are measured with: one configuration, and what is changed of it for a case.
//!
//! No kernel calls. Book: "How to use this book".
//! Invariant: every runtime is given the same file.

use super::inside::Ground;
use crate::Error;
use serde_json::{Value, json};
use std::{fs, path::Path};

/// The profile that podman and buildah give their containers (containers-common).
pub(crate) const PROFILE: &str = "/usr/share/containers/seccomp.json";

/// Those of a container of podman's, for which the profile is.
const USUAL: [&str; 11] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// For runtimes of Debian 12: they take no newer version, know no clocks of a container's own, and runc mounts not every
/// hierarchy of version 1 in a view of its own.
pub(crate) fn of_old(config: &mut Value) {
    config["ociVersion"] = json!("1.0.2");
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    if let Some(namespaces) = config["linux"]["namespaces"].as_array_mut() {
        namespaces.retain(|one| one["type"] != "time" && (unified || one["type"] != "cgroup"));
    }
}

/// Makes all bundles from the configuration that `spec` wrote.
pub(super) fn make(ground: &Ground, spec: &str) -> Result<(), Error> {
    let understood = |error: serde_json::Error| Error::Failed(format!("config.json: {error}"));
    let mut plain: Value = serde_json::from_str(spec).map_err(understood)?;
    of_old(&mut plain);
    plain["process"]["terminal"] = json!(false);
    plain["process"]["args"] = json!(["/bin/idle"]);
    plain["root"]["path"] = json!(ground.root());
    // What a filter costs is a case for itself; what half a processor costs is none.
    plain["linux"].as_object_mut().map(|linux| linux.remove("seccomp"));
    if let Some(limits) = plain["linux"]["resources"].as_object_mut() {
        limits.retain(|kind, _| kind == "devices");
    }
    let write = |name: &str, config: &Value| -> Result<(), Error> {
        let directory = ground.bundle(name);
        fs::create_dir_all(&directory)?;
        Ok(fs::write(directory.join("config.json"), format!("{config:#}"))?)
    };
    write("plain", &plain)?;
    write("waiting", &with(&plain, |config| config["process"]["args"] = json!(["/bin/idle", "wait"])))?;
    for count in MANY {
        write(&format!("mounts-{count}"), &with(&plain, |config| many_mounts(config, count)))?;
    }
    if let Ok(profile) = fs::read_to_string(PROFILE) {
        let profile = serde_json::from_str(&profile).map_err(understood)?;
        write("seccomp", &with(&plain, |config| config["linux"]["seccomp"] = for_oci(&profile)))?;
    }
    Ok(())
}

/// So many mounts, and twice as many.
pub(super) const MANY: [usize; 2] = [250, 500];

fn with(config: &Value, edit: impl FnOnce(&mut Value)) -> Value {
    let mut config = config.clone();
    edit(&mut config);
    config
}

fn many_mounts(config: &mut Value, count: usize) {
    let mounts = (0..count).map(|number| {
        let target = format!("/dev/shm/{number}");
        json!({ "destination": target, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "size=64k"] })
    });
    config["mounts"].as_array_mut().into_iter().for_each(|all| all.extend(mounts.clone()));
}

/// As an engine hands it over: without the rules for other machines and other capabilities.
pub(crate) fn for_oci(profile: &Value) -> Value {
    let lists = |rule: &Value, which: &str, of: &str, words: &[&str]| -> Option<bool> {
        let listed = rule[which][of].as_array().filter(|all| !all.is_empty())?;
        Some(listed.iter().any(|one| one.as_str().is_some_and(|one| words.contains(&one))))
    };
    let arch = if cfg!(target_arch = "x86_64") { ["amd64", "x86_64"] } else { ["arm64", "aarch64"] };
    let holds = |rule: &&Value| {
        lists(rule, "includes", "caps", &USUAL) != Some(false)
            && lists(rule, "includes", "arches", &arch) != Some(false)
            && lists(rule, "excludes", "caps", &USUAL) != Some(true)
            && lists(rule, "excludes", "arches", &arch) != Some(true)
    };
    let kept = ["names", "action", "args", "errnoRet"];
    let rule = |rule: &Value| -> Value {
        let parts = kept.iter().filter(|key| !rule[**key].is_null());
        parts.map(|key| ((*key).to_owned(), rule[*key].clone())).collect::<serde_json::Map<_, _>>().into()
    };
    let rules = profile["syscalls"].as_array().into_iter().flatten();
    let native = if cfg!(target_arch = "x86_64") { "SCMP_ARCH_X86_64" } else { "SCMP_ARCH_AARCH64" };
    let mut machines = vec![json!(native)];
    let map = profile["archMap"].as_array().into_iter().flatten().find(|one| one["architecture"] == native);
    machines.extend(map.and_then(|one| one["subArchitectures"].as_array().cloned()).unwrap_or_default());
    let mut oci = json!({
        "defaultAction": profile["defaultAction"],
        "architectures": machines,
        "syscalls": rules.filter(holds).map(rule).collect::<Vec<_>>(),
    });
    if !profile["defaultErrnoRet"].is_null() {
        oci["defaultErrnoRet"] = profile["defaultErrnoRet"].clone();
    }
    oci
}

/// Is there such a profile on this machine?
pub(super) fn has_profile() -> bool {
    Path::new(PROFILE).is_file()
}
