//! Transcripts: what a step of a demo printed, as recorded by the stage's own tests.
//!
//! No kernel calls. Book: every section that shows an observation.
//! The snapshots are insta's; the header between its two `---` lines is the test's business.
//! Invariant: the letters shown are the letters of the snapshot; only colour is added.

use crate::markup::escape;
use crate::words::Words;

/// The name of the snapshot file of a step, as one that sees something else than others has it (`v2`, `rootless`).
/// The recording without a name is, where layouts of control groups matter, that of a hybrid one.
pub fn file(stage_dir: &str, slug: &str, variant: Option<&str>) -> String {
    let variant = variant.filter(|variant| *variant != "hybrid");
    let variant = variant.map(|variant| format!("@{variant}")).unwrap_or_default();
    format!("{stage_dir}/tests/snapshots/{slug}{variant}.snap")
}

/// The recorded text without insta's header; the error says what is wrong with the file.
pub fn body(snapshot: &str) -> Result<&str, String> {
    let Some(rest) = snapshot.strip_prefix("---\n") else {
        return Err("not a snapshot: it does not begin with insta's header".into());
    };
    let Some((_, body)) = rest.split_once("\n---\n") else {
        return Err("not a snapshot: insta's header never ends".into());
    };
    match body.trim() {
        "" => Err("the snapshot is empty".into()),
        _ => Ok(body.trim_matches('\n')),
    }
}

/// A line of a recording, and who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// Typed after a prompt: `$`, `host$`, or `>`, which continues the line before as a shell does.
    Typed(&'a str, &'a str),
    /// `[exit status 1]`: the demo's own.
    Status(&'a str),
    /// Printed by what was typed.
    Printed(&'a str),
}

/// The lines of a recording. A `> ` that does not follow something typed was printed.
pub fn lines(body: &str) -> Vec<Line<'_>> {
    let mut typing = false;
    let mut read = |line| {
        let line = self::line(line, typing);
        typing = matches!(line, Line::Typed(..));
        line
    };
    body.lines().map(&mut read).collect()
}

fn line(line: &str, typing: bool) -> Line<'_> {
    let more = if line == ">" { Some("") } else { line.strip_prefix("> ") };
    match (line.strip_prefix("$ "), line.strip_prefix("host$ "), more) {
        (Some(command), ..) => Line::Typed("$", command),
        (_, Some(command), _) => Line::Typed("host$", command),
        (.., Some(command)) if typing => Line::Typed(">", command),
        _ if line.starts_with("[exit status ") && line.ends_with(']') => Line::Status(line),
        _ => Line::Printed(line),
    }
}

/// A recording to show.
#[derive(Debug, Clone, Copy)]
pub struct Recording<'a> {
    /// Who recorded it, where that matters.
    pub variant: Option<&'a str>,
    /// Its text without insta's header.
    pub body: &'a str,
}

/// Recordings of one step: the first is open, the others are folded below it.
pub fn all(step: (&str, &str), ground: &[String], recordings: &[Recording<'_>], words: &Words) -> String {
    let figure = |one: &Recording<'_>| {
        let label = one.variant.and_then(|variant| words.variant(variant)).unwrap_or_default();
        let played = format!("cargo xtask demo {} --step {}", step.0, step.1);
        (label, html(&played, label, ground, one.body, words))
    };
    let fold = |(label, html): (&str, String)| {
        let summary = format!("{}: {label}", words.the_same);
        format!("<details class=\"same\"><summary>{summary}</summary>{html}</details>")
    };
    let (first, others) = recordings.split_at(recordings.len().min(1));
    let open = first.iter().map(|one| figure(one).1);
    open.chain(others.iter().map(|one| fold(figure(one)))).collect()
}

/// What a command printed once, as it was recorded: its first line is the command, after a prompt.
pub fn output(recorded: &str, words: &Words) -> Result<String, String> {
    let (typed, printed) = recorded.split_once('\n').unwrap_or((recorded, ""));
    let typed = typed.strip_prefix("$ ").ok_or("its first line is not `$ COMMAND`")?;
    if printed.trim().is_empty() {
        return Err("the command printed nothing".into());
    }
    Ok(html(typed, "", &[], printed.trim_matches('\n'), words))
}

/// The transcript as one line of HTML: the commands that made its ground, the commands and what they printed.
fn html(played: &str, label: &str, ground: &[String], body: &str, words: &Words) -> String {
    let label = match label {
        "" => String::new(),
        label => format!(" <span class=\"variant\">{label}</span>"),
    };
    let lines = lines(body);
    let blocks = lines.chunk_by(|one, next| is_row(one) && is_row(next));
    let made = ground.iter().map(|line| format!("<span class=\"ground\">host$ {}</span>", escape(line)));
    let blocks: Vec<String> = made.chain(blocks.map(block)).collect();
    format!(
        "<figure class=\"transcript\"><figcaption><span class=\"what\">{}</span>{label} \
         <span class=\"where\">{}</span></figcaption>\
         <pre><code class=\"nohighlight\">{}</code></pre></figure>",
        words.observed,
        escape(played),
        blocks.join("&#10;"),
    )
}

/// Printed in columns: something, at least two blanks, something.
fn is_row(line: &Line<'_>) -> bool {
    matches!(line, Line::Printed(text) if text.trim().contains("  "))
}

/// A line, or a table of at least three rows, whose columns must stay below each other: it is not wrapped.
fn block(lines: &[Line<'_>]) -> String {
    let shown = lines.iter().map(show).collect::<Vec<_>>().join("&#10;");
    match lines.len() {
        0..=2 => shown,
        _ => format!("<span class=\"columns\">{shown}</span>"),
    }
}

fn show(line: &Line<'_>) -> String {
    match *line {
        Line::Typed(prompt, command) => {
            let typed = command.trim_start_matches(' ');
            let indent = &command[..command.len() - typed.len()];
            // Each word by itself, so that a phone breaks lines between words and not after the `--` of an option.
            let words: Vec<String> =
                typed.split(' ').map(|word| format!("<span>{}</span>", escape(word))).collect();
            format!(
                "<span class=\"prompt\">{} </span><span class=\"command\">{indent}{}</span>",
                escape(prompt),
                words.join(" ")
            )
        }
        Line::Status(text) => format!("<span class=\"status\">{}</span>", escape(text)),
        Line::Printed(text) => escape(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    #[test]
    fn the_header_of_insta_is_not_shown() {
        let snapshot = "---\nsource: tests/demo.rs\ninfo:\n  a: b\n---\n$ pwd\n/\n\n--- kept\n";
        assert_eq!(body(snapshot), Ok("$ pwd\n/\n\n--- kept"));
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        for text in ["", "$ pwd\n/\n", "---\nsource: x\n", "---\nsource: x\n---\n\n"] {
            assert!(body(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn commands_are_told_from_output_and_all_is_escaped() {
        let html = html(
            "cargo xtask demo stage1 --step run",
            "",
            &[],
            "$ echo <b>\n<b>\n\ndone\nhost$ x\n[exit status 1]",
            Lang::En.words(),
        );
        assert!(
            html.contains("host$ </span><span class=\"command\"><span>x<")
                && html.contains("\"status\">[exit"),
            "{html}"
        );
        assert!(
            html.contains("<span>echo</span> <span>&lt;b&gt;</span></span>&#10;&lt;b&gt;&#10;&#10;done"),
            "{html}"
        );
        assert!(!html.contains('\n'));
    }

    #[test]
    fn a_command_of_several_lines_is_shown_as_typed() {
        let body = "$ sh -c '\n>   echo \"> a\"\n>\n> '\n> a\n$ b\n> is printed, too: nothing was open";
        let typed = [
            Line::Typed("$", "sh -c '"),
            Line::Typed(">", "  echo \"> a\""),
            Line::Typed(">", ""),
            Line::Typed(">", "'"),
        ];
        assert_eq!(lines(body)[..4], typed);
        // The recording itself cannot tell a first line of output that looks like a continuation.
        assert_eq!(lines("$ a\nb\n> c")[2], Line::Printed("> c"));
        let html = html("cargo xtask demo stage2 --step ipc", "", &[], body, Lang::En.words());
        assert!(
            html.contains("&gt; </span><span class=\"command\">  <span>echo</span> <span>&quot;&gt;</span>"),
            "{html}"
        );
    }

    #[test]
    fn columns_stay_below_each_other() {
        let shown = |body| html("cargo xtask demo stage2 --step kinds", "", &[], body, Lang::En.words());
        let table = shown("$ kinds\nKIND  YEAR\nmnt   2002\nuts   2006\ndone");
        assert!(
            table.contains(
                "<span class=\"columns\">KIND  YEAR&#10;mnt   2002&#10;uts   2006</span>&#10;done<"
            ),
            "{table}"
        );
        assert!(!shown("$ facts\npid   2\nprocesses   1 2\nno columns").contains("columns\""));
    }

    #[test]
    fn recordings_of_the_same_step_are_named_and_the_second_is_folded() {
        let recordings =
            [Recording { variant: Some("v2"), body: "$ a" }, Recording { variant: Some("v1"), body: "$ b" }];
        let html = all(("stage3", "files"), &[], &recordings, Lang::En.words());
        let (open, folded) = html.split_once("<details").unwrap();
        assert!(open.contains("\"variant\">version 2<") && open.contains("<span>a</span>"), "{html}");
        assert!(folded.contains("<summary>The same step: version 1<") && folded.contains("<span>b</span>"));
        assert_eq!(file("d", "x", Some("v2")), "d/tests/snapshots/x@v2.snap");
        assert_eq!(file("d", "x", Some("hybrid")), file("d", "x", None));
        let one = all(("s", "x"), &[], &[Recording { variant: None, body: "$ a" }], Lang::En.words());
        assert!(!one.contains("variant") && !one.contains("<details"), "{one}");
    }
}
