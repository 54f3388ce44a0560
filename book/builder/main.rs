//! Builds the book, serves it, and fails where it has drifted from the code.
//!
//! Reads the stages' sources, scripts and snapshots; links none of them. Book: "How to use this book".
//! `cargo xtask book` starts this program, so that the book's dependencies stay out of xtask.
//! Invariant: exit status 0 means a book without a dead link, a missing listing or a typed-in output.
//!
//! | Module | What it is |
//! |---|---|
//! | [`house`] | where things are |
//! | [`prose`] | the rules of the text itself |
//! | [`weave`] | the directives, replaced by [`listing`], [`transcript`], [`picture`], [`steps`], [`weaknesses`] |
//! | [`press`] | load, check, weave, translate, render |
//! | [`links`], [`markup`] | the rendered pages, read and checked |
//! | [`serve`] | the built book on 127.0.0.1 |
//! | [`words`], [`fault`] | captions in the book's languages; what is wrong, and where |
//!
//! Known limit: mdBook's search index drops Hangul, so search in the Korean book finds Latin words only;
//! the index has to be post-processed when the Korean text comes.

mod fault;
mod house;
mod links;
mod listing;
mod markup;
mod picture;
mod press;
mod prose;
mod serve;
mod steps;
mod transcript;
mod weaknesses;
mod weave;
mod words;

use house::House;
use press::Failure;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use words::Lang;

const USAGE: &str = "\
Builds the book: listings, transcripts and pictures are woven in and checked.

Usage: book COMMAND [--lang en|ko] [--out DIR] [--port PORT]

  build     build into DIR (default: target/book/LANG) and print the page to open
  serve     build, then serve on 127.0.0.1 until Ctrl-C (default port: a free one)
  check     build into a temporary directory, report every fault, leave nothing
  messages  write the text to translate into DIR (default: target/book/messages)

Exit status: 0 done, 1 faults in the book, 2 usage.";

/// What was asked for.
struct Asked {
    command: String,
    lang: Lang,
    out: Option<PathBuf>,
    port: u16,
}

fn asked(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked { command: String::new(), lang: Lang::En, out: None, port: 0 };
    while let Some(argument) = arguments.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        let mut value =
            || inline.clone().or_else(|| arguments.next()).ok_or_else(|| format!("{name} needs a value"));
        match name {
            "--lang" => {
                let code = value()?;
                asked.lang = Lang::parse(&code).ok_or_else(|| format!("no book in {code:?}: en or ko"))?;
            }
            "--out" => asked.out = Some(PathBuf::from(value()?)),
            "--port" => {
                let port = value()?;
                asked.port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
            }
            "-h" | "--help" => asked.command = "help".into(),
            "build" | "serve" | "check" | "messages" | "help" if asked.command.is_empty() => {
                asked.command = argument;
            }
            other => return Err(format!("{other:?} was not understood")),
        }
    }
    Ok(asked)
}

fn run(asked: &Asked) -> Result<(), Failure> {
    let house = House::find()?;
    let out = |default: &str| asked.out.clone().unwrap_or_else(|| house.output(default));
    let mut stdout = io::stdout();
    match asked.command.as_str() {
        "build" => {
            let out = out(asked.lang.code());
            press::build(&house, asked.lang, &out)?;
            writeln!(stdout, "{}", std::path::absolute(out)?.join("index.html").display())?;
        }
        "serve" => {
            let out = out(asked.lang.code());
            press::build(&house, asked.lang, &out)?;
            serve::serve(&out, asked.port, |url| {
                writeln!(stdout, "{url}")?;
                stdout.flush()
            })?;
        }
        "check" => {
            let out = std::env::temp_dir().join(format!("stage-book-check-{}", std::process::id()));
            let built = press::build(&house, asked.lang, &out);
            if out.exists() {
                std::fs::remove_dir_all(&out)?;
            }
            built?;
        }
        "messages" => {
            let out = out("messages");
            press::messages(&house, &out)?;
            writeln!(stdout, "{}", std::path::absolute(out)?.join("messages.pot").display())?;
        }
        _ => writeln!(stdout, "{USAGE}")?,
    }
    Ok(())
}

fn main() -> ExitCode {
    let asked = match asked(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("book: {why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&asked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Faults(faults)) => {
            for fault in &faults {
                eprintln!("{fault}");
            }
            eprintln!("book: {} to mend", faults.len());
            ExitCode::FAILURE
        }
        Err(Failure::Other(why)) => {
            eprintln!("book: {why}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Asked, String> {
        asked(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        let asked = read("--lang=ko serve --port 3000 --out there").unwrap();
        assert_eq!((asked.command.as_str(), asked.lang, asked.port), ("serve", Lang::Ko, 3000));
        assert_eq!(asked.out, Some(PathBuf::from("there")));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for line in ["bild", "build serve", "build --lang fr", "build --out", "serve --port x"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
