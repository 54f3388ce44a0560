//! What xtask itself says, in each language. Narration is in `demo.toml`.
//!
//! Reads LC_ALL, LC_MESSAGES and LANG (locale(7)). Book: "How to use this book".
//! Invariant: every sentence exists in both languages, side by side.

use observe::script::Lang;

/// The language asked for, else the reader's own.
pub(crate) fn choose(asked: Option<Lang>) -> Lang {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG"));
    let own = if locale.is_some_and(|locale| locale.starts_with("ko")) { Lang::Ko } else { Lang::En };
    asked.unwrap_or(own)
}

/// As it is typed.
pub(crate) fn name(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "en",
        Lang::Ko => "ko",
    }
}

/// Parses `--lang`.
pub(crate) fn parse(name: &str) -> Result<Lang, String> {
    match name {
        "en" => Ok(Lang::En),
        "ko" => Ok(Lang::Ko),
        _ => Err("en or ko".into()),
    }
}

macro_rules! words {
    ($($name:ident: $en:literal, $ko:literal;)*) => {
        /// A word or sentence that xtask says.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Word { $($name),* }

        impl Word {
            /// In this language.
            pub(crate) fn say(self, lang: Lang) -> &'static str {
                match (self, lang) { $((Word::$name, Lang::En) => $en, (Word::$name, Lang::Ko) => $ko,)* }
            }
        }
    };
}

words! {
    Inside: "inside", "안";
    Host: "host", "호스트";
    Observed: "observed as promised", "약속한 대로 관찰됨";
    Broken: "not as promised", "약속과 다름";
    Impossible: "SKIP, not possible here", "SKIP, 여기서는 불가능";
    Remedy: "what mends it", "해결 방법";
    Prediction: "Your prediction?", "예상해 보세요.";
    PressEnter: "Press Enter to see.", "Enter를 누르면 확인합니다.";
    AsRoot: "as root", "root로 실행";
    AsOrdinary: "as an ordinary user", "일반 사용자로 실행";
    Summary: "observed", "관찰";
    SummaryBroken: "not as promised", "불일치";
    SummaryImpossible: "not possible here", "불가";
    Clean: "Nothing was left on the host.", "호스트에 아무것도 남지 않았습니다.";
    Left: "Left on the host:", "호스트에 남은 것:";
    Kept: "Kept for you:", "남겨 둔 디렉토리:";
    TypeAlong: "To type along, use the same commands:", "직접 입력해 보려면 같은 명령을 쓰세요:";
    Works: "works", "가능";
    Degraded: "degraded", "일부만 가능";
    NotPossible: "not possible here", "불가능";
    Ready: "not written yet; this machine is ready for it", "아직 작성되지 않음. 이 컴퓨터는 준비됨";
    Kernel: "kernel", "커널";
    RunsIn: "runs in", "실행 환경";
    YouAre: "you are", "사용자";
    Userns: "user namespaces", "사용자 네임스페이스";
    Subids: "subordinate ids", "하위 id";
    Cgroups: "cgroups", "cgroup";
    Delegation: "cgroup delegation", "cgroup 위임";
    VirtualMachine: "virtual machine", "가상 머신";
    Tools: "optional tools", "선택 도구";
    Machine: "This machine", "이 컴퓨터";
}
