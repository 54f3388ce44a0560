//! The probe's only room for `unsafe`: calls that no safe wrapper offers.
//!
//! capget(2), time since boot. Book: none.
//! Invariant: every function is safe to call with any argument.
#![allow(unsafe_code, reason = "raw system calls; each names its obligation")]

use nix::errno::Errno;

/// The effective capability set of this process, one bit a capability (capabilities(7)).
pub(crate) fn effective_capabilities() -> nix::Result<u64> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    /// `_LINUX_CAPABILITY_VERSION_3`: two data blocks, 64 capabilities (capget(2)).
    const VERSION_3: u32 = 0x2008_0522;
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: both pointers are to live values of the layout that version 3 asks for, and the call
    // writes no more than the two blocks.
    let answer = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    Errno::result(answer)?;
    Ok(u64::from(data[1].effective) << 32 | u64::from(data[0].effective))
}

/// Opens the directory behind an inherited descriptor once more, as our own.
pub(crate) fn reopen_directory(fd: i32) -> nix::Result<std::os::fd::OwnedFd> {
    if fd < 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: the borrow ends with this call, during which nothing of ours closes the descriptor; a
    // number that is not open gives EBADF.
    let inherited = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    let flags = nix::fcntl::OFlag::O_DIRECTORY | nix::fcntl::OFlag::O_CLOEXEC;
    nix::fcntl::openat(inherited, ".", flags, nix::sys::stat::Mode::empty())
}
