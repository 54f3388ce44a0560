//! The execution domain: whether uname(2) tells of a machine of 32 bits.
//!
//! personality(2), Linux 1.1.20, 1994; config-linux.md, "Personality". Book: "Processor and disk" (`schedule`).
//! Invariant: asked again, the kernel has what was set.

use crate::sys::personality as raw;
use crate::{Error, Result};

/// Sets the execution domain of this process and what it becomes.
pub fn set(persona: u32) -> Result<()> {
    let call = format!("personality({persona:#x})");
    raw::set(persona).map_err(|errno| Error::call(&call, errno).with_hint("linux.personality"))?;
    match raw::get() {
        Ok(now) if now == persona => Ok(()),
        Ok(now) => {
            Err(Error::refused(format!("{call}: the kernel has {now:#x}")).with_hint("linux.personality"))
        }
        Err(errno) => Err(Error::call("personality(0xffffffff)", errno)),
    }
}
