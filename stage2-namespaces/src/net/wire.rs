//! Netlink messages as bytes: written with checked lengths, read without trust.
//!
//! netlink(7), rtnetlink(7): a header, a fixed part, attributes of length, type and value, padded to four bytes.
//! Book: "Speaking netlink" (`net`).
//! Invariant: pure; a length that does not fit is an error and never wraps around (CVE-2021-43784).

use crate::{Error, Result};

const HEADER: usize = 16;
const ATTRIBUTE: usize = 4;

/// A request that is being written.
#[derive(Debug)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Message {
    /// A message of `kind` (RTM_…) with `flags` (NLM_F_…) and its fixed part.
    pub fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((flags as u16).to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(fixed);
        let mut message = Message { bytes, too_long: false };
        message.pad();
        message
    }

    /// Appends the attribute `kind`.
    #[must_use]
    pub fn with(self, kind: u16, value: &[u8]) -> Self {
        self.nest(kind, |mut message| {
            message.bytes.extend(value);
            message
        })
    }

    /// Appends an attribute that holds a string and its final NUL.
    #[must_use]
    pub fn with_text(self, kind: u16, value: &str) -> Self {
        self.with(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Appends an attribute whose value is what `inside` appends.
    #[must_use]
    pub fn nest(mut self, kind: u16, inside: impl FnOnce(Message) -> Message) -> Self {
        let start = self.bytes.len();
        self.bytes.extend([0, 0]);
        self.bytes.extend(kind.to_ne_bytes());
        let mut message = inside(self);
        // The length counts its own header, but not the padding behind it.
        match u16::try_from(message.bytes.len() - start) {
            Ok(length) => message.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => message.too_long = true,
        }
        message.pad();
        message
    }

    /// Appends bytes that are no attribute: the fixed part of a message within a message.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    /// The bytes to send, with the sequence number by which the answer is known.
    pub fn finish(mut self, sequence: u32) -> Result<Vec<u8>> {
        let length = u32::try_from(self.bytes.len()).ok().filter(|_| !self.too_long);
        let length =
            length.ok_or_else(|| Error::refused("a netlink attribute is longer than 65535 bytes"))?;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Ok(self.bytes)
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// A message that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub kind: u16,
    pub sequence: u32,
    pub body: &'a [u8],
}

/// The messages in a datagram, up to the first that does not fit in it.
pub(crate) fn answers(mut bytes: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let message = bytes.get(..length).filter(|_| length >= HEADER)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Answer { kind: u16_at(message, 4)?, sequence: u32_at(message, 8)?, body: &message[HEADER..] })
    })
}

/// The attributes in `bytes`, up to the first that does not fit in it.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u16_at(bytes, 0)? as usize;
        let attribute = bytes.get(..length).filter(|_| length >= ATTRIBUTE)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16_at(attribute, 2)?, &attribute[ATTRIBUTE..]))
    })
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn net_messages_read_back_as_they_were_written() {
        let bytes = Message::new(16, 5, &[1, 2, 3, 4])
            .with_text(3, "lo")
            .nest(18, |m| m.with_text(1, "veth").nest(2, |m| m.raw(&[0; 4]).with(1, b"x")))
            .finish(7)
            .unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let answer = answers(&bytes).next().unwrap();
        assert_eq!((answer.kind, answer.sequence), (16, 7));
        let found: Vec<_> = attributes(&answer.body[4..]).collect();
        assert_eq!(found[0], (3, &b"lo\0"[..]));
        let inner: Vec<_> = attributes(found[1].1).collect();
        assert_eq!((found[1].0, inner[0]), (18, (1, &b"veth\0"[..])));
        assert_eq!(attributes(&inner[1].1[4..]).collect::<Vec<_>>(), [(1, &b"x"[..])]);
    }

    #[test]
    fn net_a_length_that_does_not_fit_is_an_error() {
        let with = |length: usize| Message::new(16, 0, &[]).with(1, &vec![0; length]).finish(1);
        assert!(with(65531).is_ok());
        assert!(with(65532).is_err(), "65536 would be written as 0");
        let nested = Message::new(16, 0, &[]).nest(1, |m| m.with(2, &[0; 40000]).with(3, &[0; 40000]));
        assert!(nested.finish(1).is_err());
    }

    #[test]
    fn net_whatever_is_read_ends_and_stays_inside() {
        let mut state = 1_u32;
        for round in 0..20_000 {
            let noise: Vec<u8> = (0..round % 64)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // Small numbers, so that many lengths do fit.
                    (state >> 24) as u8 & if state & 3 == 0 { 0xff } else { 0x07 }
                })
                .collect();
            assert!(answers(&noise).count() <= noise.len() / HEADER);
            assert!(attributes(&noise).count() <= noise.len() / ATTRIBUTE);
        }
    }
}
