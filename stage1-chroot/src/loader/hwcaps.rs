//! The glibc-hwcaps subdirectories whose libraries this processor can run.
//!
//! No kernel calls, CPUID only; glibc 2.33 (2021), levels from the x86-64 psABI (2020). Book: `build`.
//! Invariant: the order is ld.so's, best first; machines without levels get none.

use crate::elf::Target;

/// Names below `glibc-hwcaps/`, best first, as `ld.so --help` lists them.
pub fn subdirectories(target: Target) -> Vec<&'static str> {
    let is_x86_64 = target.machine == object::elf::EM_X86_64.0 && target.wide;
    let level = if is_x86_64 { x86_64_level() } else { 1 };
    [(4, "x86-64-v4"), (3, "x86-64-v3"), (2, "x86-64-v2")]
        .into_iter()
        .filter_map(|(needs, name)| (level >= needs).then_some(name))
        .collect()
}

#[cfg(target_arch = "x86_64")]
fn x86_64_level() -> u32 {
    macro_rules! cpu_has {
        ($($feature:tt)*) => { true $(&& is_x86_feature_detected!($feature))* };
    }
    if !cpu_has!("cmpxchg16b" "popcnt" "sse3" "ssse3" "sse4.1" "sse4.2") {
        1
    } else if !cpu_has!("avx" "avx2" "bmi1" "bmi2" "f16c" "fma" "lzcnt" "movbe") {
        2
    } else if !cpu_has!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl") {
        3
    } else {
        4
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn x86_64_level() -> u32 {
    1
}
