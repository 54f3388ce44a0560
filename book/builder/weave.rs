//! The weaver: replaces each `{{#directive …}}` of a page by code, transcripts and pictures.
//!
//! No kernel calls. Book: every page with something included.
//! `{{#listing FILE:ANCHOR}}`, `{{#transcript STAGE SLUG VARIANT…}}`, `{{#output FILE.txt}}`, `{{#picture KIND FILE…}}`, `{{#steps}}`,
//! `{{#weaknesses}}`, //! `{{#aside}}` … `{{#end}}`, `{{#exercise}}` … `{{#hint}}` … `{{#end}}`, each alone on its line.
//! Invariant: what is woven in is HTML on one line, which gettext leaves alone; a missing target is a fault.

use crate::fault::Fault;
use crate::house::House;
use crate::picture::Snapshot;
use crate::prose::{Line, lines, not_run, not_run_html};
use crate::steps::{self, Sections};
use crate::words::Lang;
use crate::{listing, picture, transcript, weaknesses};

/// What a page is woven with.
#[derive(Debug)]
pub struct Loom<'a> {
    /// Where listings and snapshots are read from.
    pub house: &'a House,
    /// The language of captions.
    pub lang: Lang,
    /// The pages that hold the sections, for the index of steps.
    pub sections: &'a Sections,
}

/// The open block that `{{#end}}` closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Aside,
    Exercise,
    Hint,
}

impl Loom<'_> {
    /// Weaves a page. `file` is its name in messages.
    pub fn weave(&self, file: &str, text: &str) -> Result<String, Vec<Fault>> {
        let mut woven = String::with_capacity(text.len() * 2);
        let mut faults = Vec::new();
        let mut open: Vec<(Open, usize)> = Vec::new();
        for (number, line) in (1..).zip(lines(text)) {
            match self.line(line, number, &mut open) {
                Ok(html) => woven.push_str(&html),
                Err(why) => faults.push(Fault::new(file, number, why)),
            }
            woven.push('\n');
        }
        if let Some((block, number)) = open.first() {
            faults.push(Fault::new(file, *number, format!("{block:?} is never closed by {{{{#end}}}}")));
        }
        if faults.is_empty() { Ok(woven) } else { Err(faults) }
    }

    fn line(&self, line: Line<'_>, number: usize, open: &mut Vec<(Open, usize)>) -> Result<String, String> {
        match line {
            Line::Text(text) if text.contains("{{#") => {
                let directive = text
                    .trim()
                    .strip_prefix("{{#")
                    .and_then(|rest| rest.strip_suffix("}}"))
                    .filter(|inner| !inner.contains("{{"))
                    .ok_or("a directive must stand alone on its line: {{#name …}}")?;
                let words: Vec<&str> = directive.split_whitespace().collect();
                self.directive(&words, number, open)
            }
            Line::Fence(info) => Ok(match not_run(info) {
                Some(why) => format!("{}\n\n```{info}", not_run_html(&why, self.lang.words())),
                None => format!("```{info}"),
            }),
            Line::Text(text) | Line::Code(text) => Ok(text.to_owned()),
        }
    }

    fn directive(
        &self,
        words: &[&str],
        number: usize,
        open: &mut Vec<(Open, usize)>,
    ) -> Result<String, String> {
        match words {
            ["listing", target] => self.listing(target),
            ["transcript", stage, slug, variants @ ..] => self.transcript(stage, slug, variants),
            ["output", file] => self.output(file),
            ["picture", "plot", file] => self.plot(file, number),
            ["picture", "matrix", file] => self.matrix(file),
            ["picture", kind, files @ ..] => self.picture(kind, files, number),
            ["steps"] => steps::html(self.house, self.sections, self.lang),
            ["weaknesses"] => weaknesses::html(self.house, self.sections, self.lang),
            ["aside"] if open.is_empty() => {
                open.push((Open::Aside, number));
                Ok(format!("<aside class=\"beside\"><p class=\"kind\">{}</p>\n", self.lang.words().aside))
            }
            ["exercise"] if open.is_empty() => {
                open.push((Open::Exercise, number));
                Ok(format!("<div class=\"exercise\"><p class=\"kind\">{}</p>\n", self.lang.words().exercise))
            }
            ["hint"] if matches!(open[..], [(Open::Exercise, _)]) => {
                open.push((Open::Hint, number));
                Ok(format!("<details class=\"hint\"><summary>{}</summary>\n", self.lang.words().hint))
            }
            ["end"] => match open.pop() {
                Some((Open::Aside, _)) => Ok("\n</aside>\n".into()),
                Some((Open::Exercise, _)) => Ok("\n</div>\n".into()),
                Some((Open::Hint, _)) => Ok("\n</details>\n".into()),
                None => Err("{{#end}} closes nothing".into()),
            },
            ["exercise" | "hint"] => {
                Err("an exercise stands by itself, and a hint inside an exercise".into())
            }
            _ => Err(format!("no such directive, or not with these arguments: {}", words.join(" "))),
        }
    }

    fn listing(&self, target: &str) -> Result<String, String> {
        let (file, anchor) = target.rsplit_once(':').ok_or("a listing is named FILE:ANCHOR")?;
        let text = self.house.read(file)?;
        let listing = listing::cut(&text, anchor).map_err(|why| format!("{file}: {why}"))?;
        Ok(listing::html(file, &listing))
    }

    fn transcript(&self, stage: &str, slug: &str, variants: &[&str]) -> Result<String, String> {
        let (dir, words) = (self.house.stage(stage)?, self.lang.words());
        if let Some(unknown) = variants.iter().find(|variant| words.variant(variant).is_none()) {
            return Err(format!("no recording is of {unknown:?}: v1, v2, hybrid or rootless"));
        }
        let variants: Vec<Option<&str>> = match variants {
            [] => vec![None],
            named => named.iter().copied().map(Some).collect(),
        };
        let read = |variant| {
            let file = transcript::file(&dir, slug, variant);
            let snapshot = self.house.read(&file)?;
            let body = transcript::body(&snapshot).map_err(|why| format!("{file}: {why}"))?;
            Ok::<_, String>((variant, body.to_owned()))
        };
        let texts = variants.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let recordings: Vec<_> =
            texts.iter().map(|(variant, body)| transcript::Recording { variant: *variant, body }).collect();
        let ground = steps::ground(self.house, &dir, slug)?;
        Ok(transcript::all((stage, slug), &ground, &recordings, words))
    }

    /// The recording in the reader's language, where there is one.
    fn output(&self, file: &str) -> Result<String, String> {
        let stem =
            file.strip_suffix(".txt").ok_or_else(|| format!("{file}: a recording is named FILE.txt"))?;
        let own = format!("{stem}.{}.txt", self.lang.code());
        let recorded = self.house.read(&own).or_else(|_| self.house.read(file))?;
        transcript::output(&recorded, self.lang.words()).map_err(|why| format!("{file}: {why}"))
    }

    fn plot(&self, file: &str, number: usize) -> Result<String, String> {
        let drawn = file.strip_suffix(".tsv").map(|stem| format!("{stem}.svg"));
        let drawn = drawn.ok_or_else(|| format!("{file}: a plot is named by its numbers, FILE.tsv"))?;
        let (table, svg) = (self.house.read(file)?, self.house.read(&drawn)?);
        picture::plot(&format!("picture-{number}"), file, &table, &svg, self.lang.words())
    }

    fn matrix(&self, file: &str) -> Result<String, String> {
        let ending = if self.lang == Lang::Ko { ".ko.svg" } else { ".svg" };
        let drawn = file.strip_suffix(".tsv").map(|stem| format!("{stem}{ending}"));
        let drawn = drawn.ok_or_else(|| format!("{file}: a matrix is named by its verdicts, FILE.tsv"))?;
        picture::matrix(file, &self.house.read(file)?, &self.house.read(&drawn)?, self.lang.words())
    }

    fn picture(&self, kind: &str, files: &[&str], number: usize) -> Result<String, String> {
        let texts: Vec<String> = files.iter().map(|file| self.house.read(file)).collect::<Result<_, _>>()?;
        let mut snapshots = Vec::with_capacity(files.len());
        for (file, text) in files.iter().zip(&texts) {
            let body = transcript::body(text).map_err(|why| format!("{file}: {why}"))?;
            snapshots.push(Snapshot { file, body });
        }
        picture::html(&format!("picture-{number}"), kind, &snapshots, self.lang.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// A small workspace that is gone when the test is.
    struct Small(PathBuf);

    impl Small {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("book-test-{}-{name}", std::process::id()));
            fs::create_dir_all(root.join("stage1-x/tests/snapshots")).unwrap();
            fs::write(root.join("stage1-x/Cargo.toml"), "").unwrap();
            fs::write(root.join("stage1-x/a.rs"), "// ANCHOR: a\nfn a() {}\n// ANCHOR_END: a\n").unwrap();
            let title = "title = { en = 'a', ko = 'a' }";
            let script = format!("[stage]\n{title}\nsetup = ['made']\n[[step]]\nslug = 'a'\n{title}\n");
            fs::write(root.join("stage1-x/demo.toml"), script).unwrap();
            fs::write(root.join("stage1-x/bare.txt"), "b\n").unwrap();
            fs::write(root.join("stage1-x/said.txt"), "$ say <b>\nsaid\n").unwrap();
            fs::write(root.join("stage1-x/tests/snapshots/a.snap"), "---\nsource: t\n---\n$ a\nb\n").unwrap();
            Small(root)
        }

        fn weave(&self, text: &str) -> Result<String, Vec<Fault>> {
            let (house, sections) = (House::at(&self.0), Sections::new());
            Loom { house: &house, lang: Lang::En, sections: &sections }.weave("book/src/p.md", text)
        }
    }

    impl Drop for Small {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn targets_that_exist_are_woven_in() {
        let woven =
            Small::new("woven").weave("{{#listing stage1-x/a.rs:a}}\n\n{{#transcript stage1 a}}\n").unwrap();
        assert!(
            woven.contains("fn a() {}") && woven.contains("a.rs</span><span class=\"lines\">:2-2"),
            "{woven}"
        );
        assert!(woven.contains("host$ made</span>&#10;"), "what made the ground comes first: {woven}");
        assert!(woven.contains("<span>a</span></span>&#10;b"), "{woven}");
        assert_eq!(woven.lines().count(), 3, "a directive stays one line");
    }

    #[test]
    fn a_recording_has_its_command_for_a_caption() {
        let woven = Small::new("recording").weave("{{#output stage1-x/said.txt}}\n").unwrap();
        assert!(
            woven.contains("<span class=\"where\">say &lt;b&gt;</span>") && woven.contains(">said<"),
            "{woven}"
        );
    }

    #[test]
    fn a_missing_target_is_a_fault_with_file_line_and_reason() {
        let small = Small::new("missing");
        for (directive, why) in [
            ("{{#listing stage1-x/b.rs:a}}", "stage1-x/b.rs: No such file"),
            ("{{#listing stage1-x/a.rs:b}}", "stage1-x/a.rs: no anchor \"b\""),
            ("{{#listing stage1-x/a.rs}}", "FILE:ANCHOR"),
            ("{{#transcript stage1 b}}", "stage1-x/tests/snapshots/b.snap: No such file"),
            ("{{#transcript stage9 a}}", "no stage named \"stage9\""),
            ("{{#transcript stage1 a v2}}", "stage1-x/tests/snapshots/a@v2.snap: No such file"),
            ("{{#transcript stage1 a v3}}", "no recording is of \"v3\""),
            ("{{#output stage1-x/a.rs}}", "FILE.txt"),
            ("{{#output stage1-x/none.txt}}", "none.txt: No such file"),
            ("{{#output stage1-x/bare.txt}}", "its first line is not `$ COMMAND`"),
            ("{{#picture plot stage1-x/a.rs}}", "FILE.tsv"),
            ("{{#picture shared stage1-x/none.snap}}", "none.snap: No such file"),
            ("{{#picture shared stage1-x/tests/snapshots/a.snap}}", "a.snap: no line `key: host"),
            ("{{#picture change stage1-x/tests/snapshots/a.snap}}", "another number of snapshots"),
            ("{{#picture}}", "no such directive"),
            ("{{#include a.rs}}", "no such directive"),
            ("See {{#steps}} here", "alone on its line"),
            ("{{#hint}}", "inside an exercise"),
            ("{{#end}}", "closes nothing"),
            ("{{#exercise}}", "never closed"),
        ] {
            let faults = small.weave(&format!("# Page\n\n{directive}\n")).unwrap_err();
            let said = faults[0].to_string();
            assert!(said.starts_with("book/src/p.md:3: ") && said.contains(why), "{directive}: {said}");
        }
    }

    #[test]
    fn all_faults_of_a_page_are_told_at_once() {
        let faults = Small::new("all").weave("{{#end}}\n{{#nothing}}\n").unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn an_exercise_keeps_its_prose_translatable() {
        let woven = Small::new("exercise")
            .weave("{{#exercise}}\nDo *it*.\n{{#hint}}\nSo.\n{{#end}}\n{{#end}}")
            .unwrap();
        assert!(woven.contains("\n\nDo *it*.\n") && woven.contains("\n\nSo.\n\n</details>"), "{woven}");
    }

    #[test]
    fn a_block_that_is_not_run_says_so() {
        let woven = Small::new("block").weave("```sh,not-run=it-needs-a-reader\nx {{#y}}\n```").unwrap();
        assert!(
            woven.starts_with("<p class=\"not-run\">Not run by the tests: it needs a reader</p>"),
            "{woven}"
        );
    }
}
