//! Numbers that a process shares with the children it will bear.
//!
//! mmap(2) MAP_SHARED|MAP_ANONYMOUS, Linux 2.4, 2001. Book: "config.json, told as calls" (`explain`).
//! Invariant: no name and no descriptor leads to them; execve(2) takes them away from who executes.

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// So many of them, all 0 at first.
#[derive(Debug)]
pub struct Shared<const N: usize>(NonNull<[AtomicU64; N]>);

impl<const N: usize> Shared<N> {
    /// Of this process and of all that it bears from now on.
    pub fn new() -> nix::Result<Self> {
        let length = NonZeroUsize::new(size_of::<[AtomicU64; N]>()).ok_or(Errno::EINVAL)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice: nobody else's memory is touched.
        let place = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_SHARED)? };
        Ok(Shared(place.cast()))
    }

    /// The numbers.
    pub fn numbers(&self) -> &[AtomicU64; N] {
        // SAFETY: mapped for as long as `self` lives, at the beginning of a page, and all noughts are valid numbers;
        // other processes change them only as we do, atomically.
        unsafe { self.0.as_ref() }
    }
}

impl<const N: usize> Drop for Shared<N> {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, whole; borrows of it have ended. That it is one cannot be wrong, so nothing
        // is to be told.
        unsafe { munmap(self.0.cast(), size_of::<[AtomicU64; N]>()) }.ok();
    }
}
