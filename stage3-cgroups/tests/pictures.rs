//! The pictures in the book are what the command draws from the numbers beside them.
//!
//! Book: wherever a curve is shown (`plot`).
//! Invariant: no picture was made or mended by hand; whoever changes the drawing draws them again.
#![allow(clippy::unwrap_used, reason = "a test that cannot read the book fails where it stands")]

use assert_cmd::Command;
use std::fs;
use std::path::Path;

#[test]
fn plot_draws_the_pictures_of_the_book_from_their_numbers() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/cgroups");
    let files = fs::read_dir(&book).unwrap().map(|entry| entry.unwrap().path());
    let recordings: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "tsv")).collect();
    assert!(!recordings.is_empty(), "no recording in {}", book.display());
    for recording in recordings {
        let picture = fs::read_to_string(recording.with_extension("svg")).unwrap();
        let mut plot = Command::new(env!("CARGO_BIN_EXE_stage3-cgroups"));
        plot.arg("plot").arg(&recording).args(["--style", "svg"]).assert().success().stdout(picture);
    }
}
