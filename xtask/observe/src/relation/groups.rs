//! Control groups and what was measured in them, by relation: `<yours>`, `<2 s or more>`, `<much>`.
//!
//! /proc/self/cgroup. Book: "How to use this book".
//! Invariant: a number that follows from a limit stays, or becomes a word that says how it follows; only what is
//! drawn by lot (process ids, moments) is named without a relation.

use super::is_number;
use std::fs;

/// The groups that we are in, but for the topmost; of one that we have stepped aside into the one above, too.
pub(super) fn own() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let given = |path| match str::rsplit_once(path, "/stage3-") {
        Some((above, _)) => [path, above],
        None => [path, path],
    };
    let paths = paths.flat_map(given).filter(|path| !matches!(*path, "/" | ""));
    let mut paths: Vec<_> = paths.map(str::to_owned).collect();
    // The longest first: one may begin as another does.
    paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
    paths.dedup();
    paths
}

/// `text` with groups and measures by their relations.
pub(super) fn apply(text: &str, own: &[String]) -> String {
    // Ours are seen from where we are: below the topmost for root, below the group given to us for others.
    let seen = own.iter().fold(text.to_owned(), |text, path| {
        yours(&text.replace(&format!("{path}/stage3-"), "/stage3-"), path)
    });
    let named = seen.split_inclusive('\n').map(|line| {
        let (line, end) = line.split_at(line.trim_end_matches('\n').len());
        measured(&refused(&pids(line))) + end
    });
    places(&named.collect::<String>(), own)
}

/// `path` by itself or below a mount point of control groups; not where another path merely holds these letters.
fn yours(text: &str, path: &str) -> String {
    let mut named = String::new();
    let mut done = 0;
    for (at, _) in text.match_indices(path) {
        let begin = text[..at].rfind([' ', ':', '"', '\n']).map_or(0, |end| end + 1);
        let alone = begin == at || text[begin..].starts_with("/sys/fs/cgroup");
        let after = text[at + path.len()..].chars().next();
        let whole = after.is_none_or(|c| !c.is_alphanumeric() && !"._-".contains(c));
        if at >= done && alone && whole {
            named.push_str(&text[done..at]);
            named.push_str("/<yours>");
            done = at + path.len();
        }
    }
    named + &text[done..]
}

/// The process ids in `stage3-run-712` and in `held by 712 (sh)`.
fn pids(line: &str) -> String {
    let held = line.contains("held by ");
    let mut named = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, digits) = rest.split_at(at);
        let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (number, after) = digits.split_at(length);
        named.push_str(before);
        let is_pid = named.ends_with("stage3-run-") || (held && after.starts_with(" ("));
        named.push_str(if is_pid { "<pid>" } else { number });
        rest = after;
    }
    named + rest
}

/// The hierarchy in which a group was refused or not found: the first or the last that was asked, whichever that is.
fn refused(line: &str) -> String {
    let kinds = [("mkdir(\"", ": EACCES", "<yours>"), ("open(\"", ": ENOENT", "<hierarchy>")];
    let named = kinds.iter().find_map(|(call, error, name)| {
        let begin = line.find(call).filter(|_| line.contains(error))? + call.len();
        let group = begin + line[begin..].find("/stage3-")?;
        line[begin..].starts_with('/').then(|| format!("{}{name}{}", &line[..begin], &line[group..]))
    });
    named.unwrap_or_else(|| line.to_owned())
}

/// One line of what the command measured.
fn measured(line: &str) -> String {
    let kinds = [moment, killed, throttled, processors, written, pressure, stalls, files, curve];
    kinds.iter().find_map(|kind| kind(line)).unwrap_or_else(|| line.to_owned())
}

/// `   0.321 s  populated`
fn moment(line: &str) -> Option<String> {
    let (time, event) = line.split_once(" s  ")?;
    let is_time = is_number(&time.trim_start().replacen('.', "", 1)) && line.starts_with(' ');
    is_time.then(|| format!("<time>  {event}"))
}

/// Who is killed as one of a group may be counted a second time as the one that was chosen.
fn killed(line: &str) -> Option<String> {
    let (before, kills) = line.split_once("note: killed for want of memory: ")?;
    let several = is_number(kills) && kills != "1";
    several.then(|| format!("{before}note: killed for want of memory: <more than one>"))
}

/// How many periods a second has depends on when it began.
fn throttled(line: &str) -> Option<String> {
    let (before, periods) = line.split_once("throttled in periods: ")?;
    is_number(periods).then(|| format!("{before}throttled in periods: <some>"))
}

/// `0.50 s of processor time in 1.01 s: 0.49 processors`. A busy host takes time from a machine in it, which that
/// machine's kernel counts as used: whether a quota held is said by the periods, and not by a clock.
fn processors(line: &str) -> Option<String> {
    let share = line.split_once(" s of processor time in ")?.1.split_once(": ")?.1;
    share.strip_suffix(" processors")?.parse::<f64>().ok()?;
    Some("<time> of processor time in <time>: <share> processors".to_owned())
}

/// `8 MB in 2.01 s: 4.0 MB/s`. A busy machine is slower than its limit, never faster.
fn written(line: &str) -> Option<String> {
    let (amount, rest) = line.split_once(" MB in ")?;
    let seconds: f64 = rest.split_once(" s: ")?.0.parse().ok()?;
    let word = if seconds >= 1.9 { "2 s or more" } else { "less than 2 s" };
    Some(format!("{amount} MB in <{word}>: <rate>"))
}

/// `cpu pressure     555657  -  -  -  µs`
fn pressure(line: &str) -> Option<String> {
    let (what, rest) = line.split_once(" pressure ")?;
    let mut cells = rest.split_whitespace();
    let now = cells.next()?;
    let word = match now.parse::<u64>() {
        Ok(waited) if waited < 50_000 => "<little>",
        Ok(_) => "<much>",
        Err(_) => now,
    };
    let rest = cells.fold(String::new(), |rest, cell| rest + "  " + cell);
    Some(format!("{:<15}  {word:<8}{rest}", format!("{what} pressure")))
}

/// `some avg10=0.00 avg60=0.12 avg300=0.05 total=77`
fn stalls(line: &str) -> Option<String> {
    let (whose, rest) = line.split_once(" avg10=")?;
    let plain = matches!(whose, "some" | "full") && rest.contains(" total=");
    plain.then(|| format!("{whose} avg10=<percent> avg60=<percent> avg300=<percent> total=<µs>"))
}

/// `61 open files`, where a limit of 64 left so many; round numbers are those asked for.
fn files(line: &str) -> Option<String> {
    let count: u64 = line.strip_suffix(" open files")?.parse().ok()?;
    (!count.is_multiple_of(100)).then(|| "<fewer> open files".to_owned())
}

/// The blocks of a curve, and the place of the mark below it.
fn curve(line: &str) -> Option<String> {
    let block = |c: char| ('▁'..='█').contains(&c) || c == '▲';
    let (begin, end) = (line.find(block)?, line.rfind(block)?);
    let after = line[end..].split_at(line[end..].chars().next()?.len_utf8()).1;
    match line[begin..].starts_with('▲') {
        true => Some(format!("<when>  {}", after.trim_start())),
        false => Some(format!("{} <curve> {}", line[..begin].trim(), after.trim_start())),
    }
}

/// The table of `info` up to `HERE`, our place called `<yours>` and the columns laid out anew: how much of it, and what
/// behind it, still fits a line depends on how long our place is called.
fn places(text: &str, own: &[String]) -> String {
    let rows: Vec<_> = text.lines().map(|line| placed(line, own)).collect();
    if !rows.iter().flatten().any(|row| row[0] == "CONTROLLER") {
        return text.to_owned();
    }
    let width = |column: usize| rows.iter().flatten().map(|row| row[column].len()).max();
    let widths: Vec<_> = (0..PLACES).map(|column| width(column).unwrap_or(0)).collect();
    // Versions stand on the right of their column, as numbers do.
    let pad = |(column, cell): (usize, &String)| match column {
        1 => format!("{cell:>width$}  ", width = widths[column]),
        _ => format!("{cell:<width$}  ", width = widths[column]),
    };
    let line = |(row, old): (&Option<[String; PLACES]>, &str)| match row {
        Some(row) => row.iter().enumerate().map(pad).collect::<String>() + "…\n",
        None => format!("{old}\n"),
    };
    rows.iter().zip(text.lines()).map(line).collect()
}

/// Controller, version, make, reaches, base, here.
const PLACES: usize = 6;

fn placed(line: &str, own: &[String]) -> Option<[String; PLACES]> {
    let cells: Vec<_> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let &[controller, version, make, reaches, base, ..] = cells.as_slice() else { return None };
    let (base, here) = match version {
        "VERSION" => (base, "HERE"),
        "-" => ("-", "-"),
        // An ordinary user would make groups where they are, if they might; who may does so where `HERE` says.
        "1" | "2" if make == "no" => ("<yours>", "<yours>"),
        "1" | "2" => (above(base, own), "<yours>"),
        _ => return None,
    };
    Some([controller, version, make, reaches, base, here].map(str::to_owned))
}

/// Where hierarchy `base` is mounted: without our own group at its end, of which a narrow line may show the beginning.
fn above<'a>(base: &'a str, own: &[String]) -> &'a str {
    let Some(begun) = base.strip_suffix('…') else { return base.trim_end_matches("/<yours>") };
    let mut places = begun.match_indices('/').map(|(at, _)| begun.split_at(at));
    let ours = places.find(|(_, end)| own.iter().any(|path| path.starts_with(end)));
    ours.map_or(base, |(mount, _)| mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_by_lot_is_named_and_what_follows_is_kept() {
        let own = ["/user.slice/a.scope".to_owned()];
        for (text, named) in [
            ("mkdir(\"/sys/x/user.slice/a.scope/stage3-run-712\")", "mkdir(\"/sys/x/stage3-run-<pid>\")"),
            ("x: mkdir(\"/sys/x/stage3-y\"): EACCES (P", "x: mkdir(\"<yours>/stage3-y\"): EACCES (P"),
            ("x: open(\"/sys/x/stage3-y\", O_P): ENOENT", "x: open(\"<hierarchy>/stage3-y\", O_P): ENOENT"),
            ("4:memory:/user.slice/a.scope", "4:memory:/<yours>"),
            ("/sys/fs/cgroup/user.slice/a.scope x", "/sys/fs/cgroup/<yours> x"),
            ("/srv/user.slice/a.scope", "/srv/user.slice/a.scope"),
            ("hint: held by 7 (sh), 8 (sleep)", "hint: held by <pid> (sh), <pid> (sleep)"),
            ("   0.321 s  fork refused: 1", "<time>  fork refused: 1"),
            ("note: killed for want of memory: 3", "note: killed for want of memory: <more than one>"),
            ("note: throttled in periods: 8", "note: throttled in periods: <some>"),
            (
                "0.50 s of processor time in 1.01 s: 0.49 processors",
                "<time> of processor time in <time>: <share> processors",
            ),
            ("8 MB in 2.00 s: 4.0 MB/s", "8 MB in <2 s or more>: <rate>"),
            ("8 MB in 0.01 s: 800.0 MB/s", "8 MB in <less than 2 s>: <rate>"),
            ("61 open files", "<fewer> open files"),
            ("200 open files", "200 open files"),
            ("    memory ▁▁▅█ limit 50 MB", "memory <curve> limit 50 MB"),
            ("             ▲   killed: 1", "<when>  killed: 1"),
            ("40 MB", "40 MB"),
        ] {
            assert_eq!(apply(text, &own), named);
        }
        assert!(pressure("cpu pressure     555657  -  µs").is_some_and(|line| line.contains("<much>")));
        assert!(pressure("cpu pressure  -  -  µs").is_some_and(|line| !line.contains('<')), "never 0");
    }

    #[test]
    fn the_table_of_places_is_the_same_wherever_we_are() {
        let own = ["/user.slice/a.scope".to_owned()];
        let table = |make: &str, base: &str| {
            format!(
                "layout: v2\nCONTROLLER  VERSION  MAKE  REACHES  BASE  HERE  PUR…\n\
                 memory            2  {make}   yes      {base}\nrdma              -  -     -        -     -     h…\n"
            )
        };
        let named = |make: &str, base: &str| {
            let gap = " ".repeat(base.len());
            format!(
                "layout: v2\nCONTROLLER  VERSION  MAKE  REACHES  BASE{}  HERE     …\n\
                 memory            2  {make:<4}  yes      {base}  <yours>  …\n\
                 rdma              -  -     -        -{}  -        …\n",
                &gap[4..],
                &gap[1..]
            )
        };
        for base in [
            "/sys/fs/cgroup  /  all of it",
            "/sys/fs/cgroup/user.slice/a.scope  /user…",
            "/sys/fs/cgroup/user.sl…",
            "/sys/fs/cgroup  /user.s…",
        ] {
            assert_eq!(apply(&table("yes", base), &own), named("yes", "/sys/fs/cgroup"), "{base}");
            assert_eq!(apply(&table("no", base), &own), named("no", "<yours>"), "{base}");
        }
    }
}
