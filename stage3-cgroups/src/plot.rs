//! A recording as a picture: use against limit over time, with the moments when something happened.
//!
//! No kernel calls; SVG 1.1. Book: "Pictures" (`plot`).
//! Invariant: pure; the same recording is the same picture, to the byte.

use crate::events::Event;
use crate::record::{Recording, Sample};
use std::fmt::Write;

/// The measures of the picture.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 110.0;
const LEFT: f64 = 80.0;
const TOP: f64 = 34.0;
const STEP: f64 = HEIGHT + 52.0;

/// One curve with its limit.
struct Panel {
    title: &'static str,
    points: Vec<(u64, f64)>,
    limit: Option<f64>,
    unit: &'static str,
    moments: Vec<(u64, String)>,
}

impl Panel {
    fn most(&self) -> f64 {
        self.points.iter().map(|(_, value)| *value).fold(0.0, f64::max)
    }

    fn top(&self) -> f64 {
        // Room above: the limit is a line in the picture, not its edge.
        (self.most().max(self.limit.unwrap_or(0.0)) * 1.1).max(0.1)
    }

    /// What stands beside the axis, and its colour: nought, and the limit, or a round number where there is none.
    fn numbers(&self) -> Vec<(f64, String, &'static str)> {
        let limit = self.limit.map(|limit| (limit, format!("limit {}", short(limit)), "#b00020"));
        let round = || round_below(self.most()).map(|round| (round, short(round), "#555"));
        [Some((0.0, short(0.0), "#555")), limit.or_else(round)].into_iter().flatten().collect()
    }
}

/// The curves for which there are numbers.
fn panels(recording: &Recording) -> Vec<Panel> {
    let samples = &recording.samples;
    let megabytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let points = |value: &dyn Fn(&Sample) -> Option<f64>| -> Vec<(u64, f64)> {
        samples.iter().filter_map(|sample| Some((sample.at, value(sample)?))).collect()
    };
    let limit = |value: fn(&Sample) -> Option<u64>| samples.iter().find_map(value);
    let moments = |is: fn(&Event) -> bool| -> Vec<(u64, String)> {
        let all = totals(recording).into_iter().filter(move |(_, event)| is(event));
        all.map(|(at, event)| (at, event.to_string())).collect()
    };
    let panels = [
        Panel {
            title: "memory",
            points: points(&|sample| sample.memory.map(megabytes)),
            limit: limit(|sample| sample.memory_max).map(megabytes),
            unit: "MB",
            moments: moments(|event| matches!(event, Event::OomKill(_))),
        },
        Panel {
            title: "processors",
            points: rates(samples),
            limit: limit(|sample| sample.cpu_max).map(|thousandths| thousandths as f64 / 1000.0),
            unit: "",
            moments: moments(|event| matches!(event, Event::Throttled(_))),
        },
        Panel {
            title: "tasks",
            points: points(&|sample| sample.pids.map(|pids| pids as f64)),
            limit: limit(|sample| sample.pids_max).map(|pids| pids as f64),
            unit: "",
            moments: moments(|event| matches!(event, Event::ForkRefused(_))),
        },
    ];
    panels.into_iter().filter(|panel| !panel.points.is_empty()).collect()
}

/// The least time over which a rate says something: a throttled group runs in bursts of a period.
const RATE_OVER: u64 = 100;

/// Processor time per time, from the sum so far.
fn rates(samples: &[Sample]) -> Vec<(u64, f64)> {
    let mut rates = Vec::new();
    let mut then: Option<(u64, u64)> = None;
    for (at, cpu) in samples.iter().filter_map(|sample| Some((sample.at, sample.cpu?))) {
        match then {
            Some((begun, before)) if at - begun >= RATE_OVER => {
                rates.push((at, cpu.saturating_sub(before) as f64 / 1000.0 / (at - begun) as f64));
                then = Some((at, cpu));
            }
            Some(_) => (),
            None => then = Some((at, cpu)),
        }
    }
    rates
}

/// The picture.
pub fn svg(title: &str, recording: &Recording) -> String {
    let panels = panels(recording);
    let length = recording.samples.last().map_or(1, |sample| sample.at.max(1));
    let height = TOP + STEP * panels.len() as f64;
    let (width, title) = (LEFT + WIDTH + 20.0, escaped(title));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"title story\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title id=\"title\">{title}</title>\n<desc id=\"story\">{}</desc>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        escaped(&story(recording))
    );
    for (number, panel) in panels.iter().enumerate() {
        draw(&mut text, panel, TOP + STEP * number as f64, length);
    }
    text + "</svg>\n"
}

fn draw(text: &mut String, panel: &Panel, top: f64, length: u64) {
    let x = |at: u64| LEFT + WIDTH * at as f64 / length as f64;
    let scale = panel.top();
    let y = |value: f64| top + HEIGHT * (1.0 - value / scale);
    let (right, bottom) = (LEFT + WIDTH, top + HEIGHT);
    let mut line = |line: String| text.push_str(&(line + "\n"));
    line(format!(
        "<text x=\"{LEFT}\" y=\"{:.1}\" font-weight=\"bold\">{} {}</text>",
        top - 8.0,
        panel.title,
        panel.unit
    ));
    line(format!("<path d=\"M{LEFT} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#555\"/>"));
    line(format!("<text x=\"{LEFT}\" y=\"{:.1}\">0 s</text>", bottom + 16.0));
    line(format!(
        "<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{:.1} s</text>",
        bottom + 16.0,
        length as f64 / 1000.0
    ));
    if let Some(at) = panel.limit.map(y) {
        line(format!("<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#b00020\" stroke-dasharray=\"6 4\"/>"));
    }
    for (value, label, ink) in panel.numbers() {
        let (x, y) = (LEFT - 6.0, y(value) + 4.0);
        line(format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\" fill=\"{ink}\">{label}</text>"));
    }
    let points: Vec<_> =
        panel.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
    line(format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#0b5394\" stroke-width=\"2\"/>",
        points.join(" ")
    ));
    for (at, what) in &panel.moments {
        let (at, end) = (x(*at), if x(*at) > LEFT + WIDTH / 2.0 { "end" } else { "start" });
        line(format!("<path d=\"M{at:.1} {top}V{bottom}\" stroke=\"#b45f06\"/>"));
        line(format!(
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{end}\" fill=\"#b45f06\">{what}</text>",
            bottom - 6.0
        ));
    }
}

/// The picture in words.
pub fn story(recording: &Recording) -> String {
    let mut story = String::new();
    for panel in panels(recording) {
        let limit = panel.limit.map_or("no limit".to_owned(), |limit| format!("limit {}", short(limit)));
        let unit = if panel.unit.is_empty() { String::new() } else { format!(" {}", panel.unit) };
        write!(story, "{}: at most {}{unit}, {limit}. ", panel.title, short(panel.most())).ok();
    }
    for (at, event) in totals(recording) {
        write!(story, "From {:.1} s on {event}. ", at as f64 / 1000.0).ok();
    }
    story.trim_end().to_owned()
}

/// What happened altogether, with its first moment.
fn totals(recording: &Recording) -> Vec<(u64, Event)> {
    let mut totals: Vec<(u64, Event)> = Vec::new();
    for (at, event) in recording.moments() {
        let merged = totals.iter_mut().any(|(_, total)| total.add(event));
        if !merged {
            totals.push((at, event));
        }
    }
    totals
}

/// 1, 2 or 5 and noughts, in hundredths: counted, since a logarithm is not the same on every machine.
fn round_below(most: f64) -> Option<f64> {
    let rounds = (0..19).flat_map(|noughts| [1, 2, 5].map(|digit| digit * 10_u64.pow(noughts)));
    rounds.take_while(|round| *round <= (most * 100.0) as u64).last().map(|round| round as f64 / 100.0)
}

fn short(value: f64) -> String {
    format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The same for a terminal: a row of blocks for each curve; full height is the limit.
pub fn terminal(recording: &Recording, columns: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let length = recording.samples.last().map_or(1, |sample| sample.at.max(1));
    let mut text = String::new();
    for panel in panels(recording) {
        let full = panel.limit.unwrap_or_else(|| panel.top());
        let column = |at: u64| (at as usize * columns / (length as usize + 1)).min(columns - 1);
        let mut row = vec![None::<f64>; columns];
        for (at, value) in &panel.points {
            let cell = &mut row[column(*at)];
            *cell = Some(cell.map_or(*value, |most| most.max(*value)));
        }
        let mut last = ' ';
        let mut curve = |cell: &Option<f64>| {
            let block = |value: f64| BLOCKS[((value / full * 7.0).round().clamp(0.0, 7.0)) as usize];
            last = cell.map_or(last, block);
            last
        };
        let curve: String = row.iter().map(&mut curve).collect();
        let limit = panel
            .limit
            .map_or("no limit".to_owned(), |limit| format!("limit {} {}", short(limit), panel.unit));
        writeln!(text, "{:>10} {curve} {}", panel.title, limit.trim_end()).ok();
        let mut marks = vec![' '; columns];
        panel.moments.iter().for_each(|(at, _)| marks[column(*at)] = '▲');
        if let Some((_, what)) = panel.moments.last() {
            writeln!(text, "{:>10} {} {what}", "", marks.iter().collect::<String>()).ok();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> Recording {
        let sample = |at, memory: u64, oom| Sample {
            at,
            memory: Some(memory << 20),
            memory_max: Some(100 << 20),
            oom_kills: Some(oom),
            ..Sample::default()
        };
        Recording { samples: vec![sample(0, 0, 0), sample(500, 50, 0), sample(1000, 99, 1)] }
    }

    #[test]
    fn plot_is_the_same_for_the_same_recording_and_survives_its_table() {
        let again = Recording::from_table(&recording().to_table()).unwrap();
        assert_eq!(again, recording());
        assert_eq!(svg("a < b", &again), svg("a < b", &recording()));
        let picture = svg("a < b", &again);
        assert!(
            picture.contains("a &lt; b")
                && picture.contains("limit 100")
                && picture.contains("killed for want")
        );
        assert_eq!(picture.matches("<polyline").count(), 1, "no curve without numbers");
    }

    #[test]
    fn plot_of_no_limit_has_a_round_number_beside_it() {
        let mut free = recording();
        free.samples.iter_mut().for_each(|sample| sample.memory_max = None);
        let picture = svg("free", &free);
        assert!(picture.contains(">50</text>") && picture.contains(">0</text>"), "{picture}");
        let rounds = [0.004, 0.01, 0.5, 1.99, 1024.0].map(round_below);
        assert_eq!(rounds, [None, Some(0.01), Some(0.5), Some(1.0), Some(1000.0)]);
    }

    #[test]
    fn plot_in_words_and_in_a_terminal_says_the_same() {
        assert_eq!(
            story(&recording()),
            "memory: at most 99 MB, limit 100. From 1.0 s on killed for want of memory: 1."
        );
        let text = terminal(&recording(), 11);
        assert_eq!(
            text,
            "    memory ▁▁▁▁▁▅▅▅▅▅█ limit 100 MB\n                     ▲ killed for want of memory: 1\n"
        );
    }

    #[test]
    fn plot_of_a_broken_table_is_an_error() {
        let good = recording().to_table();
        for bad in [
            "",
            "x\n",
            &good.replace("\t103809024", ""),
            &good.replace("1000\t", "1\t"),
            good.lines().next().unwrap(),
        ] {
            assert!(Recording::from_table(bad).is_err(), "{bad}");
        }
        assert!(Recording::from_table(&good.replace("500", "-")).is_err());
    }
}
