//! Who shares what: members of a pod, each of which printed the namespaces it is in.
//!
//! No kernel calls. Book: "Composing" (`pod`).
//! A member's facts are lines `kind:relation` (`net:new-1`), and its host name where `hostname` was typed.
//! Invariant: what is drawn as one was printed equal by all; what is drawn apart was not.

use super::{Drawing, EDGE, LINE, SPACE, TOP, WIDTH, bar, middle, text, wall};
use crate::transcript::{Line, lines};
use crate::words::Words;

/// What one member printed: name and value of each fact, in order.
type Member<'a> = Vec<(&'a str, &'a str)>;

/// Draws the members side by side.
pub fn draw(body: &str, words: &Words) -> Result<Drawing, String> {
    let members = members(body)?;
    let (first, number) = (&members[0], members.len());
    let value = |member: &Member<'_>, at: usize| member[at].1.to_owned();
    let one = |at: &usize| members.iter().all(|member| value(member, *at) == value(first, *at));
    let (shared, apart): (Vec<_>, Vec<_>) = (0..first.len()).partition(one);
    let (column, height, mut y) = (WIDTH / number, 14 + 2 * LINE, TOP);
    let mut shapes = String::new();
    for at in apart.iter().copied() {
        for (place, member) in members.iter().enumerate() {
            shapes += &fact(("own", place * column + EDGE, y, column - 2 * EDGE, height), member[at]);
        }
        y += height + SPACE;
    }
    for at in shared.iter().copied() {
        shapes += &fact(("both", EDGE, y, WIDTH - 2 * EDGE, height), first[at]);
        y += height + SPACE;
    }
    let shapes = frame(number, y, words) + &shapes;
    let whose = |at: &usize| if one(at) { words.pod_shared } else { words.pod_apart };
    let row = |at: usize| {
        let values = members.iter().map(|member| value(member, at));
        std::iter::once(first[at].0.to_owned()).chain(values).chain([whose(&at).to_owned()]).collect()
    };
    let rows: Vec<Vec<String>> = (0..first.len()).map(row).collect();
    Ok(Drawing {
        title: words.pod_title,
        height: y,
        shapes,
        spoken: rows.iter().map(|row| row.join(", ")).collect(),
        head: std::iter::once(words.fact.to_owned())
            .chain((0..number).map(|place| name(place, words)))
            .chain([String::new()])
            .collect(),
        rows,
    })
}

/// A wall around each member.
fn frame(number: usize, foot: usize, words: &Words) -> String {
    let column = WIDTH / number;
    let member = |place| {
        wall(place * column + 2, column - 4, foot)
            + &text("side", middle(place, number), 20, &name(place, words))
    };
    (0..number).map(member).collect()
}

fn name(place: usize, words: &Words) -> String {
    format!("{} {}", words.member, place + 1)
}

fn fact(
    (class, x, y, width, height): (&str, usize, usize, usize, usize),
    (key, value): (&str, &str),
) -> String {
    bar(class, x, y, width, height)
        + &text("key", x + width / 2, y + 19, key)
        + &text("value", x + width / 2, y + 19 + LINE, value)
}

/// A member begins where a fact comes up a second time.
fn members(body: &str) -> Result<Vec<Member<'_>>, String> {
    let lines = lines(body);
    let named = lines.iter().any(|line| matches!(line, Line::Typed(_, text) if text.contains("hostname;")));
    let mut members: Vec<Member<'_>> = Vec::new();
    for line in lines {
        let Line::Printed(text) = line else { continue };
        let fact = match text.split_once(':') {
            Some((kind, relation)) if !text.contains(' ') => (kind, relation),
            None if named && !text.contains(' ') => ("hostname", text),
            _ => return Err(format!("{text:?} is no namespace and no host name of a member")),
        };
        match members.last_mut().filter(|member| member.iter().all(|(key, _)| *key != fact.0)) {
            Some(member) => member.push(fact),
            None => members.push(vec![fact]),
        }
    }
    let keys = |member: &Member<'_>| member.iter().map(|fact| fact.0.to_owned()).collect::<Vec<_>>();
    match members.len() {
        0 | 1 => Err("no two members that printed the same facts".into()),
        _ if members.iter().any(|member| keys(member) != keys(&members[0])) => {
            Err("the members did not print the same facts in the same order".into())
        }
        _ => Ok(members),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    const BODY: &str =
        "$ pod -- \\\n>   sh -c 'hostname; readlink'\npod\nnet:new-1\npid:new-1\npod\nnet:new-1\npid:new-2\n";

    #[test]
    fn equal_is_drawn_as_one_and_different_apart() {
        let drawing = draw(BODY, Lang::En.words()).unwrap();
        assert_eq!(drawing.shapes.matches("class=\"both\"").count(), 2, "host name and net");
        assert_eq!(drawing.shapes.matches("class=\"own\"").count(), 2, "a pid namespace each");
        assert_eq!(drawing.rows[2][..3], ["pid", "new-1", "new-2"]);
        assert_eq!(drawing.head, ["Fact", "member 1", "member 2", ""]);
    }

    #[test]
    fn what_was_not_observed_is_not_drawn() {
        for (body, why) in [
            ("$ x\nnet:new-1\npid:new-1\n", "no two members"),
            ("$ x\nnet:new-1\npid:new-1\nnet:new-1\n", "same facts"),
            ("$ x\npod\nnet:new-1\n", "no host name"),
            ("$ x\nerror: no\nnet:new-1\n", "no namespace"),
        ] {
            let said = draw(body, Lang::En.words()).unwrap_err();
            assert!(said.contains(why), "{body:?}: {said}");
        }
    }
}
