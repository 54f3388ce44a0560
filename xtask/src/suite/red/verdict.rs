//! What became of a test whose defence was taken away.
//!
//! No kernel calls. Book: "Weaknesses, and what turns red" (`weaknesses`).
//! Invariant: pure; red is a panic at a line of the tests, and nothing else.

use std::process::ExitStatus;

/// timeout(1): the time is up.
const TOO_LONG: i32 = 124;

/// What it came to, and the words that show it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An assertion of the test does not hold.
    Red(String),
    /// It holds all the same.
    Green,
    /// Cannot be observed here.
    Skipped(String),
    /// rustc refuses the patch.
    NotBuilt(String),
    /// It failed without an assertion, or did not end, or there is no such test.
    Otherwise(String),
}

impl Verdict {
    /// From what the program of `test` said.
    pub fn of(test: &str, ended: ExitStatus, said: &str) -> Verdict {
        let result = said.lines().rev().find_map(|line| result(line, test));
        let assertion = said.lines().zip(said.lines().skip(1)).find_map(|(line, next)| asserted(line, next));
        let skipped = said.lines().find(|line| line.starts_with("SKIP "));
        match (result, assertion, skipped) {
            _ if ended.code() == Some(TOO_LONG) => Verdict::Otherwise("it did not end".into()),
            (Some("ok"), _, Some(skipped)) => Verdict::Skipped(skipped.to_owned()),
            (Some("ok"), ..) if ended.success() => Verdict::Green,
            (Some("FAILED"), Some(assertion), _) if !ended.success() => Verdict::Red(assertion),
            (None, ..) => Verdict::Otherwise(format!("no such test was run; {ended}: {}", last(said))),
            _ => Verdict::Otherwise(format!("{ended}, and no assertion of the test: {}", last(said))),
        }
    }

    pub fn is_red(&self) -> bool {
        matches!(self, Verdict::Red(_))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Red(_) => "red",
            Verdict::Green => "STILL GREEN",
            Verdict::Skipped(_) => "SKIPPED",
            Verdict::NotBuilt(_) => "NOT BUILT",
            Verdict::Otherwise(_) => "NOT RED",
        }
    }

    pub fn why(&self) -> &str {
        match self {
            Verdict::Green => "without the defence the test holds all the same: it shows nothing",
            Verdict::Red(why) | Verdict::Skipped(why) | Verdict::NotBuilt(why) | Verdict::Otherwise(why) => {
                why
            }
        }
    }
}

/// `test room::name ... FAILED`
fn result<'a>(line: &'a str, test: &str) -> Option<&'a str> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let is_it = name == test || name.strip_suffix(test).is_some_and(|rooms| rooms.ends_with("::"));
    is_it.then_some(result)
}

/// `thread 'x' panicked at stage4-runtime/tests/cve/y.rs:1:2:`, and the words on the line after it.
fn asserted(line: &str, next: &str) -> Option<String> {
    let place = line.split_once("panicked at ")?.1.trim_end_matches(':');
    let place = place.find("tests/").map(|start| &place[start..])?;
    let room = place.rsplit_once(':').map_or(place, |(line, _)| line);
    Some(format!("{room}: {}", next.chars().take(100).collect::<String>()))
}

fn last(said: &str) -> &str {
    said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing was said")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn of(code: i32, said: &str) -> Verdict {
        Verdict::of("it_holds", ExitStatus::from_raw(code << 8), said)
    }

    #[test]
    fn red_is_an_assertion_of_the_test() {
        let panic = "thread 'a' (7) panicked at stage4-runtime/tests/cve/a.rs:9:5:\nassertion failed: x";
        let failed = "test a::it_holds ... FAILED";
        assert_eq!(
            of(101, &format!("{failed}\n{panic}\n")),
            Verdict::Red("tests/cve/a.rs:9: assertion failed: x".into())
        );
        assert!(!of(101, failed).is_red(), "it was killed, perhaps");
        let within = panic.replace("stage4-runtime/tests/cve", "src");
        assert!(!of(101, &format!("{failed}\n{within}\n")).is_red(), "the runtime's own panic");
        assert!(!of(124, &format!("{failed}\n{panic}\n")).is_red());
    }

    #[test]
    fn green_skipped_and_missing_are_not_red() {
        assert_eq!(of(0, "test it_holds ... ok"), Verdict::Green);
        assert_eq!(of(0, "\nSKIP a: b\ntest it_holds ... ok"), Verdict::Skipped("SKIP a: b".into()));
        assert!(matches!(of(0, "test that_it_holds ... ok"), Verdict::Otherwise(_)));
    }
}
