//! What an entry of an archive has beyond the room of its header.
//!
//! No kernel calls; POSIX.1-2001, "pax Extended Header"; star's SCHILY.xattr. Book: "Images" (`images`).
//! Invariant: pure; a record that is not as long as it says is refused, and so is a name with NUL in it.

use crate::{Error, Result};

/// What is heeded of the records; the others say nothing that a layer is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// Instead of the header's.
    pub path: Option<Vec<u8>>,
    /// Instead of the header's.
    pub link: Option<Vec<u8>>,
    /// Instead of the header's.
    pub size: Option<u64>,
    /// Instead of the header's.
    pub uid: Option<u64>,
    /// Instead of the header's.
    pub gid: Option<u64>,
    /// Seconds and nanoseconds, instead of the header's.
    pub mtime: Option<(i64, u32)>,
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The content has holes that are not written.
    pub sparse: bool,
}

impl Records {
    /// `LENGTH KEY=VALUE\n`, one behind the other; VALUE may hold anything, a newline included.
    pub fn read(mut bytes: &[u8]) -> Result<Self> {
        let mut records = Records::default();
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes).ok_or_else(|| {
                Error::refused("an extended header of the archive is not as long as it says")
            })?;
            records.heed(key, value)?;
            bytes = rest;
        }
        Ok(records)
    }

    /// Says nothing?
    pub fn is_empty(&self) -> bool {
        *self == Records::default()
    }

    fn heed(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let number = || parse(value).ok_or_else(|| wrong(key, value));
        match key {
            b"path" => self.path = text(key, value)?,
            b"linkpath" => self.link = text(key, value)?,
            b"size" => self.size = Some(number()?),
            b"uid" => self.uid = Some(number()?),
            b"gid" => self.gid = Some(number()?),
            b"mtime" => self.mtime = Some(time(value).ok_or_else(|| wrong(key, value))?),
            _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

/// Key, value, and what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(parse(&bytes[..space])?).ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &bytes[length..]))
}

/// Nothing: the header's counts.
fn text(key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>> {
    match value.contains(&0) {
        true => Err(wrong(key, value)),
        false => Ok(Some(value.to_vec()).filter(|value| !value.is_empty())),
    }
}

fn parse(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `-1.25` is a quarter of a second before the second before 1970.
fn time(value: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: u32 = format!("{fraction:0<9}")[..9].parse().ok()?;
    match whole.starts_with('-') && nanoseconds > 0 {
        true => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        false => Some((seconds, nanoseconds)),
    }
}

fn wrong(key: &[u8], value: &[u8]) -> Error {
    let [key, value] = [key, value].map(String::from_utf8_lossy);
    Error::refused(format!("an extended header of the archive has a wrong {key}: {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_extended_headers_are_as_long_as_they_say() {
        let records = Records::read(b"30 mtime=1350244992.023960108\n22 SCHILY.xattr.a=x\n=\n").unwrap();
        assert_eq!(records.mtime, Some((1_350_244_992, 23_960_108)));
        assert_eq!(records.xattrs, [(b"a".to_vec(), b"x\n=".to_vec())], "a value may hold a newline");
        assert_eq!(time(b"-1.25"), Some((-2, 750_000_000)));
        for wrong in [
            &b"8 path=a\n"[..],
            b"11 path=a\n",
            b"0 path=a\n",
            b"path=a\n",
            b"99999999999999999999999 path=a\n",
            b"12 path=a\0b\n",
            b"9 size=x\n",
            b"10 size=-1\n",
            b"12 mtime=1.x\n",
            b"7 path\n",
        ] {
            assert!(Records::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
