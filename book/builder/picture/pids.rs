//! The two pids: who has a number inside a pid namespace, and who has one outside.
//!
//! No kernel calls. Book: "pid" (`pid`).
//! Read from `processes 1 2`, `2 pids; the inner one is 2` and `kill(NAME, 0): ESRCH …`.
//! Invariant: a number that the snapshot does not hold is drawn as not asked for, never guessed.

use super::{Drawing, EDGE, LINE, SPACE, TOP, WIDTH, bar, middle, text, wall};
use crate::transcript::{Line, lines};
use crate::words::Words;

/// What the snapshot says.
struct Seen<'a> {
    /// Those that /proc shows inside.
    inside: Vec<&'a str>,
    /// Of these, the one that was asked for its other pid.
    asked: &'a str,
    /// A process outside, and how kill(2) inside answered.
    outside: (&'a str, &'a str),
}

/// Draws a row for each process.
pub fn draw(body: &str, words: &Words) -> Result<Drawing, String> {
    let seen = read(body)?;
    let named = |pid: &&str| {
        let outside =
            if *pid == seen.asked { ("both", words.second_pid) } else { ("unsaid", words.not_asked) };
        (outside, ("own", (*pid).to_owned()))
    };
    let stranger = (("theirs", seen.outside.0), ("unseen", format!("{} ({})", words.no_pid, seen.outside.1)));
    let rows: Vec<_> = seen.inside.iter().map(named).chain([stranger]).collect();
    let (width, height, mut y) = (WIDTH / 2 - 2 * EDGE, 16 + LINE, TOP);
    let mut shapes = String::new();
    for ((outer, left), (inner, right)) in &rows {
        shapes += &bar(outer, EDGE, y, width, height);
        shapes += &bar(inner, WIDTH / 2 + EDGE, y, width, height);
        if *outer == "both" {
            let (x, y) = (WIDTH / 2 - EDGE, y + height / 2);
            shapes +=
                &format!("<line class=\"link\" x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>", x + 2 * EDGE);
        }
        shapes += &text("value", middle(0, 2), y + 21, left);
        shapes += &text(if *inner == "own" { "key" } else { "value" }, middle(1, 2), y + 21, right);
        y += height + SPACE;
    }
    let frame = wall(WIDTH / 2, WIDTH / 2 - 1, y)
        + &text("side", middle(0, 2), 20, words.pid_outside)
        + &text("side", middle(1, 2), 20, words.pid_inside);
    let cells =
        |((_, left), (_, right)): &((&str, &str), (&str, String))| vec![(*left).to_owned(), right.clone()];
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    Ok(Drawing {
        title: words.pids_title,
        height: y,
        shapes: frame + &shapes,
        spoken: rows.iter().map(|row| row.join(" = ")).collect(),
        head: [words.pid_outside, words.pid_inside].map(str::to_owned).to_vec(),
        rows,
    })
}

fn read(body: &str) -> Result<Seen<'_>, String> {
    let lines = lines(body);
    let printed =
        || lines.iter().filter_map(|line| if let Line::Printed(text) = line { Some(*text) } else { None });
    let inside = printed().find_map(|line| line.strip_prefix("processes ")).ok_or("no line `processes …`")?;
    let inside: Vec<&str> = inside.split_whitespace().collect();
    let asked = printed().find_map(|line| line.strip_prefix("2 pids; the inner one is "));
    let asked = asked.ok_or("no line `2 pids; the inner one is …`")?;
    if !inside.contains(&asked) {
        return Err(format!("pid {asked} is none of those inside: {}", inside.join(" ")));
    }
    let outside = printed().find_map(killed).ok_or("no line `… kill(NAME, 0): ESRCH …`")?;
    Ok(Seen { inside, asked, outside })
}

/// `CONTAINED pr-02: kill($CANARY_PID, 0): ESRCH (No such process)`
fn killed(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(": kill(")?;
    let (who, answer) = rest.split_once(", 0): ")?;
    let errno = answer.split(' ').next()?;
    (errno == "ESRCH").then_some((who, errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    const BODY: &str = "$ a\npid           2\nprocesses     1 2\n$ b\n2 pids; the inner one is 2\n$ c\nCONTAINED pr-02: kill($CANARY_PID, 0): ESRCH (No such process)\n[exit status 1]";

    #[test]
    fn each_process_has_a_row_and_only_the_one_that_was_asked_a_link() {
        let drawing = draw(BODY, Lang::En.words()).unwrap();
        let rows: Vec<_> = drawing.rows.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
        assert_eq!(
            rows,
            [("not asked in this step", "1"), ("another number", "2"), ("$CANARY_PID", "no number (ESRCH)")]
        );
        assert_eq!(drawing.shapes.matches("<line").count(), 1);
    }

    #[test]
    fn a_snapshot_without_one_of_the_three_is_no_picture() {
        for (from, to) in
            [("processes", "visible"), ("2 pids", "1 pids"), ("one is 2", "one is 7"), ("ESRCH", "EPERM")]
        {
            assert!(draw(&BODY.replace(from, to), Lang::En.words()).is_err(), "{from} -> {to}");
        }
    }
}
