//! The block of 512 bytes before each entry of an archive.
//!
//! No kernel calls; POSIX.1-1988 (ustar), GNU's numbers of base 256. Book: "Images" (`images`).
//! Invariant: pure; a block whose checksum is wrong is none, and a number that is none is an error, never 0.

use crate::{Error, Result};

/// The unit of an archive.
pub const BLOCK: usize = 512;

/// The block.
#[derive(Debug, Clone)]
pub struct Header([u8; BLOCK]);

impl Header {
    /// # Errors
    /// The checksum is not that of the block.
    pub fn read(block: [u8; BLOCK]) -> Result<Self> {
        let header = Header(block);
        // The eight bytes of the sum itself count as spaces; old programs took bytes for signed numbers.
        let counted = |at: usize, byte: u8| if (148..156).contains(&at) { b' ' } else { byte };
        let bytes = || block.iter().enumerate().map(|(at, byte)| counted(at, *byte));
        let plain: i64 = bytes().map(i64::from).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte as i8)).sum();
        match number("checksum", &block[148..156])? {
            sum if sum == plain || sum == signed => Ok(header),
            _ => Err(Error::refused("a header of the archive has a wrong checksum")
                .with_hint("this is no tar archive, or a damaged one")),
        }
    }

    /// The type of the entry.
    pub fn kind_byte(&self) -> u8 {
        self.0[156]
    }

    /// ustar has room for the front of a longer path elsewhere; GNU keeps other things there.
    pub fn path(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        let prefix = text(&self.0[345..500]);
        match &self.0[257..263] == b"ustar\0" && !prefix.is_empty() {
            true => [prefix, b"/", name].concat(),
            false => name.to_vec(),
        }
    }

    /// Where a link leads.
    pub fn link(&self) -> Vec<u8> {
        text(&self.0[157..257]).to_vec()
    }

    /// Of the content, in bytes.
    pub fn size(&self) -> Result<u64> {
        positive("size", &self.0[124..136])
    }

    /// Permissions.
    pub fn mode(&self) -> Result<u64> {
        positive("mode", &self.0[100..108])
    }

    /// The owner.
    pub fn uid(&self) -> Result<u64> {
        positive("uid", &self.0[108..116])
    }

    /// The group.
    pub fn gid(&self) -> Result<u64> {
        positive("gid", &self.0[116..124])
    }

    /// Seconds since 1970; before it they are negative.
    pub fn mtime(&self) -> Result<i64> {
        number("mtime", &self.0[136..148])
    }

    /// Major and minor number.
    pub fn device(&self) -> Result<(u64, u64)> {
        Ok((positive("devmajor", &self.0[329..337])?, positive("devminor", &self.0[337..345])?))
    }
}

/// So many bytes, in whole blocks.
///
/// # Errors
/// More than there can be.
pub fn blocks(size: u64) -> Result<u64> {
    size.checked_next_multiple_of(BLOCK as u64)
        .filter(|size| *size <= i64::MAX as u64)
        .ok_or_else(|| Error::refused(format!("an entry of the archive says that it is {size} bytes long")))
}

/// Until NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn positive(name: &str, field: &[u8]) -> Result<u64> {
    number(name, field)?.try_into().map_err(|_| wrong(name, field))
}

/// Octal digits, or, where the first bit is set, a number of base 256.
fn number(name: &str, field: &[u8]) -> Result<i64> {
    let Some((first, rest)) = field.split_first() else { return Ok(0) };
    if first & 0x80 != 0 {
        let negative = first & 0x40 != 0;
        let start = i128::from(first & 0x3f) - if negative { 64 } else { 0 };
        let value =
            rest.iter().try_fold(start, |sum, byte| sum.checked_mul(256)?.checked_add((*byte).into()));
        return value.and_then(|value| value.try_into().ok()).ok_or_else(|| wrong(name, field));
    }
    let mut digits =
        field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| !matches!(byte, 0 | b' '));
    digits
        .try_fold(0_i64, |sum, byte| match byte {
            b'0'..=b'7' => sum.checked_mul(8)?.checked_add(i64::from(byte - b'0')),
            _ => None,
        })
        .ok_or_else(|| wrong(name, field))
}

fn wrong(name: &str, field: &[u8]) -> Error {
    Error::refused(format!(
        "{name} of an entry of the archive is no number: {:?}",
        String::from_utf8_lossy(field)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_numbers_are_octal_or_of_base_256() {
        let read = |field: &[u8]| number("x", field).ok();
        assert_eq!(read(b"0000644\0"), Some(0o644));
        assert_eq!(read(b"   644 \0"), Some(0o644));
        assert_eq!(read(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(read(b"\x80\0\0\0\0\0\x01\0"), Some(256));
        assert_eq!(read(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), Some(-2));
        assert_eq!(read(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(read(b"0000689\0"), None);
        assert_eq!(read(b"-000001\0"), None);
        assert_eq!(positive("x", b"\xff\xff\xff\xff\xff\xff\xff\xff").ok(), None);
        assert!(blocks(u64::MAX).is_err() && blocks(1 << 63).is_err());
        assert_eq!(blocks(513).unwrap(), 1024);
    }
}
