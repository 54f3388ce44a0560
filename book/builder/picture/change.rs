//! What flipped: two snapshots of `probe compare`, an earlier chapter's and a later one's, line beside line.
//!
//! No kernel calls. Book: the last comparison of each chapter from the second on.
//! A fact has flipped when its owner has: `host's` became `own`. Another detail of an `own` is no flip.
//! Invariant: both snapshots hold the same facts in the same order, or there is no picture.

use super::facts::{Fact, Owner, facts};
use super::{Drawing, EDGE, LINE, WIDTH, bar, text, wrap};
use crate::words::Words;

/// Where the columns begin: the later one has more to say.
const BEFORE: usize = 112;
const AFTER: usize = 240;
/// Half of the space between rows.
const GAP: usize = 6;

/// One fact, then and now.
type Pair<'a> = (Fact<'a>, Fact<'a>);

/// Draws `before` beside `after`, the flipped facts first.
pub fn draw(before: &str, after: &str, words: &Words) -> Result<Drawing, String> {
    let pairs = pairs(facts(before)?, facts(after)?)?;
    let groups = [
        (words.flipped, pick(&pairs, |a, b| a != b)),
        (words.still_host, pick(&pairs, |a, b| a == b && a != Owner::Own)),
        (words.own_before, pick(&pairs, |a, b| a == b && a == Owner::Own)),
    ];
    let mut y = 30;
    let mut shapes = text("side", (BEFORE + AFTER - 26) / 2, 20, words.before);
    shapes += &text("side", (AFTER + WIDTH - EDGE) / 2, 20, words.after);
    for (name, pairs) in groups.iter().filter(|(_, pairs)| !pairs.is_empty()) {
        shapes += &text("group", WIDTH / 2, y + 16, &format!("{name} ({})", pairs.len()));
        y += 28;
        for pair in pairs {
            let (row, height) = draw_pair(pair, y);
            shapes += &row;
            y += height + GAP;
        }
        y += GAP;
    }
    let rows = groups.iter().flat_map(|(name, pairs)| pairs.iter().map(|pair| row(name, pair)));
    Ok(Drawing {
        title: words.change_title,
        height: y,
        shapes,
        spoken: groups.iter().flat_map(|(name, pairs)| spoken(name, pairs)).collect(),
        head: [words.fact, words.before, words.after, ""].map(str::to_owned).to_vec(),
        rows: rows.collect(),
    })
}

fn pairs<'a>(before: Vec<Fact<'a>>, after: Vec<Fact<'a>>) -> Result<Vec<Pair<'a>>, String> {
    let keys = |facts: &[Fact<'a>]| facts.iter().map(|fact| fact.key).collect::<Vec<_>>();
    let (then, now) = (keys(&before), keys(&after));
    if then != now {
        let differ =
            then.iter().filter(|key| !now.contains(key)).chain(now.iter().filter(|key| !then.contains(key)));
        let differ: Vec<_> = differ.copied().collect();
        return Err(format!("the two do not hold the same facts in the same order: {}", differ.join(", ")));
    }
    let pairs: Vec<_> = before.into_iter().zip(after).collect();
    match pairs.iter().any(|(then, now)| then.owner != now.owner) {
        true => Ok(pairs),
        false => Err("nothing flipped from the first to the second".into()),
    }
}

fn pick<'a>(pairs: &[Pair<'a>], wanted: impl Fn(Owner, Owner) -> bool) -> Vec<Pair<'a>> {
    pairs.iter().filter(|(then, now)| wanted(then.owner, now.owner)).copied().collect()
}

fn row(group: &str, (then, now): &Pair<'_>) -> Vec<String> {
    [then.key, then.value, now.value, group].map(str::to_owned).to_vec()
}

fn spoken(group: &str, pairs: &[Pair<'_>]) -> Vec<String> {
    let said = |(then, now): &Pair<'_>| format!("{group}: {}: {} → {}", then.key, then.value, now.value);
    pairs.iter().map(said).collect()
}

/// The name, a box for then, an arrow (or an equals sign: a colour is not enough), a box for now.
fn draw_pair((then, now): &Pair<'_>, y: usize) -> (String, usize) {
    let boxes = [(then, BEFORE, AFTER - 26 - BEFORE), (now, AFTER, WIDTH - EDGE - AFTER)];
    let said = boxes.map(|(fact, _, width)| wrap(fact.value, width / 7));
    let height = 10 + LINE * said.iter().map(Vec::len).max().unwrap_or(1);
    let sign = if then.owner == now.owner { "=" } else { "→" };
    let mut row = text("key", BEFORE / 2, y + height / 2 + 5, then.key);
    row += &text("sign", AFTER - 13, y + height / 2 + 5, sign);
    for ((fact, x, width), lines) in boxes.into_iter().zip(&said) {
        row += &bar(fact.owner.class(), x, y, width, height);
        let top = y + (height - LINE * lines.len()) / 2 + 13;
        for (number, line) in lines.iter().enumerate() {
            row += &text("value", x + width / 2, top + LINE * number, line);
        }
    }
    (row, height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    const BEFORE: &str = "$ x\nroot: own (bin)\nmnt: host's\nkernel: host's\n";
    const AFTER: &str = "$ y\nroot: own (usr)\nmnt: own\nkernel: host's\n";

    #[test]
    fn a_flip_is_another_owner_and_not_another_detail() {
        let drawing = draw(BEFORE, AFTER, Lang::En.words()).unwrap();
        let groups: Vec<_> = drawing.rows.iter().map(|row| (row[0].as_str(), row[3].as_str())).collect();
        assert_eq!(
            groups,
            [("mnt", "flipped"), ("kernel", "still the host's"), ("root", "its own before already")]
        );
        assert_eq!(drawing.shapes.matches('→').count(), 1, "{}", drawing.shapes);
    }

    #[test]
    fn two_snapshots_that_cannot_be_compared_are_refused() {
        let refused = |after| draw(BEFORE, after, Lang::En.words()).unwrap_err();
        assert!(refused("root: own\nmnt: own\npid: own\n").ends_with("kernel, pid"));
        assert!(refused(BEFORE).contains("nothing flipped"));
    }
}
