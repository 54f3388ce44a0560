//! ld.so, the program interpreter: where it looks for libraries, and in which order.
//!
//! open(2) of its cache, its lists and the libraries; ld.so(8), glibc and musl, 1995 to now. Book: `build`.
//! Invariant: the loader is read, never run; `LD_LIBRARY_PATH` and `LD_PRELOAD` of the caller change nothing.

pub mod cache;
pub mod conf;
pub mod hwcaps;
pub mod object;
pub mod tokens;

use crate::Result;
use cache::Cache;
use object::Object;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tokens::Tokens;

/// No loader, cache or list is larger, in bytes: an ld.so with all its symbols has 2 MiB.
const LARGEST: u64 = 64 << 20;

/// One dynamic loader of the host, as it would search.
#[derive(Debug, Clone)]
pub struct Loader {
    /// The loader itself, under the path that programs name as their interpreter.
    pub object: Object,
    libc: Libc,
    /// The directories it searches without being told.
    directories: Vec<PathBuf>,
    /// The file that tells it of further libraries or directories.
    list: PathBuf,
    /// The directories in that file (musl).
    listed: Vec<PathBuf>,
    cache: Cache,
    hwcaps: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Libc {
    Glibc,
    Musl,
}

/// What led the loader to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The name holds a slash, so that it is a path already.
    Path,
    /// `DT_RPATH` of the object at this path.
    Rpath(PathBuf),
    /// `DT_RUNPATH` of the object at this path.
    Runpath(PathBuf),
    /// The cache, or musl's list of directories.
    Listed(PathBuf),
    /// A directory that the loader always searches.
    Default(PathBuf),
}

impl Loader {
    /// Learns how the loader at `path` searches, from its own bytes and from the files it would read.
    pub fn read(path: &Path) -> Result<Loader> {
        let object = Object::open(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.strip_prefix("ld-musl-").and_then(|rest| rest.split(".so").next()) {
            Some(arch) => Ok(Self::musl(object, arch)),
            None => Self::glibc(object),
        }
    }

    fn glibc(object: Object) -> Result<Loader> {
        let path = &object.path;
        let bytes = object::whole(path, LARGEST)?;
        let list = cache_path(&bytes).unwrap_or_else(|| "/etc/ld.so.cache".into());
        Ok(Loader {
            libc: Libc::Glibc,
            directories: system_directories(&bytes),
            cache: object::whole(&list, LARGEST)
                .ok()
                .and_then(|bytes| Cache::parse(&bytes))
                .unwrap_or_default(),
            list,
            listed: Vec::new(),
            hwcaps: hwcaps::subdirectories(object.elf.target),
            object,
        })
    }

    fn musl(object: Object, arch: &str) -> Loader {
        let list = PathBuf::from(format!("/etc/ld-musl-{arch}.path"));
        let text = object::whole(&list, LARGEST).unwrap_or_default();
        let lines = text.split(|byte| matches!(byte, b':' | b'\n')).filter(|line| !line.is_empty());
        let listed: Vec<PathBuf> = lines.map(|line| OsStr::from_bytes(line).into()).collect();
        // The list replaces the default directories.
        let directories = ["/lib", "/usr/local/lib", "/usr/lib"].map(PathBuf::from);
        let directories = if listed.is_empty() { directories.to_vec() } else { Vec::new() };
        let (cache, hwcaps) = (Cache::default(), Vec::new());
        Loader { object, libc: Libc::Musl, directories, list, listed, cache, hwcaps }
    }

    /// The file in which `name` is found for the first object of `chain`; each further one brought the one
    /// before it, the last is the program.
    pub fn find(&self, name: &OsStr, chain: &[&Object]) -> Result<Option<(Object, Found)>> {
        let Some(needs) = chain.first() else { return Ok(None) };
        for (path, found) in self.candidates(name, chain) {
            if let Some(object) = Object::fitting(&path, needs.elf.target)? {
                return Ok(Some((object, found)));
            }
        }
        Ok(None)
    }

    /// The paths that would be tried for `name`, in order, and what leads to each.
    pub fn candidates(&self, name: &OsStr, chain: &[&Object]) -> Vec<(PathBuf, Found)> {
        let Some(needs) = chain.first() else { return Vec::new() };
        if name.as_bytes().contains(&b'/') {
            return vec![(self.expand(name, needs).into(), Found::Path)];
        }
        let mut tried = Vec::new();
        let mut search = |directory: &Path, found: Found| {
            tried.extend(self.files(directory, name).map(|file| (file, found.clone())));
        };
        for object in self.rpath_bearers(chain) {
            let rpath = object.elf.runpath.as_ref().filter(|_| self.libc == Libc::Musl);
            for directory in self.split(rpath.or(object.elf.rpath.as_ref()), object) {
                search(&directory, Found::Rpath(object.path.clone()));
            }
        }
        for directory in self.split(needs.elf.runpath.as_ref().filter(|_| self.libc == Libc::Glibc), needs) {
            search(&directory, Found::Runpath(needs.path.clone()));
        }
        self.listed.iter().for_each(|directory| search(directory, Found::Listed(self.list.clone())));
        if let Some(file) = self.cached(name, needs) {
            tried.push((file.to_owned(), Found::Listed(self.list.clone())));
        }
        if !needs.elf.no_default_directories {
            for directory in &self.directories {
                tried.extend(
                    self.files(directory, name).map(|file| (file, Found::Default(directory.clone()))),
                );
            }
        }
        tried
    }

    /// The files in `directory` that could be `name`, the best for this processor first.
    fn files(&self, directory: &Path, name: &OsStr) -> impl Iterator<Item = PathBuf> {
        let best = self.hwcaps.iter().map(move |level| directory.join("glibc-hwcaps").join(level));
        best.chain([directory.to_owned()]).map(move |directory| directory.join(name))
    }

    /// The file that the cache has for `name`; with `DF_1_NODEFLIB` not one in a default directory.
    fn cached(&self, name: &OsStr, needs: &Object) -> Option<&Path> {
        let file = self.cache.lookup(name, needs.elf.target, &self.hwcaps)?;
        (!(needs.elf.no_default_directories && self.searches(file))).then_some(file)
    }

    /// The objects whose `DT_RPATH` counts: glibc ignores it beside a `DT_RUNPATH`, and asks nobody's when the
    /// object in need has one; musl takes both for the same and inherits either.
    fn rpath_bearers<'a>(&self, chain: &[&'a Object]) -> Vec<&'a Object> {
        let glibc = self.libc == Libc::Glibc;
        if glibc && chain.first().is_some_and(|needs| needs.elf.runpath.is_some()) {
            return Vec::new();
        }
        chain.iter().copied().filter(|object| !(glibc && object.elf.runpath.is_some())).collect()
    }

    fn split(&self, path: Option<&OsString>, object: &Object) -> Vec<PathBuf> {
        let Some(path) = path else { return Vec::new() };
        let parts = path.as_bytes().split(|&byte| byte == b':').filter(|part| !part.is_empty());
        parts.map(|part| self.expand(OsStr::from_bytes(part), object).into()).collect()
    }

    fn expand(&self, text: &OsStr, object: &Object) -> OsString {
        let lib = self.directories.first().map_or(Path::new("lib"), PathBuf::as_path);
        let lib = lib.strip_prefix("/usr").or(lib.strip_prefix("/")).unwrap_or(lib);
        let platform = OsStr::new(std::env::consts::ARCH);
        Tokens { origin: object.origin(), lib: lib.as_os_str(), platform }.expand(text)
    }

    /// Whether `name` means the loader itself: its file name, or, in musl, any library that musl is.
    pub fn is_itself(&self, name: &OsStr) -> bool {
        let musl = ["c", "pthread", "rt", "m", "dl", "util", "xnet"];
        let reserved = |name: &str| musl.iter().any(|lib| name.starts_with(&format!("lib{lib}.")));
        self.object.elf.soname.as_deref() == Some(name)
            || self.object.path == Path::new(name)
            || (self.libc == Libc::Musl && name.to_str().is_some_and(reserved))
    }

    /// Whether the loader would find `library` even without its list.
    pub fn searches(&self, library: &Path) -> bool {
        let parent = library.parent().unwrap_or(library);
        let hwcaps = parent.parent().filter(|up| up.ends_with("glibc-hwcaps")).and_then(Path::parent);
        self.directories.iter().any(|directory| directory == hwcaps.unwrap_or(parent))
    }

    /// The file that tells the loader of libraries outside its own directories.
    pub fn list(&self) -> &Path {
        &self.list
    }
}

/// The directories that glibc was built to search: they stand in ld.so itself, each ended by a slash, one after
/// the other (`system_dirs` in `elf/dl-load.c`).
fn system_directories(ld_so: &[u8]) -> Vec<PathBuf> {
    let mut longest: Vec<PathBuf> = Vec::new();
    let mut run = Vec::new();
    for text in ld_so.split(|&byte| byte == 0) {
        match text {
            [b'/', .., b'/'] if text.windows(3).any(|part| part == b"lib") => {
                run.push(PathBuf::from(OsStr::from_bytes(&text[..text.len() - 1])));
            }
            _ if run.len() > longest.len() => longest = std::mem::take(&mut run),
            _ => run.clear(),
        }
    }
    if longest.is_empty() {
        longest = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from).to_vec();
    }
    longest
}

fn cache_path(ld_so: &[u8]) -> Option<PathBuf> {
    let mut texts = ld_so.split(|&byte| byte == 0);
    let path = texts.find(|text| text.starts_with(b"/") && text.ends_with(b"/ld.so.cache"))?;
    Some(OsStr::from_bytes(path).into())
}

impl fmt::Display for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        match self {
            Found::Path => write!(out, "by its path"),
            Found::Rpath(of) => write!(out, "RPATH of {}", name(of)),
            Found::Runpath(of) => write!(out, "RUNPATH of {}", name(of)),
            Found::Listed(list) => write!(out, "{}", name(list)),
            Found::Default(directory) => write!(out, "{}", directory.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_reads_the_default_directories_out_of_ld_so() {
        let bytes = b"\x7fELF\0junk/lib\0/proc/\0/etc/ld.so.cache\0/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0\0x\0/lib/\0end";
        let expected =
            ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"].map(PathBuf::from);
        assert_eq!(system_directories(bytes), expected);
        assert_eq!(cache_path(bytes), Some("/etc/ld.so.cache".into()));
        assert_eq!(system_directories(b"none")[0], Path::new("/lib64"));
    }
}
