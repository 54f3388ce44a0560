//! Who a container's user is: the words of an image and of a command line, and lists that strangers wrote.
//!
//! No kernel calls; passwd(5), group(5). Book: "How this runtime is tested".
//! Invariant: whoever is not in the lists, and no number, is nobody: never root by mistake.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage4_runtime::image::users::find;

fuzz_target!(|words: (&str, &str, &str)| {
    let (text, passwd, group) = words;
    let Ok(user) = find(text, passwd, group) else { return };
    let name = text.split(':').next().unwrap_or_default();
    let says_root = name.is_empty() || name.bytes().all(|byte| byte == b'0');
    let listed = passwd.lines().any(|line| line.split(':').next() == Some(name));
    assert!(user.uid != 0 || says_root || listed, "{text:?} is root");
});
