//! Profiles of system calls: compiled for each architecture.
//!
//! No kernel calls; config-linux.md, "Seccomp". Book: "How this runtime is tested".
//! Invariant: a profile becomes a program that the kernel's limit of length holds, or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage4_runtime::config::parse;
use stage4_runtime::config::seccomp::Seccomp;
use stage4_runtime::seccomp::{Arch, compile};

fuzz_target!(|text: &[u8]| {
    let Ok(profile) = parse::<Seccomp>("seccomp.json", text) else { return };
    for native in Arch::ALL {
        drop(compile(&profile, native));
    }
});
