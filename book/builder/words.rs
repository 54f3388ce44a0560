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
    pub before: &'static str,
    pub after: &'static str,
    pub flipped: &'static str,
    pub still_host: &'static str,
    pub own_before: &'static str,
    pub change_title: &'static str,
    pub member: &'static str,
    pub pod_shared: &'static str,
    pub pod_apart: &'static str,
    pub pod_title: &'static str,
    pub pids_title: &'static str,
    pub pid_outside: &'static str,
    pub pid_inside: &'static str,
    pub second_pid: &'static str,
    pub not_asked: &'static str,
    pub no_pid: &'static str,
    pub network_title: &'static str,
    pub here: &'static str,
    pub place: &'static str,
    pub addresses: &'static str,
    pub answered_by: &'static str,
    pub none_yet: &'static str,
    pub the_same: &'static str,
    pub on_v1: &'static str,
    pub on_v2: &'static str,
    pub on_hybrid: &'static str,
    pub on_rootless: &'static str,
    pub plot_drawn: &'static str,
    pub matrix_drawn: &'static str,
    pub weakness: &'static str,
    pub way_out: &'static str,
    pub defence: &'static str,
    pub plot_words: &'static str,
}

impl Words {
    /// What a recording shows that is named `SLUG@VARIANT`; none for a variant that nobody records.
    pub fn variant(&self, variant: &str) -> Option<&'static str> {
        match variant {
            "v1" => Some(self.on_v1),
            "v2" => Some(self.on_v2),
            "hybrid" => Some(self.on_hybrid),
            "rootless" => Some(self.on_rootless),
            _ => None,
        }
    }
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
    before: "in the jail",
    after: "in namespaces",
    flipped: "flipped",
    still_host: "still the host's",
    own_before: "its own before already",
    change_title: "What flipped from the jail to the namespaces",
    member: "member",
    pod_shared: "one, shared by all",
    pod_apart: "one each",
    pod_title: "What the members of the pod share",
    pids_title: "One process, two numbers",
    pid_outside: "number outside",
    pid_inside: "number inside",
    second_pid: "another number",
    not_asked: "not asked in this step",
    no_pid: "no number",
    network_title: "Who was answered by whom",
    here: "here",
    place: "Network",
    addresses: "Addresses given",
    answered_by: "answered by",
    none_yet: "No step has been recorded yet.",
    the_same: "The same step",
    on_v1: "version 1",
    on_v2: "version 2",
    on_hybrid: "hybrid layout",
    on_rootless: "an ordinary user",
    matrix_drawn: "Drawn by cargo xtask matrix from",
    weakness: "Weakness, and who had it",
    way_out: "How it led out",
    defence: "What keeps it out here",
    plot_drawn: "Drawn by stage3-cgroups plot from",
    plot_words: "The same in words and numbers",
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
    before: "감옥에서",
    after: "네임스페이스에서",
    flipped: "뒤집힘",
    still_host: "여전히 호스트의 것",
    own_before: "전부터 자기 것",
    change_title: "감옥에서 네임스페이스로 오면서 뒤집힌 것",
    member: "구성원",
    pod_shared: "모두가 함께 쓰는 하나",
    pod_apart: "저마다 하나",
    pod_title: "파드의 구성원이 함께 쓰는 것",
    pids_title: "프로세스 하나, 번호 둘",
    pid_outside: "밖의 번호",
    pid_inside: "안의 번호",
    second_pid: "다른 번호",
    not_asked: "이 단계에서는 묻지 않음",
    no_pid: "번호 없음",
    network_title: "누가 누구의 응답을 받았나",
    here: "여기",
    place: "네트워크",
    addresses: "붙인 주소",
    answered_by: "응답한 주소",
    none_yet: "아직 기록된 단계가 없습니다.",
    the_same: "같은 단계",
    on_v1: "버전 1",
    on_v2: "버전 2",
    on_hybrid: "하이브리드",
    on_rootless: "일반 사용자",
    matrix_drawn: "cargo xtask matrix가 이 기록으로 그림:",
    weakness: "약점과 그것이 있던 곳",
    way_out: "빠져나간 길",
    defence: "여기서 막는 것",
    plot_drawn: "stage3-cgroups plot이 이 기록으로 그림:",
    plot_words: "같은 내용을 말과 숫자로",
};
