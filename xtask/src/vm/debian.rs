//! Debian's packages, fetched and unpacked, never installed.
//!
//! Runs apt-get(8), apt-cache(8), dpkg-deb(1) and tar(1). Book: "How it is tested".
//! Invariant: what is in a slot of the store is complete; it came there by one rename(2).

use super::{Trouble, userland};
use observe::workspace::installed;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

/// The newest of Debian's kernels for virtual machines, by a package that depends on it.
const KERNEL: &str = "linux-image-cloud-amd64";

const SLOTS: [&str; 3] = ["kernel", "busybox", "userland"];

/// The remedy where the packages are neither here nor can be fetched.
const REMEDY: &str = "run `apt-get update` as root, with a network; or copy target/vm from a machine \
                      that has one";

/// Debian's kernel, its userland and busybox, below the directory `store`.
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
        let slots = if kernel_given { &SLOTS[1..] } else { &SLOTS };
        let there = slots.iter().all(|slot| self.slot(slot).exists());
        let tool = ["apt-get", "dpkg-deb", "tar"].into_iter().find(|tool| !installed(tool) && !there)?;
        Some(Trouble::missing(format!("no {tool} to fetch Debian's packages with"), REMEDY))
    }

    /// Busybox, linked statically.
    pub fn busybox(&self) -> Result<PathBuf, Trouble> {
        let tree = self.unpacked("busybox", || Ok(vec!["busybox-static".to_owned()]), |_| Ok(()))?;
        // In trees of before Debian moved its programs, and in those of after.
        let places = ["bin/busybox", "usr/bin/busybox"].map(|place| tree.join(place));
        let found = places.iter().find(|place| place.is_file());
        found.cloned().ok_or_else(|| Trouble::failed(format!("{}: holds no busybox", tree.display())))
    }

    /// What people and tests type, with all its libraries.
    pub fn userland(&self) -> Result<PathBuf, Trouble> {
        self.unpacked("userland", || with_libraries(&userland::PACKAGES), userland::finish)
    }

    /// podman and what it calls, but for what the userland has.
    pub fn clients(&self) -> Result<PathBuf, Trouble> {
        let packages = || {
            let there = with_libraries(&userland::PACKAGES)?;
            let all = with_libraries(&userland::CLIENTS)?;
            Ok(all.into_iter().filter(|name| !there.contains(name)).collect())
        };
        self.unpacked("clients", packages, userland::finish_clients)
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

    /// The tree of packages, fetched when it is not here yet.
    fn unpacked(
        &self,
        slot: &str,
        packages: impl FnOnce() -> Result<Vec<String>, Trouble>,
        finish: impl FnOnce(&Path) -> Result<(), Trouble>,
    ) -> Result<PathBuf, Trouble> {
        let tree = self.slot(slot);
        if tree.exists() {
            return Ok(tree);
        }
        let work = Work::new(&self.store)?;
        fetch(&packages()?, &work.0)?;
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

fn newest_kernel() -> Result<Vec<String>, Trouble> {
    let newest = needed(&[KERNEL.to_owned()])?.into_iter().find(|name| name.starts_with("linux-image-"));
    newest
        .map(|name| vec![name])
        .ok_or_else(|| Trouble::missing(format!("apt-cache knows no {KERNEL}"), REMEDY))
}

/// These packages and the libraries that they need, directly or not. What else they depend on is for
/// being installed: scripts, questions, other programs.
fn with_libraries(packages: &[&str]) -> Result<Vec<String>, Trouble> {
    let mut all: BTreeSet<String> = packages.iter().map(|&name| name.to_owned()).collect();
    let mut fresh: Vec<_> = all.iter().cloned().collect();
    while !fresh.is_empty() {
        let is_library = |name: &String| name.starts_with("lib") || name.starts_with("zlib");
        let libraries = needed(&fresh)?.into_iter().filter(is_library);
        fresh = libraries.filter(|name| all.insert(name.clone())).collect();
    }
    Ok(all.into_iter().collect())
}

/// What these packages depend on; of alternatives the last.
fn needed(packages: &[String]) -> Result<Vec<String>, Trouble> {
    let told = run(Command::new("apt-cache").args(["depends", "--important"]).args(packages))?;
    let names = told.lines().filter_map(|line| {
        let line = line.trim();
        line.strip_prefix("Depends: ").or_else(|| line.strip_prefix("PreDepends: "))
    });
    Ok(names.map(|name| name.trim_end_matches(":any").to_owned()).collect())
}

fn fetch(packages: &[String], work: &Path) -> Result<(), Trouble> {
    run(Command::new("apt-get").arg("download").args(packages).current_dir(work))?;
    let tree = work.join("tree");
    for name in ["bin", "sbin", "lib", "lib64"] {
        fs::create_dir_all(tree.join("usr").join(name))?;
        symlink(Path::new("usr").join(name), tree.join(name))?;
    }
    let files = fs::read_dir(work)?.flatten().map(|entry| entry.path());
    let archives = files.filter(|path| path.extension().is_some_and(|extension| extension == "deb"));
    // dpkg-deb -x would put directories in the place of those links.
    let script = "dpkg-deb --fsys-tarfile \"$1\" | tar --extract --preserve-permissions --no-same-owner \
                  --keep-directory-symlink --directory \"$2\"";
    for archive in archives {
        run(Command::new("sh").args(["-c", script, "sh"]).arg(archive).arg(&tree))?;
    }
    Ok(())
}

/// Writes modules.dep and modules.alias, as the package does when it is installed.
fn list_modules(busybox: &Path, tree: &Path) -> Result<(), Trouble> {
    for release in fs::read_dir(tree.join("lib/modules")).into_iter().flatten().flatten() {
        let mut depmod = Command::new(busybox);
        run(depmod.args(["depmod", "-b"]).arg(tree).arg(release.file_name()))?;
    }
    Ok(())
}

/// What it printed; what it complained about becomes the reason.
pub(super) fn run(command: &mut Command) -> Result<String, Trouble> {
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
