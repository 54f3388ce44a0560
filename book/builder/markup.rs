//! HTML as text: writing it safely, and reading the tags of a rendered page.
//!
//! No kernel calls. Book: all rendered pages.
//! Only tags and attributes are read, which is what link checking needs; mdBook writes well-formed HTML.
//! Invariant: what is written into a page is escaped and stands on one line, so that Markdown ends no block in it.

use std::collections::BTreeMap;

/// `text` with the characters that HTML gives a meaning replaced.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// `text` escaped for a `<pre>` on one line of Markdown: a blank line would end the HTML block.
pub fn code_text(text: &str) -> String {
    escape(text).replace('\n', "&#10;")
}

/// An opening tag of a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Tag {
    /// The element's name, in lower case.
    pub name: String,
    /// The attributes; one without a value has an empty one.
    pub attributes: BTreeMap<String, String>,
    /// The line on which the tag begins, counted from 1.
    pub line: usize,
}

impl Tag {
    /// The attribute's value.
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }
}

/// The opening tags of a page, in order; comments and the insides of scripts and styles are passed over.
pub fn tags(page: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = page[at..].find('<') {
        let start = at + next;
        let rest = &page[start..];
        if rest.starts_with("<!--") {
            at = start + rest.find("-->").map_or(rest.len(), |end| end + 3);
        } else if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic()) {
            let (mut tag, length) = read_tag(rest);
            tag.line = page[..start].matches('\n').count() + 1;
            at = start + length;
            if matches!(tag.name.as_str(), "script" | "style") {
                let close = format!("</{}", tag.name);
                at += page[at..].find(&close).unwrap_or(page.len() - at);
            }
            found.push(tag);
        } else {
            at = start + 1;
        }
    }
    found
}

fn read_tag(text: &str) -> (Tag, usize) {
    let is_name = |c: char| !c.is_whitespace() && !matches!(c, '>' | '/' | '=');
    let take = |at: usize| text[at..].find(|c| !is_name(c)).map_or(text.len(), |end| at + end);
    let mut at = take(1);
    let name = text[1..at].to_ascii_lowercase();
    let mut attributes = BTreeMap::new();
    while let Some(c) = text[at..].chars().next().filter(|c| *c != '>') {
        if !is_name(c) {
            at += c.len_utf8();
            continue;
        }
        let end = take(at);
        let key = text[at..end].to_ascii_lowercase();
        at = end;
        let mut value = "";
        if let Some(quoted) = text[at..].strip_prefix('=') {
            let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''));
            let begin = at + 1 + usize::from(quote.is_some());
            let stop = |c: char| quote.map_or_else(|| c.is_whitespace() || c == '>', |quote| c == quote);
            let end = text[begin..].find(stop).map_or(text.len(), |end| begin + end);
            value = &text[begin..end];
            at = (end + usize::from(quote.is_some())).min(text.len());
        }
        attributes.insert(key, unescape(value));
    }
    (Tag { name, attributes, line: 0 }, (at + 1).min(text.len()))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_attributes_are_read() {
        let page =
            "<!-- <a href=no> -->\n<a class='x y' href=\"b.html?q&amp;r#c\">b</a><br/><input disabled id=i>";
        let tags = tags(page);
        let names: Vec<_> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, ["a", "br", "input"]);
        assert_eq!(tags[0].get("href"), Some("b.html?q&r#c"));
        assert_eq!(tags[0].get("class"), Some("x y"));
        assert_eq!((tags[2].get("id"), tags[2].get("disabled"), tags[2].line), (Some("i"), Some(""), 2));
    }

    #[test]
    fn the_inside_of_a_script_is_no_page() {
        let tags = tags("<script>if (a <b && c> d) '<img src=x>'</script><p id=after>");
        let names: Vec<_> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, ["script", "p"]);
    }

    #[test]
    fn a_page_cut_short_is_read_to_its_end() {
        assert_eq!(tags("<a href=\"x").len(), 1);
        assert_eq!(tags("<!-- never closed").len(), 0);
    }
}
