//! `cargo xtask vm`: a command on another kernel, under the layout of control groups that is asked for.
//!
//! Boots qemu with a kernel and a first root made here. Book: "How it is tested".
//! Invariant: output and exit status are the command's own, and nothing but the store in target/vm stays.

mod cpio;
mod debian;
mod initramfs;
mod kernel;
mod machine;
mod modules;

use crate::{Error, Outcome, status};
use clap::{Args, ValueEnum};
use debian::Debian;
use kernel::Kernel;
use machine::{End, Machine};
use observe::workspace::installed;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::{
    ffi::OsString,
    io::{Write, stderr},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Run a command in a small virtual machine: another kernel, v1, hybrid or v2.
#[derive(Debug, Args)]
#[command(after_help = "\
Inside are busybox, the stages' commands and the probe, all linked statically. The command is root,
its stdin is empty, and the machine ends with it.

Exit status: the command's own (127: not found, 128 + N: ended by signal N); 124 when time was up;
77 when there can be no machine here; 130 after Ctrl-C.

Examples:
  cargo xtask vm -- uname -r
  cargo xtask vm --cgroup v1 -- cat /proc/self/cgroup
  cargo xtask vm -- stage2-namespaces run --all --map-root -- probe facts
  cargo xtask vm --kernel /boot/vmlinuz-$(uname -r) -- uname -r
  cargo xtask vm --tests stage2-namespaces -- isolation --test-threads=1")]
pub(crate) struct VmArguments {
    /// A kernel image, for example from /boot, or `debian`: fetched once, kept in target/vm, not installed
    #[arg(long, default_value = "debian", value_name = "PATH|debian")]
    kernel: PathBuf,
    /// The control groups mounted on /sys/fs/cgroup
    #[arg(long, value_enum, default_value_t = Layout::V2)]
    cgroup: Layout,
    /// How much memory the machine has
    #[arg(long, default_value_t = 768, value_name = "MB", value_parser = clap::value_parser!(u32).range(192..))]
    memory: u32,
    /// When to end the machine, in seconds from its start
    #[arg(long, default_value_t = 300, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Take along the tests of a package, as commands of their names
    #[arg(long, value_name = "PACKAGE")]
    tests: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Which hierarchies are mounted.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Layout {
    /// A hierarchy for each controller
    V1,
    /// The same, and the unified one, without controllers, beside them
    Hybrid,
    /// The unified hierarchy only, with all controllers
    V2,
}

/// As timeout(1).
const TIME_IS_UP: u8 = 124;

/// Why there is no machine.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Something is not here; what mends it.
    Missing { reason: String, remedy: String },
    /// Something failed.
    Failed(Error),
}

impl Trouble {
    fn missing(reason: String, remedy: &str) -> Trouble {
        Trouble::Missing { reason, remedy: remedy.to_owned() }
    }

    fn failed(text: String) -> Trouble {
        Trouble::Failed(Error::Failed(text))
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Trouble {
        Trouble::Failed(error.into())
    }
}

impl From<observe::Error> for Trouble {
    fn from(error: observe::Error) -> Trouble {
        Trouble::Failed(error.into())
    }
}

/// `cargo xtask vm`
pub(crate) fn vm(arguments: &VmArguments) -> Outcome {
    let stop = Arc::new(AtomicBool::new(false));
    // From the beginning: what is half fetched or half built is taken away, too.
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    match run(arguments, &stop) {
        // The programs we ran heard Ctrl-C as well; what they say about it is no news.
        Err(_) if stop.load(Ordering::Relaxed) => Err(Error::Interrupted(Vec::new())),
        Ok(End::Status(status)) => Ok(ExitCode::from(status)),
        Ok(End::TimeIsUp) => {
            let limit = arguments.timeout;
            writeln!(
                stderr(),
                "xtask: vm: not done within {limit} s; the machine was ended\nhint: --timeout"
            )
            .ok();
            Ok(ExitCode::from(TIME_IS_UP))
        }
        Ok(End::Interrupted) => Err(Error::Interrupted(Vec::new())),
        Err(Trouble::Missing { reason, remedy }) => {
            writeln!(stderr(), "xtask: vm: not possible here: {reason}\nhint: {remedy}").ok();
            Ok(ExitCode::from(status::IMPOSSIBLE))
        }
        Err(Trouble::Failed(error)) => Err(error),
    }
}

fn run(arguments: &VmArguments, stop: &AtomicBool) -> Result<End, Trouble> {
    let debian = Debian::new(store()?);
    let given = Some(arguments.kernel.as_path()).filter(|kernel| *kernel != Path::new("debian"));
    if let Some(trouble) = lacking(&debian, given.is_some()) {
        return Err(trouble);
    }
    let kernel = Kernel::at(&given.map_or_else(|| debian.kernel(), |path| Ok(path.to_path_buf()))?)?;
    let root = initramfs::Contents {
        busybox: debian.busybox()?,
        modules: kernel.modules()?,
        layout: arguments.cgroup,
        tests: arguments.tests.as_deref(),
        command: &arguments.command,
    };
    let machine = Machine {
        kernel: &kernel.image,
        memory: arguments.memory,
        limit: Duration::from_secs(arguments.timeout),
    };
    machine.run(&root.pack()?, stop)
}

/// Why no machine can be made here, and what mends it; none where one can, or could with a network.
pub(crate) fn missing() -> Option<(String, String)> {
    let trouble = store().map(|store| lacking(&Debian::new(store), false)).unwrap_or_else(Some);
    match trouble? {
        Trouble::Missing { reason, remedy } => Some((reason, remedy)),
        Trouble::Failed(error) => Some((error.to_string(), "cargo xtask vm -- true".into())),
    }
}

fn lacking(debian: &Debian, kernel_given: bool) -> Option<Trouble> {
    if !cfg!(target_arch = "x86_64") {
        let reason = "its four serial ports are those of a PC; this is another architecture".to_owned();
        return Some(Trouble::missing(reason, "use a machine of x86_64"));
    }
    if !installed(machine::QEMU) {
        let reason = format!("{} is not found in PATH", machine::QEMU);
        return Some(Trouble::missing(reason, "apt-get install --no-install-recommends qemu-system-x86"));
    }
    debian.missing(kernel_given)
}

/// Where packages are kept: beside xtask's own profile, in the target directory.
fn store() -> Result<PathBuf, Trouble> {
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).unwrap_or(&own).join("vm"))
}
