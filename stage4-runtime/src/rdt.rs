//! Classes of cache and memory bandwidth, and who watches their use.
//!
//! resctrl, Linux 4.10, 2017 (Documentation/filesystems/resctrl.rst); config-linux.md, "IntelRdt". Book: "Cache" (`rdt`).
//! Invariant: a class that was there before is joined as it is, or not at all; only what was made here is removed.

mod lines;

use crate::config::linux::IntelRdt;
use crate::{Error, Result};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The class and the group that a container's processes belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The directory of the class.
    pub class: PathBuf,
    /// Has it been made for this container, and of its name? Then it is removed with it.
    pub made: bool,
    /// The directory of the monitoring group.
    pub monitor: Option<PathBuf>,
}

/// Puts the process `pid` into the class that is asked for, which is made if need be; `id` is the container's.
///
/// # Errors
/// No resctrl is mounted here; the class is there with other schemata, or is not there and has none; what the kernel
/// refuses, in its own words.
pub fn join(asked: &IntelRdt, id: &str, pid: i32) -> Result<Membership> {
    let root = mounted()?;
    let name = asked.clos_id.as_deref().unwrap_or(id);
    let class = if name == "/" { root.clone() } else { root.join(name) };
    let made = prepare(asked, &root, &class)?;
    let mut membership = Membership { class, made, monitor: None };
    let joined = membership.enter(asked, id, pid, &root);
    match joined {
        Ok(()) => Ok(membership),
        Err(error) => {
            membership.leave()?;
            Err(error)
        }
    }
}

/// The class with its schemata; true: it was not there before.
fn prepare(asked: &IntelRdt, root: &Path, class: &Path) -> Result<bool> {
    let wanted = lines::wanted(asked);
    match (class.is_dir(), asked.clos_id.is_some(), wanted.is_empty()) {
        (false, true, true) => Err(Error::refused(format!("linux.intelRdt.closID: {class:?} is not there"))
            .with_hint("a class without schemata must have been made before the container")),
        (false, ..) => {
            fs::create_dir(class).map_err(|e| said(root, Error::io(format!("mkdir({class:?})"), &e)))?;
            set_schemata(asked, root, class).map(|()| true).inspect_err(|_| {
                // Its own error is the one to tell.
                fs::remove_dir(class).ok();
            })
        }
        (true, true, false) => {
            let path = class.join("schemata");
            let present = fs::read_to_string(&path).map_err(|e| Error::io(format!("read({path:?})"), &e))?;
            match lines::first_other(&wanted, &present) {
                None => Ok(false),
                Some(line) => Err(Error::refused(format!(
                    "linux.intelRdt: {class:?} is there, and not with {line:?}"
                ))
                .with_hint(
                    "a class that is there is shared as it is: ask for its schemata, or for another closID",
                )),
            }
        }
        (true, ..) => set_schemata(asked, root, class).map(|()| false),
    }
}

fn set_schemata(asked: &IntelRdt, root: &Path, class: &Path) -> Result<()> {
    // Each kind in a write of its own, so that the last word is the list's.
    for text in lines::writes(asked) {
        write(root, &class.join("schemata"), &text)?;
    }
    Ok(())
}

impl Membership {
    fn enter(&mut self, asked: &IntelRdt, id: &str, pid: i32, root: &Path) -> Result<()> {
        write(root, &self.class.join("tasks"), &format!("{pid}\n"))?;
        let old = asked.enable_cmt == Some(true) || asked.enable_mbm == Some(true);
        if asked.enable_monitoring || old {
            let monitor = self.class.join("mon_groups").join(id);
            fs::create_dir(&monitor).map_err(|e| said(root, Error::io(format!("mkdir({monitor:?})"), &e)))?;
            let tasks = monitor.join("tasks");
            self.monitor = Some(monitor);
            write(root, &tasks, &format!("{pid}\n"))?;
        }
        Ok(())
    }

    /// Puts this process into the class: what it executes is the container's, too (0 is whoever writes).
    ///
    /// # Errors
    /// The class has gone; what the kernel refuses.
    pub fn join_as_visitor(&self) -> Result<()> {
        let directories = [Some(&self.class), self.monitor.as_ref()].into_iter().flatten();
        let mut files = directories.map(|directory| directory.join("tasks"));
        files.try_for_each(|path| {
            let file = fs::File::options().write(true).open(&path);
            file.and_then(|mut file| file.write_all(b"0\n")).map_err(|e| {
                Error::io(format!("write({path:?}, \"0\\n\")"), &e)
                    .with_hint("linux.intelRdt: a visitor goes into the class of the container")
            })
        })
    }

    /// Removes what was made for the container. What is not there any more is no error.
    pub fn leave(&self) -> Result<()> {
        let made = self.made.then_some(&self.class);
        for directory in self.monitor.iter().chain(made) {
            match fs::remove_dir(directory) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io(format!("rmdir({directory:?})"), &e));
                }
                _ => (),
            }
        }
        Ok(())
    }
}

/// Where resctrl is mounted.
fn mounted() -> Result<PathBuf> {
    const USUAL: &str = "/sys/fs/resctrl";
    let path = "/proc/self/mountinfo";
    let text = fs::read_to_string(path).map_err(|e| Error::io(format!("open({path:?})"), &e))?;
    lines::mount_point(&text).map(PathBuf::from).ok_or_else(|| {
        Error::refused("linux.intelRdt: no resctrl is mounted here").with_hint(format!(
            "mount -t resctrl resctrl {USUAL}; the processor must have it (rdt_a in /proc/cpuinfo), and the kernel \
             CONFIG_X86_CPU_RESCTRL"
        ))
    })
}

fn write(root: &Path, path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| said(root, Error::io(format!("write({path:?}, {text:?})"), &e)))
}

/// The kernel says in words what it did not like.
fn said(root: &Path, error: Error) -> Error {
    let words = fs::read_to_string(root.join("info/last_cmd_status")).unwrap_or_default();
    match (words.trim(), error.errno()) {
        ("" | "ok", Some(Errno::ENOSPC)) => {
            error.with_hint("linux.intelRdt: the processor has no more classes")
        }
        ("" | "ok", _) => error.with_hint("linux.intelRdt"),
        (words, _) => error.with_hint(format!("linux.intelRdt: the kernel says: {words}")),
    }
}
