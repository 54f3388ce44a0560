//! `stage3-cgroups plot`: a recording as a picture, again.
//!
//! Book: "Pictures" (`plot`).
//! Invariant: the same recording is the same picture.

use super::print;
use crate::record::Recording;
use crate::{Error, Result, plot as draw};
use clap::ValueEnum;
use std::fs;
use std::path::{Path, PathBuf};

/// How it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub enum Style {
    /// Blocks in a terminal.
    #[default]
    Terminal,
    /// A picture.
    Svg,
    /// Words.
    Words,
}

/// Draw a recording that `run --plot` made
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  stage3-cgroups run --plot cpu.svg --cpus 0.5 -- stage3-cgroups hog cpu\n  stage3-cgroups plot cpu.tsv\n  stage3-cgroups plot cpu.tsv --style svg > again.svg"
)]
pub struct PlotArgs {
    /// The recording: FILE.tsv
    recording: PathBuf,

    /// How
    #[arg(long, value_enum, default_value_t)]
    style: Style,

    /// So many columns of a terminal
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(10..=1000))]
    columns: u16,
}

/// Draws it.
pub fn plot(args: &PlotArgs) -> Result<u8> {
    let path = &args.recording;
    let text = fs::read_to_string(path).map_err(|e| Error::io(format!("open({path:?})"), &e))?;
    let recording = Recording::from_table(&text)?;
    print(&match args.style {
        Style::Terminal => draw::terminal(&recording, usize::from(args.columns)),
        Style::Svg => draw::svg(&title(path), &recording),
        Style::Words => draw::story(&recording) + "\n",
    })
}

/// Writes the picture to `file`, and the recording beside it, ending in `.tsv`.
pub(super) fn save(file: &Path, recording: &Recording) -> Result<()> {
    let put = |path: &Path, text: String| {
        fs::write(path, text).map_err(|e| Error::io(format!("open({path:?}, O_WRONLY|O_CREAT)"), &e))
    };
    put(&file.with_extension("tsv"), recording.to_table())?;
    put(file, draw::svg(&title(file), recording))
}

fn title(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
