//! Use against limit over time, as `stage3-cgroups plot` drew it from a recording.
//!
//! No kernel calls. Book: "Pictures" (`plot`) and wherever a curve is shown.
//! The picture lies beside its numbers, `NAME.svg` beside `NAME.tsv`; a test of stage 3 draws it again from them.
//! Invariant: a picture of other numbers than those beside it is refused, and the numbers are shown with it.

use crate::markup::escape;
use crate::words::Words;

/// So many rows of the recording stand in the book; the file has them all.
const ROWS: usize = 12;

/// A recording, cell by cell.
struct Table<'a> {
    head: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
}

/// The picture with its numbers as one line of HTML. `id` must be unique on the page.
pub fn html(id: &str, file: &str, table: &str, svg: &str, words: &Words) -> Result<String, String> {
    let table = read(table).map_err(|why| format!("{file}: {why}"))?;
    let svg = inline(id, svg).ok_or_else(|| format!("{file}: the picture beside it is none of ours"))?;
    if !is_drawn_from(&svg, &table) {
        return Err(format!("{file}: the picture beside it was drawn from other numbers: draw it again"));
    }
    let story =
        between(&svg, "<desc", "</desc>").and_then(|desc| desc.split_once('>')).map_or("", |(_, it)| it);
    Ok(format!(
        "<figure class=\"picture plot\"><div class=\"curves\" tabindex=\"0\">{svg}</div>\
         <figcaption><span class=\"what\">{}</span> <span class=\"where\">{}</span></figcaption>\
         <details><summary>{}</summary><p>{story}</p>{}</details></figure>",
        words.plot_drawn,
        escape(file),
        words.plot_words,
        shown(&table),
    ))
}

fn read(text: &str) -> Result<Table<'_>, String> {
    let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head =
        lines.next().filter(|head| head.first() == Some(&"ms")).ok_or("no recording: no column `ms`")?;
    let rows: Vec<_> = lines.collect();
    match rows.iter().position(|row| row.len() != head.len()) {
        Some(row) => Err(format!("line {} has another number of cells than the head", row + 2)),
        None if rows.len() < 2 => Err("one moment is no curve".into()),
        None => Ok(Table { head, rows }),
    }
}

/// On one line, and with ids of its own: a page may hold several.
fn inline(id: &str, svg: &str) -> Option<String> {
    let ids = ["id=\"title\"", "id=\"story\"", "aria-labelledby=\"title story\""];
    if !svg.starts_with("<svg ")
        || !svg.trim_end().ends_with("</svg>")
        || ids.iter().any(|it| !svg.contains(it))
    {
        return None;
    }
    let [title, story, both] = ids;
    let named = svg
        .replacen(both, &format!("aria-labelledby=\"{id}-title {id}-story\""), 1)
        .replacen(title, &format!("id=\"{id}-title\""), 1)
        .replacen(story, &format!("id=\"{id}-story\""), 1);
    Some(named.replace('\n', ""))
}

/// The same number of moments in the first curve, over the same time.
fn is_drawn_from(svg: &str, table: &Table<'_>) -> bool {
    let number = |cell: &&str| cell.parse::<u64>().is_ok();
    let memory = table.head.iter().position(|name| *name == "memory");
    let moments = memory.map(|at| table.rows.iter().filter(|row| number(&row[at])).count());
    let points = between(svg, "<polyline points=\"", "\"").map(|points| points.split(' ').count());
    let end = table
        .rows
        .last()
        .and_then(|row| row[0].parse::<f64>().ok())
        .map(|ms| format!(">{:.1} s<", ms / 1000.0));
    moments.is_none_or(|moments| moments == 0 || points == Some(moments))
        && end.is_some_and(|end| svg.contains(&end))
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

/// Some of the rows, from the first to the last, and the columns in which there is a number.
fn shown(table: &Table<'_>) -> String {
    let said = |at: &usize| table.rows.iter().any(|row| !matches!(row[*at], "-" | "0"));
    let columns: Vec<usize> = (0..table.head.len()).filter(said).collect();
    let count = ROWS.min(table.rows.len());
    let picked = (0..count).map(|nth| &table.rows[nth * (table.rows.len() - 1) / (count - 1)]);
    let line = |tag: &str, row: &[&str]| {
        let cells = columns.iter().map(|at| format!("<{tag}>{}</{tag}>", escape(row[*at])));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let body: String = picked.map(|row| line("td", row)).collect();
    let head = line("th", &table.head);
    format!("<div class=\"table-wrapper\"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    const TABLE: &str = "ms\tmemory\tcpu_max\toom_kills\n0\t0\t-\t0\n500\t20\t-\t0\n1000\t40\t-\t1\n";
    const SVG: &str = "<svg aria-labelledby=\"title story\">\n<title id=\"title\">t</title>\n\
        <desc id=\"story\">At most 40.</desc>\n<text>1.0 s</text>\n<polyline points=\"0,0 1,1 2,2\"/>\n</svg>\n";

    fn draw(table: &str, svg: &str) -> Result<String, String> {
        html("p", "m.tsv", table, svg, Lang::En.words())
    }

    #[test]
    fn a_plot_is_shown_with_its_words_and_numbers() {
        let html = draw(TABLE, SVG).unwrap();
        for part in
            ["id=\"p-title\"", "aria-labelledby=\"p-title p-story\"", "<p>At most 40.</p>", "<td>40</td>"]
        {
            assert!(html.contains(part), "{part} is missing in {html}");
        }
        assert!(!html.contains("cpu_max"), "a column without a number says nothing");
        assert!(!html.contains('\n'));
    }

    #[test]
    fn a_plot_of_other_numbers_is_refused() {
        for other in [TABLE.replace("500\t20", "500\t-"), TABLE.replace("1000", "2000")] {
            assert!(draw(&other, SVG).unwrap_err().contains("other numbers"), "{other}");
        }
        assert!(draw(TABLE, "<p>").unwrap_err().contains("none of ours"));
        for broken in ["", "x\n1\n2\n", "ms\tmemory\n0\t0\n", "ms\tmemory\n0\t0\n1\n"] {
            assert!(draw(broken, SVG).unwrap_err().starts_with("m.tsv: "), "{broken:?}");
        }
    }

    #[test]
    fn a_long_recording_is_thinned_from_end_to_end() {
        let rows: String = (0..100).map(|ms| format!("{ms}\t1\n")).collect();
        let text = format!("ms\tmemory\n{rows}");
        let table = shown(&read(&text).unwrap());
        assert_eq!(table.matches("<tr>").count(), ROWS + 1);
        assert!(table.contains("<td>0</td>") && table.contains("<td>99</td>"), "{table}");
    }
}
