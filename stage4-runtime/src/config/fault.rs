//! What is wrong with a config.json: where, what is there, and which rule it breaks.
//!
//! No kernel calls. Book: "config.json, field by field" (`config`).
//! Invariant: every fault names the path of its property, its value and the text that forbids it.

use stage1_chroot::printable;
use std::fmt;

/// One thing that is wrong, or, as a warning, ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `linux.namespaces[2].type`; empty: the file as a whole.
    pub path: String,
    /// The value and the rule: `"nett" is not a kind of namespace (one of …)`.
    pub what: String,
    /// Where the rule is written: `config-linux.md, Namespaces`; setrlimit(2).
    pub source: &'static str,
}

impl Fault {
    /// What is wrong at `path`, and who says so.
    pub fn new(path: impl Into<String>, what: impl fmt::Display, source: &'static str) -> Self {
        Fault { path: printable(path.into()), what: printable(what), source }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} [{}]", self.what, self.source)
    }
}

/// Everything that is wrong with one file; at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// What the file is called: `config.json`.
    pub file: String,
    /// In the order of the file's sections.
    pub list: Vec<Fault>,
}

impl Faults {
    /// A file with one fault.
    pub fn one(file: &str, fault: Fault) -> Self {
        Faults { file: file.to_owned(), list: vec![fault] }
    }
}

/// A line for each.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.list.iter().enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            write!(f, "{end}{}: {fault}", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// One sentence, since an [`Error`](crate::Error) is one line: engines read the last line of a log, and only it.
impl From<Faults> for crate::Error {
    fn from(faults: Faults) -> Self {
        let list: Vec<String> = faults.list.iter().map(Fault::to_string).collect();
        let count = match list.len() {
            1 => String::new(),
            count => format!("{count} faults: "),
        };
        crate::Error::refused(format!("{}: {count}{}", faults.file, list.join("; ")))
    }
}

/// A place in a file, written out only where something is wrong there.
#[derive(Debug, Clone, Copy)]
pub enum At<'a> {
    /// The file.
    Top,
    /// A property of an object.
    Key(&'a At<'a>, &'a str),
    /// An entry of an array.
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    /// The property `name` of the object here.
    pub fn key(&'a self, name: &'a str) -> At<'a> {
        At::Key(self, name)
    }

    /// The entry `index` of the array here.
    pub fn index(&'a self, index: usize) -> At<'a> {
        At::Index(self, index)
    }

    fn write(&self, text: &mut String) {
        match self {
            At::Top => {}
            At::Key(parent, name) => {
                parent.write(text);
                segment(text, name);
            }
            At::Index(parent, index) => {
                parent.write(text);
                text.push_str(&format!("[{index}]"));
            }
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

/// `.name`, or `["net.ipv4.ip_forward"]` where a dot would mean something else.
pub(super) fn segment(path: &mut String, name: &str) {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match (plain, path.is_empty()) {
        (true, true) => path.push_str(name),
        (true, false) => path.push_str(&format!(".{name}")),
        (false, _) => path.push_str(&format!("[{name:?}]")),
    }
}
