//! The isolation matrix, as `cargo xtask matrix` drew it from the verdicts beside it.
//!
//! No kernel calls. Book: "The matrix" (`matrix`).
//! A test of xtask draws it again from them, in each language.
//! Invariant: a picture with other rows or other leaks than the verdicts beside it is refused.

use crate::markup::escape;
use crate::words::Words;

/// The picture as one line of HTML; its ids are its own, so that a page holds one.
pub fn html(file: &str, table: &str, svg: &str, words: &Words) -> Result<String, String> {
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let leaks = rows.iter().flatten().filter(|cell| **cell == "L").count();
    let drawn = svg.matches("class=\"leak\"").count();
    let named = |row: &Vec<&str>| row.first().is_some_and(|id| svg.contains(&format!(">{id}</text>")));
    if rows.is_empty() || !svg.starts_with("<svg ") || drawn != leaks || !rows.iter().all(named) {
        return Err(format!("{file}: the picture beside it was drawn from other verdicts: draw it again"));
    }
    let svg = svg.replace('\n', "");
    Ok(format!(
        "<figure class=\"picture matrix\"><div class=\"rows\" tabindex=\"0\">{svg}</div>\
         <figcaption><span class=\"what\">{}</span> <span class=\"where\">{}</span></figcaption></figure>",
        words.matrix_drawn,
        escape(file),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    #[test]
    fn a_picture_of_other_verdicts_is_refused() {
        let words = Lang::En.words();
        let svg = "<svg ><text>fs-01</text><rect class=\"leak\"/></svg>\n";
        assert!(html("m.tsv", "6.18\thost\nfs-01\tL\n", svg, words).unwrap().contains("m.tsv"));
        assert!(html("m.tsv", "6.18\thost\nfs-01\tC\n", svg, words).is_err());
        assert!(html("m.tsv", "6.18\thost\nfs-02\tL\n", svg, words).is_err());
    }
}
