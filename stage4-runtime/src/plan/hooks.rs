//! The engine's commands at six moments, ready for execve(2).
//!
//! No kernel calls; config.md, "POSIX-platform Hooks". Book: "Hooks" (`hooks`).
//! Invariant: pure; arguments and environment are exactly those of the file.

use super::process::show;
use crate::config::fault::{At, Fault};
use crate::config::{Hook, Hooks};
use serde::Serialize;
use std::ffi::CString;
use std::fmt;
use std::time::Duration;

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Moment {
    /// After the namespaces, before the root; in the runtime's namespaces. Deprecated.
    Prestart,
    /// At the same moment, after `prestart`.
    CreateRuntime,
    /// At the same moment, in the container's namespaces; its path is the runtime's.
    CreateContainer,
    /// During `start`, before the process, in the container.
    StartContainer,
    /// After the process was started, in the runtime's namespaces.
    Poststart,
    /// After the container was deleted, in the runtime's namespaces.
    Poststop,
}

impl Moment {
    /// As config.json has it.
    pub fn name(self) -> &'static str {
        match self {
            Moment::Prestart => "prestart",
            Moment::CreateRuntime => "createRuntime",
            Moment::CreateContainer => "createContainer",
            Moment::StartContainer => "startContainer",
            Moment::Poststart => "poststart",
            Moment::Poststop => "poststop",
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookPlan {
    /// When it runs.
    pub moment: Moment,
    /// Its place in the list of that moment.
    pub index: usize,
    /// The executable, an absolute path.
    #[serde(serialize_with = "show::one")]
    pub path: CString,
    /// argv; without any in the file, the path alone.
    #[serde(serialize_with = "show::list")]
    pub arguments: Vec<CString>,
    /// envp.
    #[serde(serialize_with = "show::list")]
    pub environment: Vec<CString>,
    /// When it is ended by force.
    pub timeout: Option<Duration>,
}

/// The six lists.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct HooksPlan {
    /// See [`Moment::Prestart`].
    pub prestart: Vec<HookPlan>,
    /// See [`Moment::CreateRuntime`].
    pub create_runtime: Vec<HookPlan>,
    /// See [`Moment::CreateContainer`].
    pub create_container: Vec<HookPlan>,
    /// See [`Moment::StartContainer`].
    pub start_container: Vec<HookPlan>,
    /// See [`Moment::Poststart`].
    pub poststart: Vec<HookPlan>,
    /// See [`Moment::Poststop`].
    pub poststop: Vec<HookPlan>,
}

impl HooksPlan {
    /// From hooks that have been checked.
    ///
    /// # Errors
    /// A string with a NUL; a timeout that is not more than 0.
    pub fn of(hooks: &Hooks) -> Result<Self, Fault> {
        let list = |moment: Moment, hooks: &[Hook]| -> Result<Vec<HookPlan>, Fault> {
            hooks.iter().enumerate().map(|(index, hook)| HookPlan::of(moment, index, hook)).collect()
        };
        Ok(HooksPlan {
            prestart: list(Moment::Prestart, &hooks.prestart)?,
            create_runtime: list(Moment::CreateRuntime, &hooks.create_runtime)?,
            create_container: list(Moment::CreateContainer, &hooks.create_container)?,
            start_container: list(Moment::StartContainer, &hooks.start_container)?,
            poststart: list(Moment::Poststart, &hooks.poststart)?,
            poststop: list(Moment::Poststop, &hooks.poststop)?,
        })
    }
}

impl HookPlan {
    fn of(moment: Moment, index: usize, hook: &Hook) -> Result<Self, Fault> {
        let (top, name) = (At::Top, moment.name());
        let (hooks, source) = (top.key("hooks"), "config.md, POSIX-platform Hooks");
        let (list, path) = (hooks.key(name), &hook.path);
        let at = list.index(index);
        let string = |text: &str, at: At<'_>| {
            let what = || format!("{text:?}: a zero byte ends a string for the kernel");
            CString::new(text).map_err(|_| Fault::new(at.to_string(), what(), "execve(2)"))
        };
        let strings = |texts: &[String], at: At<'_>| -> Result<Vec<CString>, Fault> {
            texts.iter().enumerate().map(|(number, text)| string(text, at.index(number))).collect()
        };
        let timeout = |seconds: i64| match u64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
            _ => Err(Fault::new(
                at.key("timeout").to_string(),
                format!("{seconds} is not more than 0"),
                source,
            )),
        };
        let alone = std::slice::from_ref(path);
        Ok(HookPlan {
            moment,
            index,
            path: string(path, at.key("path"))?,
            arguments: strings(if hook.args.is_empty() { alone } else { &hook.args }, at.key("args"))?,
            environment: strings(&hook.env, at.key("env"))?,
            timeout: hook.timeout.map(timeout).transpose()?,
        })
    }
}

/// `hooks.prestart[0] ("/usr/bin/x")`, as errors begin.
impl fmt::Display for HookPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hooks.{}[{}] ({:?})", self.moment, self.index, self.path)
    }
}
