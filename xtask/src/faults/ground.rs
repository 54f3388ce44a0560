//! What a runtime is asked for in the sandbox: two bundles, in which something of everything is asked for.
//!
//! No kernel calls. Book: "Every call that fails" (`faults`).
//! Invariant: every runtime is given the same file; whatever it asks for, the program inside can tell.

use crate::Error;
use serde_json::{Value, json};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where everything lies, in the sandbox's own memory.
pub(super) const PLACE: &str = "/run/stage4-faults";
/// The container's name.
pub(super) const ID: &str = "stage4-faults";
/// The program inside, by which the tracer knows when the runtime's part is done.
pub(super) const PROGRAM: &str = "bin/probe";

/// What the program inside looks at beside itself: masks, what is read-only, sysctls, limits, devices.
const LOOKED_AT: [&str; 17] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/timer_list",
    "/proc/scsi",
    "/sys/firmware",
    "/proc/sys/kernel/msgmax",
    "/proc/self/oom_score_adj",
    "/proc/self/timerslack_ns",
    "/sys/class/net/lo/flags",
    "/data",
    "/secret",
    "/dev/stage4-zero",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/pids/pids.max",
    "/sys/fs/cgroup/devices/devices.list",
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/pids.max",
];

/// A runtime, and the ground for it.
#[derive(Debug)]
pub(super) struct Ground {
    runtime: PathBuf,
}

impl Ground {
    /// Lays it.
    pub fn lay(runtime: &Path) -> Result<Ground, Error> {
        let place = Path::new(PLACE);
        let root = place.join("root");
        for directory in ["bin", "proc", "sys", "dev", "etc", "tmp", "data", "secret"] {
            fs::create_dir_all(root.join(directory))?;
        }
        fs::create_dir_all(place.join("outside"))?;
        fs::write(place.join("outside/file"), "the host's\n")?;
        fs::write(root.join("secret/key"), "hidden\n")?;
        let path = env::var_os("PATH").unwrap_or_default();
        let find = |name: &str| env::split_paths(&path).map(|one| one.join(name)).find(|one| one.is_file());
        let probe = find("probe").ok_or_else(|| Error::Failed("probe is not in PATH".into()))?;
        fs::copy(probe, root.join(PROGRAM))?;
        let audit: Vec<_> = ["/bin/probe", "audit"].iter().chain(&LOOKED_AT).copied().collect();
        for (name, words) in [("audit", &audit[..]), ("idle", &["/bin/probe", "canary", "60"])] {
            bundle(&place.join(name), &root, words)?;
        }
        Ok(Ground { runtime: runtime.to_owned() })
    }

    /// A call of the runtime.
    pub fn call(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.runtime);
        command.args(["--root", &format!("{PLACE}/state")]).args(words);
        command
    }

    /// `create` with the bundle of this name; the first process's number is written to a file.
    pub fn create(&self, bundle: &str) -> Command {
        self.call(&[
            "create",
            "--bundle",
            &format!("{PLACE}/{bundle}"),
            "--pid-file",
            &format!("{PLACE}/pid"),
            ID,
        ])
    }

    /// What a second process in the container runs.
    pub fn exec(&self) -> Command {
        let mut command = self.call(&["exec", ID, "/bin/probe", "audit"]);
        command.args(LOOKED_AT);
        command
    }
}

fn bundle(directory: &Path, root: &Path, words: &[&str]) -> Result<(), Error> {
    fs::create_dir_all(directory)?;
    let mut spec = Command::new("stage4-runtime");
    spec.arg("spec").arg("--bundle").arg(directory).arg("--").args(words);
    let output = spec.output()?;
    if !output.status.success() {
        return Err(Error::Failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let file = directory.join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&file)?)
        .map_err(|error| Error::Failed(format!("{}: {error}", file.display())))?;
    ask(&mut config, root);
    Ok(fs::write(file, format!("{config:#}"))?)
}

/// Something of everything that a runtime applies.
fn ask(config: &mut Value, root: &Path) {
    config["ociVersion"] = json!("1.0.2"); // older ones know no newer one, and nothing newer is asked for
    config["root"]["path"] = json!(root);
    let user = json!({ "uid": 1000, "gid": 1000, "umask": 0o27, "additionalGids": [54321] });
    config["process"]["user"] = user;
    config["process"]["oomScoreAdj"] = json!(100);
    let kept = ["CAP_KILL", "CAP_NET_BIND_SERVICE"];
    for set in ["bounding", "effective", "permitted", "inheritable", "ambient"] {
        config["process"]["capabilities"][set] = json!(kept);
    }
    config["process"]["rlimits"] = json!([
        { "type": "RLIMIT_NOFILE", "hard": 1000, "soft": 1000 },
        { "type": "RLIMIT_CORE", "hard": 0, "soft": 0 },
        { "type": "RLIMIT_NPROC", "hard": 4000, "soft": 3000 },
    ]);
    let options = ["rbind", "ro", "nosuid", "nodev", "noexec", "private"];
    let data = json!({ "destination": "/data", "type": "bind", "source": format!("{PLACE}/outside"), "options": options });
    list(&mut config["mounts"]).push(data);
    let linux = &mut config["linux"];
    linux["cgroupsPath"] = json!(format!("/{ID}"));
    linux["namespaces"].as_array_mut().into_iter().for_each(|all| {
        all.retain(|one| one["type"] != "time"); // which runc 1.1 does not know
    });
    linux["sysctl"] = json!({ "kernel.msgmax": "4096" });
    linux["devices"] = json!([
        { "path": "/dev/stage4-zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 7, "gid": 8 },
    ]);
    list(&mut linux["maskedPaths"]).push(json!("/secret"));
    linux["resources"]["memory"] = json!({ "limit": 128 << 20 });
    linux["resources"]["pids"] = json!({ "limit": 100 });
    // Told from a missing capability by its error, EDOM.
    let refused = json!({ "names": ["sethostname"], "action": "SCMP_ACT_ERRNO", "errnoRet": 33 });
    linux["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refused] });
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = json!([]);
    }
    match value {
        Value::Array(list) => list,
        _ => unreachable!("it was made one"),
    }
}
