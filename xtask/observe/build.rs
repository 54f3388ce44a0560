//! Tells the crate which triple it was built for; the probe is linked statically for the same one.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=HOST_TRIPLE={}", std::env::var("TARGET").unwrap_or_default());
}
