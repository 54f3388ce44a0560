//! A layer of an image: an archive of anybody's.
//!
//! No kernel calls; tar, layer.md. Book: "How this runtime is tested".
//! Invariant: the archive is read to its end or refused, in memory that does not grow with what it claims.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stage4_runtime::image::tape::Tape;
use std::io::Read;

fuzz_target!(|bytes: &[u8]| {
    let mut tape = Tape::new(bytes);
    let mut content = [0; 512];
    while let Ok(Some(entry)) = tape.entry() {
        // Some are read, the others passed over.
        if entry.path.len() % 2 == 0 {
            while tape.read(&mut content).is_ok_and(|read| read > 0) {}
        }
    }
});
