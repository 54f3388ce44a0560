//! Who was answered: places in different network namespaces, what was plugged in, and which pings came back.
//!
//! No kernel calls. Book: "A cable between two networks" (`veth`), "A bridge" (`bridge`).
//! What was typed names places, links and questions; what was printed are the answers, in the same order.
//! Invariant: there is a picture only where every ping that was typed was answered, by the address it asked.

use super::{Drawing, EDGE, LINE, SPACE, TOP, WIDTH, bar, middle, text};
use crate::transcript::{Line, lines};
use crate::words::Words;

/// A network namespace: its name (none is where the commands were typed), and what is known of it.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    name: Option<&'a str>,
    /// `eth0 198.18.0.2/24`, where it was typed.
    addresses: Vec<String>,
    /// The addresses that answered this place.
    answers: Vec<&'a str>,
}

/// Draws the places, and what joins them beneath.
pub fn draw(body: &str, words: &Words) -> Result<Drawing, String> {
    let (places, joint) = read(body)?;
    let (number, width) = (places.len(), WIDTH / places.len() - EDGE);
    let tallest =
        places.iter().map(|place| place.addresses.len() + 2 * place.answers.len()).max().unwrap_or(0);
    let height = 14 + LINE * tallest + 8;
    let foot = TOP + height + 26;
    let mut shapes = String::new();
    for (at, place) in places.iter().enumerate() {
        let (left, center) = (at * WIDTH / number + EDGE / 2, middle(at, number));
        shapes += &text("side", center, 20, place.name.unwrap_or(words.here));
        shapes += &bar("own", left, TOP, width, height);
        shapes += &known(place, center, words);
        let top = TOP + height;
        shapes +=
            &format!("<line class=\"link\" x1=\"{center}\" y1=\"{top}\" x2=\"{center}\" y2=\"{foot}\"/>");
    }
    shapes += &bar("both", EDGE / 2, foot, WIDTH - EDGE, 16 + LINE);
    shapes += &text("key", WIDTH / 2, foot + 21, &joint);
    let row = |place: &Place<'_>| {
        vec![
            place.name.unwrap_or(words.here).to_owned(),
            place.addresses.join(", "),
            place.answers.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = places.iter().map(row).collect();
    Ok(Drawing {
        title: words.network_title,
        height: foot + 16 + LINE + SPACE,
        shapes,
        spoken: std::iter::once(joint)
            .chain(rows.iter().map(|row| format!("{}: {} {}: {}", row[0], row[1], words.answered_by, row[2])))
            .collect(),
        head: [words.place, words.addresses, words.answered_by].map(str::to_owned).to_vec(),
        rows,
    })
}

/// The addresses of a place, and the answers that it got.
fn known(place: &Place<'_>, center: usize, words: &Words) -> String {
    let addresses = place.addresses.iter().map(|address| ("key", address.as_str()));
    let answers = place.answers.iter().flat_map(|address| [("value", words.answered_by), ("key", *address)]);
    let lines = addresses.chain(answers).enumerate();
    lines.map(|(line, (class, said))| text(class, center, TOP + 21 + LINE * line, said)).collect()
}

fn read(body: &str) -> Result<(Vec<Place<'_>>, String), String> {
    let lines = lines(body);
    let typed =
        || lines.iter().filter_map(|line| if let Line::Typed(_, text) = line { Some(*text) } else { None });
    let commands = || typed().flat_map(|line| line.split([';', '&'])).map(words_of);
    let mut replies =
        lines.iter().filter_map(|line| if let Line::Printed(text) = line { reply(text) } else { None });
    let mut places: Vec<Place<'_>> = Vec::new();
    for (who, address) in commands().filter_map(|words| ping(&words)) {
        match replies.next() {
            Some(from) if from == address => place(&mut places, who).answers.push(address),
            Some(from) => return Err(format!("{address} was asked, and {from} answered")),
            None => return Err(format!("{address} was asked, and did not answer")),
        }
    }
    for (who, known) in commands().filter_map(|words| address(&words)) {
        place(&mut places, who).addresses.push(known);
    }
    if places.len() < 2 || places.iter().any(|place| place.answers.is_empty()) {
        return Err("no two places of which each was answered".into());
    }
    // Where the commands were typed comes first.
    places.sort_by_key(|place| place.name.is_some());
    let joint = commands().find_map(|words| joint(&words));
    Ok((places, joint.ok_or("neither `net veth` nor `net lab` was typed")?))
}

fn place<'a, 'b>(places: &'b mut Vec<Place<'a>>, name: Option<&'a str>) -> &'b mut Place<'a> {
    let at = places.iter().position(|place| place.name == name).unwrap_or_else(|| {
        places.push(Place { name, addresses: Vec::new(), answers: Vec::new() });
        places.len() - 1
    });
    &mut places[at]
}

fn words_of(command: &str) -> Vec<&str> {
    command.split([' ', '\'', '"']).filter(|word| !word.is_empty()).collect()
}

/// `198.18.0.2 1: reply after 0.262 ms`
fn reply(line: &str) -> Option<&str> {
    let (address, rest) = line.split_once(' ')?;
    rest.contains(": reply").then_some(address)
}

/// `[net exec NAME -- …] net ping ADDRESS`
fn ping<'a>(words: &[&'a str]) -> Option<(Option<&'a str>, &'a str)> {
    let at = words.windows(2).position(|pair| pair == ["net", "ping"])?;
    let who = words.windows(3).find(|three| three[..2] == ["net", "exec"]).map(|three| three[2]);
    Some((who, words.get(at + 2)?))
}

/// `net addr LINK ADDRESS [--in NAME]`
fn address<'a>(words: &[&'a str]) -> Option<(Option<&'a str>, String)> {
    let at = words.windows(2).position(|pair| pair == ["net", "addr"])?;
    let who = words.windows(2).find(|pair| pair[0] == "--in").map(|pair| pair[1]);
    Some((who, format!("{} {}", words.get(at + 2)?, words.get(at + 3)?)))
}

/// `net veth ONE OTHER …` or `net lab NAME`
fn joint(words: &[&str]) -> Option<String> {
    let at = words.windows(2).position(|pair| pair[0] == "net" && matches!(pair[1], "veth" | "lab"))?;
    match (words[at + 1], words.get(at + 2)?, words.get(at + 3)) {
        ("veth", one, Some(other)) => Some(format!("net veth: {one} ═══ {other}")),
        ("lab", name, _) => Some(format!("net lab {name}: bridge")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    const VETH: &str = "$ run -- sh -c '\n>   x net veth cable eth0 --to red; x net addr cable 10.0.0.1/24\n>   x net addr eth0 10.0.0.2/24 --in red; x net ping 10.0.0.2\n>   x net exec red -- x net ping 10.0.0.1'\n10.0.0.2 1: reply after 0.2 ms\n10.0.0.1 1: reply after 0.3 ms\n";

    #[test]
    fn places_links_and_answers_are_read_from_the_snapshot() {
        let (places, joint) = read(VETH).unwrap();
        assert_eq!(joint, "net veth: cable ═══ eth0");
        let outer =
            Place { name: None, addresses: vec!["cable 10.0.0.1/24".into()], answers: vec!["10.0.0.2"] };
        let red = Place {
            name: Some("red"),
            addresses: vec!["eth0 10.0.0.2/24".into()],
            answers: vec!["10.0.0.1"],
        };
        assert_eq!(places, [outer, red]);
        assert!(draw(VETH, Lang::En.words()).unwrap().shapes.contains("eth0 10.0.0.2/24"));
    }

    #[test]
    fn a_ping_without_its_answer_is_no_picture() {
        for (from, to, why) in [
            ("10.0.0.1 1: reply", "10.0.0.1 1: silence", "10.0.0.1 was asked, and did not answer"),
            ("10.0.0.2 1: reply", "10.0.0.9 1: reply", "10.0.0.9 answered"),
            ("net veth", "net vlan", "neither"),
            ("net ping", "net show", "no two places"),
        ] {
            let said = draw(&VETH.replace(from, to), Lang::En.words()).unwrap_err();
            assert!(said.contains(why), "{from} -> {to}: {said}");
        }
    }
}
