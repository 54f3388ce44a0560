//! Listings: the part of a source file between `// ANCHOR: slug` and `// ANCHOR_END: slug`.
//!
//! No kernel calls. Book: every section that shows code.
//! mdBook renders nothing, and succeeds, where an anchor is missing; a drifted book is worse than none.
//! Invariant: a listing is the compiled code, dedented, with only anchor lines left out; where all of it is a drawing in
//! a module's head, it is the drawing.

use crate::markup::{code_text, escape};

/// The code of one anchor, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Listing {
    /// The code, without its common indentation and without anchor lines.
    pub code: String,
    /// First and last line of the code in its file, counted from 1.
    pub lines: (usize, usize),
}

/// An anchor line: `// ANCHOR: slug` or `# ANCHOR_END: slug`.
#[derive(Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    /// The listing begins on the next line.
    Open(&'a str),
    /// The listing ended on the line before.
    Close(&'a str),
}

/// Reads `line` as an anchor line.
pub fn mark(line: &str) -> Option<Mark<'_>> {
    let line = line.trim();
    let comment = line.strip_prefix("//").or_else(|| line.strip_prefix('#'))?.trim();
    if let Some(slug) = comment.strip_prefix("ANCHOR_END:") {
        return Some(Mark::Close(slug.trim()));
    }
    comment.strip_prefix("ANCHOR:").map(|slug| Mark::Open(slug.trim()))
}

/// Cuts the listing `slug` out of a file's text; the error says what is wrong with the anchor.
pub fn cut(text: &str, slug: &str) -> Result<Listing, String> {
    let at = |wanted: Mark<'_>| -> Vec<usize> {
        text.lines()
            .enumerate()
            .filter(|(_, line)| mark(line).as_ref() == Some(&wanted))
            .map(|(i, _)| i)
            .collect()
    };
    let (open, close) = match (&at(Mark::Open(slug))[..], &at(Mark::Close(slug))[..]) {
        ([], []) => return Err(format!("no anchor {slug:?}")),
        ([_], []) => return Err(format!("anchor {slug:?} is opened but never closed")),
        ([], [_]) => return Err(format!("anchor {slug:?} is closed but never opened")),
        ([open], [close]) if open < close => (*open, *close),
        ([_], [_]) => return Err(format!("anchor {slug:?} is closed before it is opened")),
        _ => return Err(format!("anchor {slug:?} stands there more than once")),
    };
    let body: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .take(close)
        .skip(open + 1)
        .filter(|(_, line)| mark(line).is_none())
        .collect();
    let (Some(first), Some(last)) = (body.first(), body.last()) else {
        return Err(format!("anchor {slug:?} holds no line"));
    };
    let lines = (first.0 + 1, last.0 + 1);
    let drawing: Option<Vec<&str>> = body.iter().map(|(_, line)| line.strip_prefix("//!")).collect();
    let body = drawing.unwrap_or_else(|| body.iter().map(|(_, line)| *line).collect());
    Ok(Listing { code: dedent(body.into_iter()), lines })
}

fn dedent<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let common = lines.clone().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let dedented: Vec<&str> = lines.map(|line| line.get(common..).unwrap_or("").trim_end()).collect();
    dedented.join("\n").trim_matches('\n').to_owned()
}

/// The listing as one line of HTML: a caption that names file and lines, and the code.
pub fn html(file: &str, listing: &Listing) -> String {
    let language = match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("rs") => "rust",
        Some("toml") => "toml",
        Some("c") => "c",
        _ => "plaintext",
    };
    let (from, to) = listing.lines;
    format!(
        "<figure class=\"listing\"><figcaption><span class=\"where\">{}</span><span class=\"lines\">:{from}-{to}</span>\
         </figcaption><pre><code class=\"language-{language}\">{}</code></pre></figure>",
        escape(file),
        code_text(&listing.code),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // Quoted line by line: `cargo xtask tidy` reads anchors in this file, too.
    const FILE: &str = concat!(
        "use std::io;\n",
        "\n",
        "// ANCHOR: outer\n",
        "fn outer() {\n",
        "    // ANCHOR: inner\n",
        "    if true {\n",
        "\n",
        "        inner();\n",
        "    }\n",
        "    // ANCHOR_END: inner\n",
        "}\n",
        "// ANCHOR_END: outer\n",
    );

    #[test]
    fn a_listing_is_dedented_and_knows_its_lines() {
        let listing = cut(FILE, "inner").unwrap();
        assert_eq!(listing.code, "if true {\n\n    inner();\n}");
        assert_eq!(listing.lines, (6, 9));
    }

    #[test]
    fn a_drawing_is_shown_without_its_comment_marks() {
        let text = "// ANCHOR: a\n//! x\n//!\n//!   y\n// ANCHOR_END: a\n// ANCHOR: b\n//! x\nuse y;\n// ANCHOR_END: b\n";
        assert_eq!(cut(text, "a").unwrap().code, "x\n\n  y");
        assert_eq!(cut(text, "b").unwrap().code, "//! x\nuse y;");
    }

    #[test]
    fn anchors_inside_a_listing_are_left_out() {
        let listing = cut(FILE, "outer").unwrap();
        assert!(!listing.code.contains("ANCHOR"), "{}", listing.code);
        assert_eq!(listing.lines, (4, 11));
    }

    #[test]
    fn a_broken_anchor_is_explained() {
        for (text, why) in [
            ("fn f() {}", "no anchor"),
            ("// ANCHOR: x\nfn f() {}", "never closed"),
            ("fn f() {}\n// ANCHOR_END: x", "never opened"),
            ("// ANCHOR_END: x\n// ANCHOR: x", "closed before"),
            ("// ANCHOR: x\n// ANCHOR_END: x", "no line"),
            ("// ANCHOR: x\na\n// ANCHOR_END: x\n// ANCHOR: x\nb\n// ANCHOR_END: x", "more than once"),
        ] {
            let error = cut(text, "x").unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_slug_is_not_found_inside_a_longer_one() {
        assert!(cut("// ANCHOR: kept-fd-2\na\n// ANCHOR_END: kept-fd-2", "kept-fd").is_err());
    }

    #[test]
    fn html_is_one_line_and_escaped() {
        let html = html("a.rs", &Listing { code: "a < b\n\n&c".into(), lines: (1, 3) });
        assert!(!html.contains('\n') && html.contains("a &lt; b&#10;&#10;&amp;c"), "{html}");
    }
}
