//! `/etc/ld.so.conf`: the directories that ldconfig(8) walks when it writes the cache.
//!
//! open(2), readdir(3); glibc 2.3.3 (2004) for `include`. Book: `build`.
//! Invariant: ld.so never reads these files, so what is found by them explains a failure and resolves nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The directories named by `conf` and by what it includes, in order.
pub fn directories(conf: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(conf, &mut found, &mut BTreeSet::new());
    found
}

fn collect(conf: &Path, found: &mut Vec<PathBuf>, seen: &mut BTreeSet<PathBuf>) {
    // By its real path: a file that includes itself through `..` would otherwise look new for ever.
    let (Ok(real), Ok(text)) = (fs::canonicalize(conf), fs::read_to_string(conf)) else { return };
    if !seen.insert(real) {
        return;
    }
    for line in lines(&text) {
        match line {
            Line::Directory(path) => found.push(path),
            Line::Include(pattern) => {
                let beside = conf.parent().unwrap_or(Path::new("/"));
                glob(&beside.join(pattern)).iter().for_each(|file| collect(file, found, seen));
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Directory(PathBuf),
    Include(PathBuf),
}

/// The lines that mean something. `hwcap` lines are obsolete, and a `=libc5` after a directory is history.
fn lines(text: &str) -> Vec<Line> {
    let meant = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    meant
        .filter(|line| !line.is_empty() && !line.starts_with("hwcap"))
        .flat_map(|line| match line.strip_prefix("include").filter(|rest| rest.starts_with([' ', '\t'])) {
            Some(patterns) => {
                patterns.split_whitespace().map(|p| Line::Include(p.into())).collect::<Vec<_>>()
            }
            None => vec![Line::Directory(line.split('=').next().unwrap_or(line).trim_end().into())],
        })
        .collect()
}

/// The files that `pattern` names, sorted; `*` and `?` in any component, as these files use them.
fn glob(pattern: &Path) -> Vec<PathBuf> {
    let mut matched = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            matched.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        let name = name.to_string_lossy();
        if !name.contains(['*', '?']) {
            matched.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        matched = matched.iter().flat_map(|directory| entries(directory, &name)).collect();
        matched.sort();
    }
    matched.retain(|path| path.exists());
    matched
}

fn entries(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names
        .filter(|name| {
            let name = name.as_encoded_bytes();
            // As in a shell, a leading dot is matched only by a dot.
            (name[0] != b'.' || pattern.starts_with('.')) && matches(pattern.as_bytes(), name)
        })
        .map(|name| directory.join(name))
        .collect()
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|taken| matches(rest, &name[taken..])),
        ([b'?', pattern @ ..], [_, name @ ..]) => matches(pattern, name),
        ([wanted, pattern @ ..], [byte, name @ ..]) if wanted == byte => matches(pattern, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_reads_the_lines_of_ld_so_conf() {
        let text =
            "# comment\n/usr/local/lib # more\n\ninclude a/*.conf\tb.conf\n/old=libc5\nhwcap 0 x\n/include\n";
        let expected = [
            Line::Directory("/usr/local/lib".into()),
            Line::Include("a/*.conf".into()),
            Line::Include("b.conf".into()),
            Line::Directory("/old".into()),
            Line::Directory("/include".into()),
        ];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn build_follows_includes_once_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        write("ld.so.conf", "/first\ninclude d/*.conf\n/last\n");
        write("d/b.conf", "/b\ninclude ../ld.so.conf\n");
        write("d/a.conf", "/a\n");
        write("d/.hidden.conf", "/hidden\n");
        write("d/readme", "/readme\n");
        let expected = ["/first", "/a", "/b", "/last"].map(PathBuf::from);
        assert_eq!(directories(&dir.path().join("ld.so.conf")), expected);
    }

    #[test]
    fn build_matches_stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("?.conf", "ab.conf", false),
            ("*", "", true),
            ("a*c*", "abcd", true),
            ("a", "b", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
