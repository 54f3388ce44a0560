//! Numbers as they come.
//!
//! No kernel calls. Book: "Whoever is faster" (`races-verbs`).
//! Invariant: a seed that was told brings the same numbers again.

/// xorshift64 (Marsaglia, 2003).
pub struct Chance(u64);

impl Chance {
    /// By the clock, or by `STAGES_SEED`; it is told when a test fails.
    pub fn new() -> Self {
        let clock =
            || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = std::env::var("STAGES_SEED").map_or_else(|_| clock(), |text| text.parse().unwrap()) | 1;
        println!("STAGES_SEED={seed}");
        Chance(seed)
    }

    /// Other numbers, for another thread.
    pub fn another(&mut self) -> Self {
        Chance(self.below(u64::MAX) | 1)
    }

    /// Below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}
