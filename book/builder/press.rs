//! The press: loads the text, checks it, weaves it, has mdBook render it, checks the result.
//!
//! No kernel calls of its own. Book: all of it.
//! The order is weave, then gettext, then render: listings and outputs never become messages to translate.
//! Invariant: an output directory that the press reports as built has passed every check.

use crate::fault::Fault;
use crate::house::House;
use crate::steps::Sections;
use crate::weave::Loom;
use crate::words::Lang;
use crate::{links, prose};
use mdbook_driver::MDBook;
use mdbook_driver::book::BookItem;
use mdbook_driver::config::Config;
use mdbook_i18n_helpers::preprocessors::Gettext;
use mdbook_i18n_helpers::renderers::Xgettext;
use std::fs;
use std::path::Path;

/// Why there is no book.
#[derive(Debug)]
pub enum Failure {
    /// The text or its targets are not right: all faults found.
    Faults(Vec<Fault>),
    /// mdBook or the file system refused.
    Other(String),
}

impl<E: Into<mdbook_driver::errors::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Other(format!("{:#}", error.into()))
    }
}

/// Builds the book in `lang` into `out`, and checks it.
pub fn build(house: &House, lang: Lang, out: &Path) -> Result<(), Failure> {
    refuse_foreign(out)?;
    let mut book = load(house, lang, out)?;
    weave(house, lang, &mut book)?;
    if has_translation(house, lang)? {
        book.with_preprocessor(Gettext);
    }
    book.build()?;
    match links::check(out)? {
        faults if faults.is_empty() => Ok(()),
        faults => Err(Failure::Faults(faults)),
    }
}

/// Writes the messages to translate, without listings and outputs, to `out/messages.pot`.
pub fn messages(house: &House, out: &Path) -> Result<(), Failure> {
    let mut book = load(house, Lang::En, out)?;
    weave(house, Lang::En, &mut book)?;
    book.execute_build_process(&Xgettext)?;
    Ok(())
}

/// Whether there is a translation. Its reader panics on an incomplete header, so that is checked here.
fn has_translation(house: &House, lang: Lang) -> Result<bool, Failure> {
    const HEADER: [&str; 9] = [
        "Project-Id-Version",
        "POT-Creation-Date",
        "PO-Revision-Date",
        "Language-Team",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
        "Language",
        "Plural-Forms",
    ];
    let name = format!("book/po/{}.po", lang.code());
    let text =
        if house.path(&name).is_file() { house.read(&name).map_err(Failure::Other)? } else { String::new() };
    if text.trim().is_empty() {
        return Ok(false);
    }
    let missing = HEADER.iter().filter(|field| !text.contains(&format!("\n\"{field}:")));
    let faults: Vec<Fault> =
        missing.map(|field| Fault::new(&name, 0, format!("the header has no field {field}"))).collect();
    if faults.is_empty() { Ok(true) } else { Err(Failure::Faults(faults)) }
}

/// mdBook empties its output directory: only one that a book was built into may be emptied.
fn refuse_foreign(out: &Path) -> Result<(), Failure> {
    let empty = !out.exists() || fs::read_dir(out)?.next().is_none();
    if empty || out.join("toc.html").is_file() {
        return Ok(());
    }
    Err(Failure::Other(format!(
        "{}: holds something else than a book; building would empty it",
        out.display()
    )))
}

fn load(house: &House, lang: Lang, out: &Path) -> Result<MDBook, Failure> {
    let root = house.book();
    let mut config = Config::from_disk(root.join("book.toml"))?;
    config.book.title = Some(lang.words().book_title.to_owned());
    config.book.language = Some(lang.code().to_owned());
    config.build.build_dir = std::path::absolute(out)?;
    Ok(MDBook::load_with_config(root, config)?)
}

/// Checks the pages as written and replaces their directives.
fn weave(house: &House, lang: Lang, book: &mut MDBook) -> Result<(), Failure> {
    let pages: Vec<(String, String)> = book
        .iter()
        .filter_map(|item| match item {
            BookItem::Chapter(chapter) => {
                let path = chapter.source_path.as_ref()?;
                Some((format!("book/src/{}", path.display()), chapter.content.clone()))
            }
            _ => None,
        })
        .collect();
    let named = || pages.iter().map(|(file, text)| (file.as_str(), text.as_str()));
    let (sections, mut faults) = prose::sections(named());
    faults.extend(named().flat_map(|(file, text)| prose::faults(file, text)));

    let sections: Sections = sections.into_iter().map(|(id, file)| (id, page(&file))).collect();
    let loom = Loom { house, lang, sections: &sections };
    book.book.for_each_mut(|item| {
        let BookItem::Chapter(chapter) = item else { return };
        let Some(path) = &chapter.source_path else { return };
        match loom.weave(&format!("book/src/{}", path.display()), &chapter.content) {
            Ok(woven) => chapter.content = woven,
            Err(found) => faults.extend(found),
        }
    });
    if faults.is_empty() { Ok(()) } else { Err(Failure::Faults(faults)) }
}

/// `book/src/chroot.md` -> `chroot.html`.
fn page(file: &str) -> String {
    let name = file.strip_prefix("book/src/").unwrap_or(file);
    format!("{}.html", name.strip_suffix(".md").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const PAGE: &str =
        "# Page\n\n## Title {#title}\n\nOne.\n\n{{#listing stage1-x/src/lib.rs:code}}\n\nSee [it](#title).\n";

    /// A workspace with a book of one page and one listing; gone when the test is.
    struct Small(PathBuf);

    impl Small {
        fn new(name: &str, page: &str) -> Self {
            let root = std::env::temp_dir().join(format!("book-press-{}-{name}", std::process::id()));
            for (file, text) in [
                (
                    "book/book.toml",
                    "[build]\nuse-default-preprocessors = false\n[output.html]\ninput-404 = \"\"\n",
                ),
                ("book/src/SUMMARY.md", "- [Page](page.md)\n"),
                ("book/src/page.md", page),
                ("stage1-x/Cargo.toml", ""),
                ("stage1-x/src/lib.rs", "// ANCHOR: code\nfn one() {}\n\nfn two() {}\n// ANCHOR_END: code\n"),
            ] {
                fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
                fs::write(root.join(file), text).unwrap();
            }
            Small(root)
        }

        fn build(&self, lang: Lang) -> Result<String, Failure> {
            let out = self.0.join("out");
            build(&House::at(&self.0), lang, &out)?;
            Ok(fs::read_to_string(out.join("page.html")).unwrap())
        }
    }

    impl Drop for Small {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn faults(result: Result<String, Failure>) -> Vec<String> {
        match result {
            Err(Failure::Faults(faults)) => faults.iter().map(Fault::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_partial_translation_keeps_addresses_and_listings() {
        let small = Small::new("ko", PAGE);
        let english = small.build(Lang::Ko).unwrap();
        assert!(english.contains("One.") && english.contains("lang=\"ko\""), "no ko.po: English text");

        // The translation as it is kept here, with one message.
        let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("po/ko.po")).unwrap();
        let header = kept.split("\n\n").next().unwrap();
        fs::create_dir_all(small.0.join("book/po")).unwrap();
        let po = small.0.join("book/po/ko.po");
        fs::write(&po, format!("{header}\n\nmsgid \"Title\"\nmsgstr \"제목\"\n")).unwrap();
        let korean = small.build(Lang::Ko).unwrap();
        assert!(korean.contains("<h2 id=\"title\">") && korean.contains("제목") && korean.contains("One."));
        assert!(
            korean.contains("fn one() {}\n\nfn two() {}"),
            "the listing is the code, whatever the language"
        );
    }

    #[test]
    fn listings_are_no_messages_to_translate() {
        let small = Small::new("messages", PAGE);
        messages(&House::at(&small.0), &small.0.join("out")).unwrap();
        let messages = fs::read_to_string(small.0.join("out/messages.pot")).unwrap();
        assert!(messages.contains("msgid \"One.\"") && !messages.contains("fn one"), "{messages}");
    }

    #[test]
    fn faults_of_all_kinds_stop_the_build() {
        let page = "# Page\n\n## No id\n\n{{#listing stage1-x/src/lib.rs:gone}}\n\n```sh\nls\n```\n";
        let found = faults(Small::new("faults", page).build(Lang::En));
        let at: Vec<_> = found.iter().map(|fault| &fault[..fault.find(": ").unwrap()]).collect();
        assert_eq!(at, ["book/src/page.md:3", "book/src/page.md:7", "book/src/page.md:5"], "{found:?}");
        let found = faults(Small::new("dead", "# Page\n\n[x](#nowhere)\n").build(Lang::En));
        assert!(found.iter().any(|fault| fault.contains("no id \"nowhere\" in page.html")), "{found:?}");
    }

    #[test]
    fn a_directory_that_is_no_book_is_not_emptied() {
        let small = Small::new("foreign", PAGE);
        fs::create_dir_all(small.0.join("out")).unwrap();
        fs::write(small.0.join("out/letters.txt"), "dear").unwrap();
        assert!(matches!(small.build(Lang::En), Err(Failure::Other(why)) if why.contains("would empty it")));
        assert_eq!(fs::read_to_string(small.0.join("out/letters.txt")).unwrap(), "dear");
    }
}
