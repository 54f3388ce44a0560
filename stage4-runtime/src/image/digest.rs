//! Digests: what a content is called, and what it is held against.
//!
//! No kernel calls; FIPS 180-4; descriptor.md, "Digests". Book: "Images" (`images`).
//! Invariant: a digest is one of two algorithms and as many small hexadecimal digits as that has, so that the path of its
//! blob holds nothing else; no text becomes a path otherwise.

use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::str::FromStr;

/// How a digest is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Of 256 bits; all have it.
    Sha256,
    /// Of 512 bits.
    Sha512,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    fn digits(self) -> usize {
        match self {
            Algorithm::Sha256 => 64,
            Algorithm::Sha512 => 128,
        }
    }
}

/// `sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

impl Digest {
    /// How it is computed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digits alone.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Where a layout keeps what is called so (image-layout.md, Blobs).
    pub fn path(&self) -> String {
        format!("blobs/{}/{}", self.algorithm.name(), self.hex)
    }

    /// Enough of it for eyes: `sha256:0123456789ab`.
    pub fn short(&self) -> String {
        format!("{}:{}", self.algorithm.name(), &self.hex[..12])
    }

    /// Of bytes in memory.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut sum = Sum::new(algorithm);
        sum.update(bytes);
        sum.digest()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is no digest: {why}");
        let (name, hex) = text.split_once(':').ok_or_else(|| wrong("ALGORITHM:DIGITS is wanted"))?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(wrong("of algorithms, sha256 and sha512 are known")),
        };
        let small = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() != algorithm.digits() || !hex.bytes().all(small) {
            return Err(wrong(&format!("{} digits of 0-9a-f are wanted", algorithm.digits())));
        }
        Ok(Digest { algorithm, hex: hex.to_owned() })
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A digest that is being computed.
#[derive(Debug, Clone)]
pub enum Sum {
    /// Of 256 bits.
    Sha256(Sha256),
    /// Of 512 bits.
    Sha512(Sha512),
}

impl Sum {
    /// Of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Sum::Sha256(Sha256::new()),
            Algorithm::Sha512 => Sum::Sha512(Sha512::new()),
        }
    }

    /// And of these.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Sum::Sha256(sum) => sum.update(bytes),
            Sum::Sha512(sum) => sum.update(bytes),
        }
    }

    /// Of all until now.
    pub fn digest(&self) -> Digest {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Sum::Sha256(sum) => {
                Digest { algorithm: Algorithm::Sha256, hex: hex(&sum.clone().finalize()[..]) }
            }
            Sum::Sha512(sum) => {
                Digest { algorithm: Algorithm::Sha512, hex: hex(&sum.clone().finalize()[..]) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4's own examples are of "abc".
    #[test]
    fn images_digests_are_those_of_the_standard() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(Algorithm::Sha256, b"abc").hex(), sha256);
        assert!(Digest::of(Algorithm::Sha512, b"abc").hex().starts_with("ddaf35a193617abacc417349ae204131"));
        let digest: Digest = format!("sha256:{sha256}").parse().unwrap();
        assert_eq!(digest.path(), format!("blobs/sha256/{sha256}"));
    }

    #[test]
    fn images_digests_that_are_none_are_refused() {
        let digits = "a".repeat(64);
        let upper = "A".repeat(64);
        for text in [
            "",
            "sha256",
            "sha256:",
            "sha256:../../x",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &digits,
            &format!("sha256:{upper}"),
            &format!("sha256:{digits}a"),
            &format!("sha512:{digits}"),
            &format!("SHA256:{digits}"),
            &format!("sha256:{}/", &digits[1..]),
            &format!("sha256:{}\n", &digits[1..]),
        ] {
            assert!(text.parse::<Digest>().unwrap_err().contains("is no digest"), "{text:?}");
        }
    }
}
