//! Everything that programs need to run, and why.
//!
//! lstat(2), readlink(2), open(2) on the host; the words ELF interpreter and `#!` are of 1988 and 1980. Book: `build`.
//! Invariant: nothing is executed and nothing is written; every path that would be opened is in the answer.

pub mod link_map;
pub mod program;
pub mod trail;

use crate::loader::Loader;
use crate::loader::object::{self, Object};
use crate::{Error, Result};
use link_map::LinkMap;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use trail::{Step, Trail};

/// How many `#!` the kernel follows before it answers ELOOP (`BINPRM` loop in `fs/exec.c`).
const SCRIPT_DEPTH: usize = 5;

/// The programs and all they need: a forest, each node after the one that needs it.
#[derive(Debug, Default)]
pub struct Closure {
    /// The programs first to last, each followed by what it needs.
    pub nodes: Vec<Node>,
}

/// One thing that is needed.
#[derive(Debug)]
pub struct Node {
    /// The name by which it is asked for.
    pub name: OsString,
    /// Why it is needed.
    pub why: Why,
    /// The node that needs it.
    pub by: Option<usize>,
    /// The path to it, link by link.
    pub trail: Trail,
}

/// Why a file belongs to a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It was asked for; found by its name in `PATH`, or given as a path.
    Program {
        /// Whether `PATH` was searched.
        searched: bool,
    },
    /// `PT_INTERP`: the kernel starts it in the program's place.
    Interpreter,
    /// `DT_NEEDED`, and how the loader finds it.
    Needed(crate::loader::Found),
    /// The `#!` line names it.
    Script,
    /// The `#!` line asks env(1) to find it in `PATH`.
    Env,
    /// It tells the loader of a directory that it would not search by itself.
    List(PathBuf),
    /// A link at the top of the host's root into directories that the new root has.
    Layout,
}

impl Closure {
    /// What `programs` need: paths, or names to be searched in `PATH`.
    pub fn of<P: AsRef<Path>>(programs: &[P]) -> Result<Closure> {
        let mut closure = Closure::default();
        for name in programs.iter().map(AsRef::as_ref) {
            let searched = program::is_bare(name);
            closure.program(name.as_os_str(), Why::Program { searched }, None, 0)?;
        }
        closure.layout()?;
        Ok(closure)
    }

    /// The nodes that `node` needs itself; `None` for the programs asked for and the layout.
    pub fn children(&self, node: Option<usize>) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(move |&child| self.nodes[child].by == node)
    }

    fn program(&mut self, name: &OsStr, why: Why, by: Option<usize>, depth: usize) -> Result<()> {
        let path = program::locate(Path::new(name))?;
        let node = self.add(name, why, by, &path)?;
        let real = self.nodes[node].trail.end.clone();
        let head = object::head(&real).map_err(|error| {
            error.with_hint("what a program needs is read out of its file; ask for the right to read it")
        })?;
        let object = object::is_elf(&head).then(|| Object::open(&real)).transpose()?;
        if let Some(place) = program::place_for_path(Path::new(name), &path) {
            self.settle(node, place, object.as_ref());
        }
        if let Some(object) = object {
            return self.elf(node, object);
        }
        let Some(line) = program::shebang(&head) else {
            return Err(program::neither(&path));
        };
        if depth == SCRIPT_DEPTH {
            let call = format!("execve({path:?})");
            let error = Error::call(call, nix::errno::Errno::ELOOP);
            return Err(error
                .with_hint("the kernel follows five #! lines, no more; is a script its own interpreter?"));
        }
        let interpreted = |error| program::needed_by_script(error, &path);
        self.program(&line.interpreter, Why::Script, Some(node), depth + 1).map_err(interpreted)?;
        match line.through_env() {
            Some(name) => self.program(&name, Why::Env, Some(node), depth + 1).map_err(interpreted),
            None => Ok(()),
        }
    }

    /// Puts a program where `run` finds it; one that must stay where it is gets a link there.
    fn settle(&mut self, node: usize, place: PathBuf, object: Option<&Object>) {
        let trail = &mut self.nodes[node].trail;
        if object.is_some_and(program::stays) {
            trail.steps.push(Step::Link(place, trail.end.clone()));
        } else {
            *trail = trail.clone().moved(place);
        }
    }

    fn elf(&mut self, program: usize, object: Object) -> Result<()> {
        program::check_target(&object)?;
        let Some(interpreter) = object.elf.interpreter.clone() else {
            return if object.elf.is_static() { Ok(()) } else { Err(program::a_library(&object)) };
        };
        let loader = Loader::read(&interpreter).map_err(|error| program::no_interpreter(error, &object))?;
        if loader.object.elf.target != object.elf.target {
            return Err(program::foreign_interpreter(&object, &loader));
        }
        self.add(interpreter.as_os_str(), Why::Interpreter, Some(program), &interpreter)?;
        let map = LinkMap::load(object, &loader)?;
        let mut nodes = vec![program];
        for link in &map.links[1..] {
            let why = Why::Needed(link.found.clone());
            nodes.push(self.add(&link.name, why, Some(nodes[link.by]), &link.object.path)?);
        }
        self.list(program, &map, &loader)
    }

    /// Without its list, the loader in the new root would not find what only the list names.
    fn list(&mut self, program: usize, map: &LinkMap, loader: &Loader) -> Result<()> {
        use crate::loader::Found::Listed;
        let only_listed = map
            .links
            .iter()
            .find(|link| matches!(link.found, Listed(_)) && !loader.searches(&link.object.path));
        let Some(link) = only_listed else { return Ok(()) };
        let directory = link.object.origin().to_owned();
        self.add(loader.list().as_os_str(), Why::List(directory), Some(program), loader.list()).map(drop)
    }

    /// Keeps `/bin -> usr/bin` and its like, so that what a path meant on the host it means in the root.
    fn layout(&mut self) -> Result<()> {
        let files: Vec<PathBuf> = self.nodes.iter().map(|node| node.trail.end.clone()).collect();
        let top = fs::read_dir("/").map_err(|error| Error::io("open(\"/\", O_DIRECTORY)", &error))?;
        let mut links: Vec<PathBuf> =
            top.flatten().map(|entry| entry.path()).filter(|path| path.is_symlink()).collect();
        links.sort();
        for path in links {
            let Ok(trail) = Trail::follow(&path) else { continue };
            let is_new = !self.nodes.iter().any(|node| node.trail.passes(&path));
            if is_new && files.iter().any(|file| file != &trail.end && file.starts_with(&trail.end)) {
                self.nodes.push(Node {
                    name: path.into(),
                    why: Why::Layout,
                    by: None,
                    trail: trail.only_links(),
                });
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &OsStr, why: Why, by: Option<usize>, path: &Path) -> Result<usize> {
        let trail = Trail::follow(path)?;
        self.nodes.push(Node { name: name.to_owned(), why, by, trail });
        Ok(self.nodes.len() - 1)
    }

    /// Every file, link and directory once, in the order of first need, with the node that needed it first.
    pub fn steps(&self) -> Vec<(usize, &Step)> {
        let mut seen = BTreeSet::new();
        let nodes = self.nodes.iter().enumerate();
        let steps = nodes.flat_map(|(index, node)| node.trail.steps.iter().map(move |step| (index, step)));
        steps.filter(|(_, step)| seen.insert(*step)).collect()
    }
}

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Program { searched: true } => write!(out, "program, found in PATH"),
            Why::Program { searched: false } => write!(out, "program"),
            Why::Interpreter => write!(out, "interpreter"),
            Why::Needed(found) => write!(out, "NEEDED, {found}"),
            Why::Script => write!(out, "named by #!"),
            Why::Env => write!(out, "named by #! to env, found in PATH"),
            Why::List(directory) => write!(out, "tells the loader of {}", directory.display()),
            Why::Layout => write!(out, "as on this host"),
        }
    }
}
