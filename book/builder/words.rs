//! The builder's own words, in the languages of the book.
//!
//! No kernel calls. Book: captions and labels around listings, transcripts and pictures.
//! The text itself is translated through `po/LANG.po`; these few words never enter it.
//! Invariant: every word exists in every language.

/// A language of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// English, the language of `src/`.
    En,
    /// Korean, through `po/ko.po`.
    Ko,
}

impl Lang {
    /// The language with this code.
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "en" => Some(Lang::En),
            "ko" => Some(Lang::Ko),
            _ => None,
        }
    }

    /// The code that HTML, gettext and `demo.toml` use.
    pub fn code(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Ko => "ko",
        }
    }

    /// The builder's words in this language.
    pub fn words(self) -> &'static Words {
        match self {
            Lang::En => &EN,
            Lang::Ko => &KO,
        }
    }
}

/// The words, each named after where it stands.
#[derive(Debug)]
pub struct Words {
    pub book_title: &'static str,
    pub observed: &'static str,
    pub aside: &'static str,
    pub exercise: &'static str,
    pub hint: &'static str,
    pub not_run: &'static str,
    pub host: &'static str,
    pub jail: &'static str,
    pub shared: &'static str,
    pub own: &'static str,
    pub hidden: &'static str,
    pub hosts_own: &'static str,
    pub picture_title: &'static str,
    pub picture_text: &'static str,
    pub picture_drawn: &'static str,
    pub fact: &'static str,
    pub seen_inside: &'static str,
    pub code: &'static str,
    pub test: &'static str,
    pub snapshot: &'static str,
    pub series: &'static str,
    pub none_yet: &'static str,
}

static EN: Words = Words {
    book_title: "Containers, step by step",
    observed: "Observed",
    aside: "Beside the road",
    exercise: "Exercise",
    hint: "Hint",
    not_run: "Not run by the tests",
    host: "the host",
    jail: "the jail",
    shared: "one thing, seen from both sides",
    own: "two things, one on each side",
    hidden: "not visible from inside",
    hosts_own: "the host's",
    picture_title: "What the jail shares with the host",
    picture_text: "The same as a table",
    picture_drawn: "Drawn from",
    fact: "Fact",
    seen_inside: "Seen from inside",
    code: "Code",
    test: "Test",
    snapshot: "Snapshot",
    series: "In the series",
    none_yet: "No step has been recorded yet.",
};

static KO: Words = Words {
    book_title: "한 걸음씩 따라가는 컨테이너",
    observed: "관찰한 그대로",
    aside: "길가의 이야기",
    exercise: "연습 문제",
    hint: "힌트",
    not_run: "테스트가 실행하지 않음",
    host: "호스트",
    jail: "감옥 안",
    shared: "양쪽에서 보이는 같은 하나",
    own: "양쪽에 따로 있는 둘",
    hidden: "안에서는 보이지 않음",
    hosts_own: "호스트의 것",
    picture_title: "감옥이 호스트와 함께 쓰는 것",
    picture_text: "같은 내용을 표로",
    picture_drawn: "이 기록으로 그림:",
    fact: "항목",
    seen_inside: "안에서 보이는 것",
    code: "코드",
    test: "테스트",
    snapshot: "스냅숏",
    series: "연재 글에서",
    none_yet: "아직 기록된 단계가 없습니다.",
};
