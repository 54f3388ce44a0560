//! Transcripts: what a step of a demo printed, as recorded by the stage's own tests.
//!
//! No kernel calls. Book: every section that shows an observation.
//! The snapshots are insta's; the header between its two `---` lines is the test's business.
//! Invariant: the letters shown are the letters of the snapshot; only colour is added.

use crate::markup::escape;
use crate::words::Words;

/// The name of the snapshot file of a step.
pub fn file(stage_dir: &str, slug: &str) -> String {
    format!("{stage_dir}/tests/snapshots/{slug}.snap")
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

/// The transcript as one line of HTML: commands and what they printed.
pub fn html(stage: &str, slug: &str, body: &str, words: &Words) -> String {
    let lines: Vec<String> = body.lines().map(line).collect();
    format!(
        "<figure class=\"transcript\"><figcaption><span class=\"what\">{}</span> \
         <span class=\"where\">cargo xtask demo {stage} --step {slug}</span></figcaption>\
         <pre><code class=\"nohighlight\">{}</code></pre></figure>",
        words.observed,
        lines.join("&#10;"),
    )
}

/// Typed inside (`$ `), typed on the host (`host$ `), an exit status, or output.
fn line(line: &str) -> String {
    let typed = |prompt: &str, command: &str| {
        // Each word by itself, so that a phone breaks lines between words and not after the `--` of an option.
        let words: Vec<String> =
            command.split(' ').map(|word| format!("<span>{}</span>", escape(word))).collect();
        format!("<span class=\"prompt\">{prompt} </span><span class=\"command\">{}</span>", words.join(" "))
    };
    if let Some(command) = line.strip_prefix("$ ") {
        typed("$", command)
    } else if let Some(command) = line.strip_prefix("host$ ") {
        typed("host$", command)
    } else if line.starts_with("[exit status ") && line.ends_with(']') {
        format!("<span class=\"status\">{line}</span>")
    } else {
        escape(line)
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
        let html =
            html("stage1", "run", "$ echo <b>\n<b>\n\ndone\nhost$ x\n[exit status 1]", Lang::En.words());
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
}
