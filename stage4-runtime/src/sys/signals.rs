//! Signals as a new program expects them.
//!
//! signal(7): what is ignored or held back stays so across execve(2). Book: "The last acts" (`last-acts`).
//! Invariant: no handler of ours is installed anywhere in this crate, so that the default is all there is.

use nix::errno::Errno;

/// The kernel's SIGRTMAX.
const LAST: libc::c_int = 64;

/// `struct sigaction` as the kernel has it: SIG_DFL, no flags, no mask.
const DEFAULT: [u64; 8] = [0; 8];

/// Every signal has its default effect, and none is held back.
pub fn reset() -> nix::Result<()> {
    for signal in 1..=LAST {
        // These cannot be changed, by nobody.
        if [libc::SIGKILL, libc::SIGSTOP].contains(&signal) {
            continue;
        }
        // The kernel's call and not the C library's, which refuses the two signals that it keeps for itself: those,
        // too, may be ignored.
        // SAFETY: `DEFAULT` is longer than any machine's structure; it holds no function, and outlives the call.
        let answer = unsafe {
            let none = std::ptr::null_mut::<u8>();
            libc::syscall(libc::SYS_rt_sigaction, signal, DEFAULT.as_ptr(), none, size_of::<u64>())
        };
        Errno::result(answer)?;
    }
    // SAFETY: all zeroes are a valid sigset_t.
    let mut none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: writes one sigset_t, which is there.
    unsafe { libc::sigemptyset(&raw mut none) };
    // SAFETY: reads one sigset_t, which outlives the call; null: the old one is not wanted.
    let answer = unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
    Errno::result(answer).map(drop)
}
