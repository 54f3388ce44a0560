//! The recipe that an image was made by, from its history.
//!
//! No kernel calls; config.md, `history`. Book: "Images" (`images`).
//! Invariant: pure; nothing is invented: what a builder put around a command is taken away, the command is kept.

use super::document::Step;

/// One line of it, and the layer that it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `RUN apt-get update`.
    pub words: String,
    /// Counted from 0; None: it made none.
    pub layer: Option<usize>,
}

/// A line for each step.
pub fn recipe(history: &[Step]) -> Vec<Line> {
    let mut layers = 0..;
    let line = |step: &Step| {
        let layer = if step.empty_layer { None } else { layers.next() };
        Line { words: words(&step.created_by), layer }
    };
    history.iter().map(line).collect()
}

/// How many layers the history speaks of.
pub fn layers(history: &[Step]) -> usize {
    history.iter().filter(|step| !step.empty_layer).count()
}

/// Docker's first builder ran a shell for all, and marked what the shell was not to do with `#(nop)`; BuildKit writes the
/// line of the recipe, with a shell in it for RUN.
fn words(created_by: &str) -> String {
    let text = created_by.strip_suffix("# buildkit").unwrap_or(created_by).trim();
    let shell = "/bin/sh -c ";
    if let Some(instruction) = text.strip_prefix("/bin/sh -c #(nop)") {
        return instruction.trim().to_owned();
    }
    if let Some(command) = text.strip_prefix(shell) {
        return format!("RUN {}", command.trim());
    }
    // Arguments of the build come before the shell, counted: `|1 VERSION=3 /bin/sh -c make`.
    let run = text.strip_prefix("RUN ").unwrap_or(text);
    if let Some((_, command)) = run.strip_prefix('|').and_then(|counted| counted.split_once(shell)) {
        return format!("RUN {}", command.trim());
    }
    match text.strip_prefix("RUN ").and_then(|command| command.strip_prefix(shell)) {
        Some(command) => format!("RUN {}", command.trim()),
        None if text.is_empty() => "(nothing is said)".to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_tell_the_recipe_they_came_from() {
        for (created_by, line) in [
            ("/bin/sh -c #(nop) ADD file:a3bc in / ", "ADD file:a3bc in /"),
            ("/bin/sh -c #(nop)  CMD [\"sh\"]", "CMD [\"sh\"]"),
            ("/bin/sh -c apt-get update", "RUN apt-get update"),
            ("RUN /bin/sh -c apt-get update # buildkit", "RUN apt-get update"),
            ("RUN |1 V=3 /bin/sh -c make # buildkit", "RUN make"),
            ("|2 A=1 B=2 /bin/sh -c make", "RUN make"),
            ("COPY . /app # buildkit", "COPY . /app"),
            ("bazel build ...", "bazel build ..."),
            ("", "(nothing is said)"),
        ] {
            assert_eq!(words(created_by), line);
        }
        let steps = [false, true, false].map(|empty_layer| Step { empty_layer, ..Step::default() });
        let made: Vec<_> = recipe(&steps).into_iter().map(|line| line.layer).collect();
        assert_eq!((made, layers(&steps)), (vec![Some(0), None, Some(1)], 2));
    }
}
