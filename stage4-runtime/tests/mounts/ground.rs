//! A bundle, and a birth that stops where the container's process would be executed.
//!
//! clone3(2) through stage 2. Book: "Mounts" (`mounts`).
//! Invariant: all mounts die with the process; what the bundle was made of is removed, and the canary is whole.

use nix::unistd::{Uid, pipe, read, write};
use observe::scratch::Scratch;
use serde_json::{Value, json};
use stage2_namespaces::birth::{Newborn, birth};
use stage2_namespaces::idmap::{Extent, IdMap};
use stage2_namespaces::mount::{Incoming, PrivateMounts};
use stage2_namespaces::users::Users;
use stage2_namespaces::{Kind, Kinds};
use stage3_cgroups::{Group, Layout};
use stage4_runtime::config::Config;
use stage4_runtime::mounts::{Sources, mount_all};
use stage4_runtime::plan::root::{Root, Way};
use stage4_runtime::plan::{self, devices::Devices, masks::Masks};
use stage4_runtime::procfs::Procfs;
use stage4_runtime::root::RootMount;
use stage4_runtime::{Result, devices, masks, sysctl};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A bundle with an empty image, and beside it what nobody may touch.
pub struct Bundle {
    dir: Scratch,
}

impl Bundle {
    pub fn new() -> Self {
        let dir = Scratch::new("stage4").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["rootfs/proc", "rootfs/sys", "rootfs/dev", "rootfs/etc", "outside"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("outside/canary"), "sings").unwrap();
        Bundle { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn image(&self, path: &str) -> PathBuf {
        self.dir.path().join("rootfs").join(path)
    }

    pub fn outside(&self) -> PathBuf {
        self.dir.path().join("outside")
    }

    /// The host's directory beside the image is as it was.
    pub fn canary_sings(&self) -> bool {
        let names: Vec<_> =
            fs::read_dir(self.outside()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names == ["canary"] && fs::read_to_string(self.outside().join("canary")).unwrap() == "sings"
    }
}

/// All that is planned of the file system.
pub struct Plans {
    pub root: Root,
    pub mounts: Vec<plan::mounts::Mount>,
    pub devices: Devices,
    pub masks: Masks,
    pub sysctls: Vec<plan::sysctl::Sysctl>,
    pub group: Option<Group>,
}

/// From the parts of a config.json that differ; proc and a tmpfs on /dev are mounted first.
pub fn plans(bundle: &Bundle, config: &Value) -> Result<Plans> {
    let mut whole = json!({
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs"},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        ],
    });
    for (key, value) in config.as_object().unwrap() {
        match key.as_str() {
            "more" => {
                whole["mounts"].as_array_mut().unwrap().extend(value.as_array().unwrap().iter().cloned())
            }
            _ => whole[key] = value.clone(),
        }
    }
    let config: Config = serde_json::from_value(whole).unwrap();
    let root = Root::of(&config, bundle.path(), Way::Pivot)?;
    let mounts = plan::mounts::of(&config, &root, bundle.path())?;
    let devices = Devices::of(&config, &mounts, false)?;
    Ok(Plans {
        devices,
        masks: Masks::of(&config)?,
        sysctls: plan::sysctl::of(&config)?,
        root,
        mounts,
        group: None,
    })
}

/// Runs `look` as the container's process would run; what went wrong before it, as the text of the error.
pub fn inside(bundle: &Bundle, config: &Value, look: impl FnOnce()) -> Result<(), String> {
    inside_as(bundle, config, None, look)
}

/// The same in a user namespace.
pub fn inside_as(
    bundle: &Bundle,
    config: &Value,
    users: Option<Users>,
    look: impl FnOnce(),
) -> Result<(), String> {
    let text = |error: stage4_runtime::Error| format!("{error}; {}", error.hint().unwrap_or_default());
    let mut plans = plans(bundle, config).map_err(text)?;
    plans.devices.bound = users.is_some();
    planned(plans, users, look)
}

/// The same for a plan that is there.
pub fn planned(plans: Plans, users: Option<Users>, look: impl FnOnce()) -> Result<(), String> {
    let text = |error: stage4_runtime::Error| format!("{error}; {}", error.hint().unwrap_or_default());
    let layout = Layout::read().unwrap();
    let sources = Sources::open(
        &plans.root,
        &plans.mounts,
        &plans.devices,
        &plans.masks,
        (&layout, plans.group.as_ref()),
    );
    let mut sources = Some(sources.map_err(text)?);
    let ((go_read, go_write), (told_read, told_write)) = (pipe().unwrap(), pipe().unwrap());
    let kinds = [Kind::Mnt, Kind::Pid, Kind::Net, Kind::Ipc, Kind::Cgroup].into_iter();
    let kinds = kinds.fold(Kinds::NONE, |all, kind| all.with(kind, true)).with(Kind::User, users.is_some());
    let life = |newborn: Newborn| {
        let mut word = [0];
        assert_eq!(read(&go_read, &mut word), Ok(1));
        let made = users
            .as_ref()
            .map_or(Ok(()), Users::become_root)
            .and_then(|()| live(&newborn, &plans, sources.take().unwrap()));
        match made {
            Ok(()) => {
                look();
                0
            }
            Err(error) => {
                write(&told_write, text(error).as_bytes()).unwrap();
                1
            }
        }
    };
    let child = birth(kinds, None, life).map_err(text)?;
    drop(told_write);
    let given = users.as_ref().map_or(Ok(()), |users| users.give(&child));
    write(&go_write, b"!").unwrap();
    let told = std::io::read_to_string(fs::File::from(told_read)).unwrap();
    let status = child.wait().unwrap();
    given.unwrap();
    assert!(status == 0 || (status == 1 && !told.is_empty()), "the process inside ended with {status}");
    if status == 0 { Ok(()) } else { Err(told) }
}

/// The file-system half of a birth, in its order.
fn live(newborn: &Newborn, plans: &Plans, mut sources: Sources) -> Result<()> {
    let proof: PrivateMounts = newborn.private_mounts(Incoming::Refused)?;
    let proc = Procfs::open()?;
    let root = RootMount::attach(&proof, &plans.root, &mut sources)?;
    let unsealed = mount_all(&proof, &root, &plans.mounts, &mut sources)?;
    devices::make(&proof, &root, &plans.devices, &mut sources)?;
    root.enter(&proof, &plans.root)?;
    sysctl::write_all(&proc, &plans.sysctls)?;
    unsealed.seal()?;
    root.finish(&plans.root)?;
    masks::make_readonly(&proof, &root, &plans.masks)?;
    masks::cover(&proof, &root, &plans.masks, &mut sources)
}

/// A line of /proc/self/mountinfo.
#[derive(Debug, Clone)]
pub struct Line {
    pub root: String,
    pub target: String,
    pub options: Vec<String>,
    pub peers: String,
    pub kind: String,
    pub source: String,
    pub superblock: Vec<String>,
}

/// The mounts that this process sees, topmost last.
pub fn seen() -> Vec<Line> {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let line = |line: &str| {
        let (before, after) = line.split_once(" - ").unwrap();
        let (before, after): (Vec<&str>, Vec<&str>) =
            (before.split(' ').collect(), after.split(' ').collect());
        Line {
            root: before[3].to_owned(),
            target: before[4].to_owned(),
            options: list(before[5]),
            peers: before[6..].join(" "),
            kind: after[0].to_owned(),
            source: after[1].to_owned(),
            superblock: list(after[2]),
        }
    };
    fs::read_to_string("/proc/self/mountinfo").unwrap().lines().map(line).collect()
}

/// What is mounted on `target`; the last of several.
pub fn at(target: &str) -> Line {
    let found = seen().into_iter().rfind(|line| line.target == target);
    found.unwrap_or_else(|| panic!("nothing is mounted on {target}: {:#?}", seen()))
}

/// Is root's run; says so otherwise.
pub fn is_root() -> bool {
    let root = Uid::effective().is_root();
    if !root {
        observe::skip::skip_for(
            observe::skip::Runner::Root,
            "stage4",
            "mounts of the host are copied by root only",
        );
    }
    root
}

/// 0 inside is `outside`, and some thousand ids after it.
pub fn users(outside: u32, count: u32) -> Users {
    let map = || IdMap::new(vec![Extent { inside: 0, outside, count }]).unwrap();
    Users::Mapped { uids: map(), gids: map() }
}

/// In a process of its own, which is what it does to itself.
pub fn apart(act: impl FnOnce()) {
    let child = birth(Kinds::NONE, None, |_| {
        act();
        0
    });
    assert_eq!(child.unwrap().wait().unwrap(), 0, "see above");
}
