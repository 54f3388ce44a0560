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
mod order;
mod programs;
mod take;
mod userland;

use crate::{Error, Outcome, status};
use clap::Args;
use debian::Debian;
use kernel::Kernel;
pub(crate) use machine::Output;
use machine::{End, Machine};
use observe::workspace::installed;
pub(crate) use order::{Account, DEBIAN, Layout, Order, quoted};
pub(crate) use programs::{Test, tests};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::{
    ffi::OsString,
    io::{Write, stderr, stdout},
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
Inside are Debian's bash, coreutils, util-linux, iproute2, procps, strace and uidmap, the stages' commands
and the probe; busybox has what these lack. The command's stdin is empty, and the machine ends with it.

Exit status: the command's own (127: not found, 128 + N: ended by signal N); 124 when time was up;
77 when there can be no machine here; 130 after Ctrl-C.

Examples:
  cargo xtask vm -- uname -r
  cargo xtask vm --cgroup v1 -- cat /proc/self/cgroup
  cargo xtask vm --user learner -- stage2-namespaces run --user --map-subids -- probe facts user
  cargo xtask vm --kernel /boot/vmlinuz-$(uname -r) -- uname -r
  cargo xtask vm --tests stage3-cgroups --cgroup v1 -- isolation --test-threads=1
  INSTA_UPDATE=always cargo xtask vm --tests stage2-namespaces --take stage2-namespaces -- demo")]
pub(crate) struct VmArguments {
    /// A kernel image, for example from /boot, or `debian`: fetched once, kept in target/vm, not installed
    #[arg(long, default_value = DEBIAN, value_name = "PATH|debian")]
    kernel: PathBuf,
    /// The control groups mounted on /sys/fs/cgroup
    #[arg(long, value_enum, default_value_t = Layout::V2)]
    cgroup: Layout,
    /// Who the command is
    #[arg(long, value_enum, default_value_t = Account::Root)]
    user: Account,
    /// How much memory the machine has
    #[arg(long, default_value_t = 1024, value_name = "MB", value_parser = clap::value_parser!(u32).range(384..))]
    memory: u32,
    /// When to end the machine, in seconds from its start
    #[arg(long, default_value_t = 300, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Take along the tests of a package, as commands of their names
    #[arg(long, value_name = "PACKAGE")]
    tests: Option<String>,
    /// Make this directory in the machine, and bring new and changed files below it back to the same path here
    #[arg(long, value_name = "DIRECTORY")]
    take: Option<PathBuf>,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl VmArguments {
    fn order(&self) -> Result<Order, Trouble> {
        let mut order = Order::new(&self.kernel, self.cgroup, self.command.clone());
        (order.account, order.memory, order.timeout) = (self.user, self.memory, self.timeout);
        order.hint = Some("--timeout");
        order.take = self.take.as_deref().map(take::place).transpose()?;
        if let Some(package) = &self.tests {
            order.programs =
                tests(&[package])?.into_iter().map(|test| (Some(test.name), test.path)).collect();
            order.home = observe::workspace::root().join(package);
            order.for_tests()?;
        }
        Ok(order)
    }
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
    let stop = stop_flag()?;
    let output = Output { out: Box::new(stdout()), err: Box::new(stderr()) };
    match arguments.order().and_then(|order| run(&order, output, &stop)) {
        Ok(status) => Ok(ExitCode::from(status)),
        Err(trouble) => trouble.told(&stop),
    }
}

/// Raised by Ctrl-C. From the beginning: what is half fetched or half built is taken away, too.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Makes the machine and runs its command; the command's exit status.
pub(crate) fn run(order: &Order, output: Output, stop: &AtomicBool) -> Result<u8, Trouble> {
    let debian = Debian::new(store()?);
    let given = Some(order.kernel.as_path()).filter(|kernel| *kernel != Path::new(DEBIAN));
    if let Some(trouble) = lacking(&debian, given.is_some()) {
        return Err(trouble);
    }
    let kernel = Kernel::at(&given.map_or_else(|| debian.kernel(), |path| Ok(path.to_path_buf()))?)?;
    let root = initramfs::Contents {
        busybox: debian.busybox()?,
        userland: debian.userland()?,
        clients: order.clients.then(|| debian.clients()).transpose()?,
        modules: kernel.modules()?,
        order,
    };
    let machine = Machine {
        kernel: &kernel.image,
        memory: order.memory,
        limit: Duration::from_secs(order.timeout),
        input: order.input,
    };
    match machine.run(&root.pack()?, output, stop)? {
        End::Status(status, archive) => {
            order.take.iter().try_for_each(|directory| take::unpack(directory, &archive))?;
            Ok(status)
        }
        End::Interrupted => Err(Trouble::Failed(Error::Interrupted(Vec::new()))),
        End::TimeIsUp(state) => {
            let limit = order.timeout;
            let hint = order.hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            writeln!(stderr(), "xtask: vm: not done within {limit} s; the machine was ended; {state}{hint}")
                .ok();
            Ok(TIME_IS_UP)
        }
    }
}

impl Trouble {
    /// Says it, as every command does that makes a machine.
    pub fn told(self, stop: &AtomicBool) -> Outcome {
        match self {
            // The programs we ran heard Ctrl-C as well; what they say about it is no news.
            _ if stop.load(Ordering::Relaxed) => Err(Error::Interrupted(Vec::new())),
            Trouble::Missing { reason, remedy } => {
                writeln!(stderr(), "xtask: vm: not possible here: {reason}\nhint: {remedy}").ok();
                Ok(ExitCode::from(status::IMPOSSIBLE))
            }
            Trouble::Failed(error) => Err(error),
        }
    }
}

/// This very program in a machine, with these words; what it prints is printed here.
pub(crate) fn again(layout: Layout, words: Vec<OsString>, settle: impl FnOnce(&mut Order)) -> Outcome {
    let stop = stop_flag()?;
    let own = std::env::current_exe()?;
    let command = [vec![own.clone().into()], words].concat();
    let mut order = Order::new(Path::new(DEBIAN), layout, command);
    // A machine is emulated: what takes a second here may take ten there.
    (order.timeout, order.memory) = (900, 1536);
    order.programs.push((None, own));
    settle(&mut order);
    let output = Output { out: Box::new(stdout()), err: Box::new(stderr()) };
    match run(&order, output, &stop) {
        Ok(status) => Ok(ExitCode::from(status)),
        Err(trouble) => trouble.told(&stop),
    }
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
