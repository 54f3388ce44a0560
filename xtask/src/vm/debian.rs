//! Debian's packages, fetched and unpacked, never installed.
//!
//! Runs apt-get(8), apt-cache(8) and dpkg-deb(1). Book: "How it is tested".
//! Invariant: what is in a slot of the store is complete; it came there by one rename(2).

use super::Trouble;
use observe::workspace::installed;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The newest of Debian's kernels for virtual machines, by a package that depends on it.
const KERNEL: &str = "linux-image-cloud-amd64";

/// The remedy where the packages are neither here nor can be fetched.
const REMEDY: &str = "run `apt-get update` as root, with a network; or copy target/vm from a machine \
                      that has one";

/// Debian's kernel and busybox, below the directory `store`.
#[derive(Debug)]
pub(super) struct Debian {
    store: PathBuf,
}

impl Debian {
    /// Packages kept in `store`.
    pub fn new(store: PathBuf) -> Debian {
        Debian { store }
    }

    /// Why a machine cannot be made here, as far as it can be known without a network.
    pub fn missing(&self, kernel_given: bool) -> Option<Trouble> {
        let there = self.slot("busybox").exists() && (kernel_given || self.slot("kernel").exists());
        let tool = ["apt-get", "dpkg-deb"].into_iter().find(|tool| !installed(tool) && !there)?;
        Some(Trouble::missing(format!("no {tool} to fetch Debian's kernel and busybox with"), REMEDY))
    }

    /// Busybox, linked statically.
    pub fn busybox(&self) -> Result<PathBuf, Trouble> {
        let tree = self.unpacked("busybox", || Ok("busybox-static".to_owned()), |_| Ok(()))?;
        // Debian moves its programs from /bin to /usr/bin.
        let places = ["bin/busybox", "usr/bin/busybox"].map(|place| tree.join(place));
        let found = places.iter().find(|place| place.is_file());
        found.cloned().ok_or_else(|| Trouble::failed(format!("{}: holds no busybox", tree.display())))
    }

    /// Debian's kernel image, with its modules beside it and listed.
    pub fn kernel(&self) -> Result<PathBuf, Trouble> {
        let busybox = self.busybox()?;
        let tree = self.unpacked("kernel", newest_kernel, |tree| list_modules(&busybox, tree))?;
        let boot = tree.join("boot");
        let mut images = fs::read_dir(&boot)?.flatten().map(|entry| entry.path());
        let image = images.find(|path| path.to_string_lossy().contains("/vmlinuz-"));
        image.ok_or_else(|| Trouble::failed(format!("{}: holds no kernel", boot.display())))
    }

    fn slot(&self, name: &str) -> PathBuf {
        self.store.join(name)
    }

    /// The tree of a package, fetched when it is not here yet.
    fn unpacked(
        &self,
        slot: &str,
        package: impl FnOnce() -> Result<String, Trouble>,
        finish: impl FnOnce(&Path) -> Result<(), Trouble>,
    ) -> Result<PathBuf, Trouble> {
        let tree = self.slot(slot);
        if tree.exists() {
            return Ok(tree);
        }
        let work = Work::new(&self.store)?;
        fetch(&package()?, &work.0)?;
        let fresh = work.0.join("tree");
        finish(&fresh)?;
        match fs::rename(&fresh, &tree) {
            Err(error) if !tree.exists() => Err(error.into()),
            _ => Ok(tree), // ours, or that of another run which was faster
        }
    }
}

/// A directory for what is not complete yet, gone with this value.
struct Work(PathBuf);

impl Work {
    fn new(store: &Path) -> Result<Work, Trouble> {
        let path = store.join(format!("fetch-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        // dpkg-deb and apt-get are told names, not descriptors: they need the whole path.
        Ok(Work(path.canonicalize()?))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn newest_kernel() -> Result<String, Trouble> {
    let told = run(Command::new("apt-cache").args(["depends", KERNEL]))?;
    let names = told.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let name = names.into_iter().find(|name| name.starts_with("linux-image-"));
    name.map(str::to_owned).ok_or_else(|| Trouble::missing(format!("apt-cache knows no {KERNEL}"), REMEDY))
}

fn fetch(package: &str, work: &Path) -> Result<(), Trouble> {
    run(Command::new("apt-get").args(["download", package]).current_dir(work))?;
    let archive = fs::read_dir(work)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let archive = archive.ok_or_else(|| Trouble::failed(format!("apt-get download {package}: no file")))?;
    run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(work.join("tree"))).map(drop)
}

/// Writes modules.dep and modules.alias, as the package does when it is installed.
fn list_modules(busybox: &Path, tree: &Path) -> Result<(), Trouble> {
    for modules in ["lib/modules", "usr/lib/modules"].map(|place| tree.join(place)) {
        for release in fs::read_dir(modules).into_iter().flatten().flatten() {
            let mut depmod = Command::new(busybox);
            run(depmod.args(["depmod", "-b"]).arg(tree).arg(release.file_name()))?;
        }
    }
    Ok(())
}

/// What it printed; what it complained about becomes the reason.
fn run(command: &mut Command) -> Result<String, Trouble> {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let told = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let output = command.env("LC_ALL", "C").output();
    let output = output.map_err(|error| Trouble::missing(format!("{told}: {error}"), REMEDY))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    // Of warnings, such as that it runs as root, there is no remedy to be told.
    let errors: Vec<_> = complaint.lines().filter(|line| !line.starts_with("W: ")).collect();
    Err(Trouble::missing(format!("{told}: {}", errors.join("\n")), REMEDY))
}
