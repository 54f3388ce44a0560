//! System calls by number, and a child process that makes them under a filter.
//!
//! fork(2), syscall(2), mmap(2), pidfd_getfd(2), seccomp_unotify(2). Book: "System calls under a filter" (`seccomp`).
//! Invariant: a child never returns into the test; all it does is system calls and writing to memory it shares.
#![allow(unsafe_code, reason = "this is the room for it")]
#![allow(dead_code, reason = "each test file uses a part of it")]

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A call as the kernel sees it: number and arguments; the answer, negative for an errno.
pub fn syscall(number: u32, args: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: whoever calls this has chosen calls that fail, or take no pointers of ours.
    let returned = unsafe { libc::syscall(number as i64, a, b, c, d, e, f) };
    if returned == -1 { -(Errno::last_raw() as i64) } else { returned }
}

/// The same by the door of 32-bit programs, with one argument.
#[cfg(target_arch = "x86_64")]
pub fn syscall_of_32_bits(number: u32, argument: u32) -> i64 {
    let returned: i64;
    // SAFETY: rbx, which compilers keep for themselves, is put back; the kernel changes rax, and r8 to r11.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {argument:r}",
            "int 0x80",
            "xchg rbx, {argument:r}",
            argument = inout(reg) u64::from(argument) => _,
            inlateout("rax") u64::from(number) => returned,
            in("rcx") 0u64, in("rdx") 0u64, in("rsi") 0u64, in("rdi") 0u64,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    i64::from(returned as i32)
}

/// Memory that a child shares with us: it can answer without a system call.
pub struct Shared {
    start: *mut i64,
    length: usize,
}

impl Shared {
    /// Room for `length` numbers, all 0.
    pub fn new(length: usize) -> Shared {
        // SAFETY: a new mapping wherever the kernel wants it.
        let start = unsafe {
            let (rights, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
            libc::mmap(std::ptr::null_mut(), length * 8, rights, kind, -1, 0)
        };
        assert_ne!(start, libc::MAP_FAILED);
        Shared { start: start.cast(), length }
    }

    /// Writes a number, visible to both sides.
    pub fn set(&self, place: usize, value: i64) {
        assert!(place < self.length);
        // SAFETY: inside the mapping, which is aligned to pages.
        unsafe { self.start.add(place).write_volatile(value) }
    }

    /// Reads a number.
    pub fn get(&self, place: usize) -> i64 {
        assert!(place < self.length);
        // SAFETY: as above.
        unsafe { self.start.add(place).read_volatile() }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: ours, and nobody borrows from it.
        unsafe { libc::munmap(self.start.cast(), self.length * 8) };
    }
}

/// A process of ours that is waited for.
pub struct Child(pub i32);

impl Child {
    /// Runs `life` in a copy of this process, which then ends with status 0, or 101 if it panicked.
    pub fn born(life: impl FnOnce()) -> Child {
        // SAFETY: the copy has this thread only; `life` does system calls and uses memory, whose allocator the C
        // library keeps usable across fork(2).
        match unsafe { libc::fork() } {
            0 => {
                let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(life));
                // SAFETY: has no preconditions; no destructor of the parent's runs here.
                unsafe { libc::_exit(if lived.is_ok() { 0 } else { 101 }) }
            }
            pid => {
                assert!(pid > 0);
                Child(pid)
            }
        }
    }

    /// Its end: the exit status, or 128 and the signal, as shells have it.
    pub fn end(self) -> i32 {
        let mut word = 0;
        // SAFETY: `word` is an int of ours.
        while unsafe { libc::waitpid(self.0, &raw mut word, 0) } < 0 {
            assert_eq!(Errno::last(), Errno::EINTR);
        }
        if libc::WIFSIGNALED(word) { 128 + libc::WTERMSIG(word) } else { libc::WEXITSTATUS(word) }
    }

    /// A descriptor of its own, as ours.
    pub fn descriptor(&self, number: i32) -> OwnedFd {
        // SAFETY: both calls take numbers only, and return new descriptors.
        unsafe {
            let process = libc::syscall(libc::SYS_pidfd_open, self.0, 0);
            let process = OwnedFd::from_raw_fd(Errno::result(process).unwrap() as i32);
            let fd = libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0);
            OwnedFd::from_raw_fd(Errno::result(fd).unwrap() as i32)
        }
    }
}

/// `struct seccomp_notif`, linux/seccomp.h
#[repr(C)]
#[derive(Default)]
pub struct Notification {
    id: u64,
    pub pid: u32,
    flags: u32,
    pub number: i32,
    pub arch: u32,
    instruction_pointer: u64,
    pub args: [u64; 6],
}

/// `struct seccomp_notif_resp`
#[repr(C)]
pub struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

nix::ioctl_readwrite!(receive_notification, b'!', 0, Notification);
nix::ioctl_readwrite!(send_response, b'!', 1, Response);

/// Waits for a call that asks the agent.
pub fn receive(listener: BorrowedFd<'_>) -> Notification {
    next(listener).unwrap()
}

/// The same; none: nobody is left who could ask, or whoever asked has gone.
pub fn next(listener: BorrowedFd<'_>) -> Option<Notification> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    loop {
        let mut news = [PollFd::new(listener, PollFlags::POLLIN)];
        poll(&mut news, PollTimeout::NONE).unwrap();
        // POLLHUP: the last process with the filter has ended.
        if !news[0].revents().unwrap().contains(PollFlags::POLLIN) {
            return None;
        }
        let mut notification = Notification::default();
        // SAFETY: a structure of the kernel's layout, all zeroes as it demands.
        match unsafe { receive_notification(listener.as_raw_fd(), &raw mut notification) } {
            Ok(_) => return Some(notification),
            Err(Errno::ENOENT | Errno::EINTR) => (),
            Err(errno) => panic!("SECCOMP_IOCTL_NOTIF_RECV: {errno}"),
        }
    }
}

/// What an agent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The call returns this.
    Return(i64),
    /// The call fails so.
    Fail(Errno),
    /// The kernel does it.
    Continue,
}

/// Ends the waiting of a call.
pub fn answer(listener: BorrowedFd<'_>, notification: &Notification, answer: Answer) {
    /// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`
    const CONTINUE: u32 = 1;
    let (value, error, flags) = match answer {
        Answer::Return(value) => (value, 0, 0),
        Answer::Fail(errno) => (0, -(errno as i32), 0),
        Answer::Continue => (0, 0, CONTINUE),
    };
    let mut response = Response { id: notification.id, value, error, flags };
    // SAFETY: as above. That the caller has gone meanwhile is his affair.
    match unsafe { send_response(listener.as_raw_fd(), &raw mut response) } {
        Ok(_) | Err(Errno::ENOENT) => (),
        Err(errno) => panic!("SECCOMP_IOCTL_NOTIF_SEND: {errno}"),
    }
}
