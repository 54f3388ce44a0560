//! Kernel calls that no safe wrapper offers, each made once and bounded.
//!
//! syscall(2), ioctl(2), by number. Book: "The matrix".
//! Invariant: no pointer outlives its call, and every buffer is as long as the kernel was told.
#![allow(unsafe_code, reason = "the one room of the probe where kernel calls are made by number")]

use nix::errno::Errno;
use std::{
    ffi::CStr,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

type Result<T> = std::result::Result<T, Errno>;

/// The call itself. Whoever uses it hands over pointers that are valid for the call, or none.
fn call(number: i64, arguments: [usize; 5]) -> Result<usize> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: the functions of this module pass integers, NULL, or pointers to live buffers of the length told.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    Errno::result(result).map(|value| value.unsigned_abs() as usize)
}

fn descriptor(number: i64, arguments: [usize; 5]) -> Result<OwnedFd> {
    let number = call(number, arguments)?;
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number as i32) })
}

const MINUS_ONE: usize = usize::MAX;

/// As a register holds a signed number.
fn signed(value: i64) -> usize {
    value as usize
}

pub(crate) fn socket(family: i32, kind: i32, protocol: i32) -> Result<OwnedFd> {
    descriptor(libc::SYS_socket, [family as usize, kind as usize, protocol as usize, 0, 0])
}

/// settimeofday(NULL, NULL): asks for the right to, and changes nothing.
pub(crate) fn set_no_time() -> Result<()> {
    call(libc::SYS_settimeofday, [0; 5]).map(drop)
}

/// The size of the kernel's log: syslog(2), SYSLOG_ACTION_SIZE_BUFFER.
pub(crate) fn log_size() -> Result<usize> {
    call(libc::SYS_syslog, [10, 0, 0, 0, 0])
}

pub(crate) fn io_uring() -> Result<OwnedFd> {
    let mut parameters = [0_u64; 15]; // struct io_uring_params has 120 bytes
    descriptor(libc::SYS_io_uring_setup, [1, parameters.as_mut_ptr() as usize, 0, 0, 0])
}

/// UFFD_USER_MODE_ONLY: what an ordinary process may ask for.
pub(crate) fn userfaultfd() -> Result<OwnedFd> {
    descriptor(libc::SYS_userfaultfd, [1, 0, 0, 0, 0])
}

/// BPF_PROG_LOAD of a socket filter that is `return 0`.
pub(crate) fn bpf() -> Result<OwnedFd> {
    let program: [u64; 2] = [0x0000_0000_0000_00b7, 0x0000_0000_0000_0095];
    let license = c"GPL";
    let mut attributes = [0_u64; 16];
    attributes[0] = 1 | 2 << 32; // BPF_PROG_TYPE_SOCKET_FILTER, two instructions
    attributes[1] = program.as_ptr() as u64;
    attributes[2] = license.as_ptr() as u64;
    descriptor(libc::SYS_bpf, [5, attributes.as_ptr() as usize, 128, 0, 0])
}

/// A counter of processor 0, whoever runs on it: PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK.
pub(crate) fn perf_of_processor() -> Result<OwnedFd> {
    let mut attributes = [0_u64; 14];
    attributes[0] = 1 | 112 << 32;
    descriptor(libc::SYS_perf_event_open, [attributes.as_ptr() as usize, MINUS_ONE, 0, MINUS_ONE, 0])
}

/// finit_module(-1): EBADF for who may load modules.
pub(crate) fn load_no_module() -> Result<()> {
    call(libc::SYS_finit_module, [MINUS_ONE, c"".as_ptr() as usize, 0, 0, 0]).map(drop)
}

/// swapon of a path that is not there: ENOENT for who may.
pub(crate) fn swap_on_nothing() -> Result<()> {
    call(libc::SYS_swapon, [c"/stage4-nothing".as_ptr() as usize, 0, 0, 0, 0]).map(drop)
}

/// acct of a path that is not there: ENOENT for who may.
pub(crate) fn account_to_nothing() -> Result<()> {
    call(libc::SYS_acct, [c"/stage4-nothing".as_ptr() as usize, 0, 0, 0, 0]).map(drop)
}

/// kexec_load with flags that no kernel takes: EINVAL for who may. Never with valid flags: that would unload.
pub(crate) fn kexec_refused() -> Result<()> {
    call(libc::SYS_kexec_load, [0, 1, 0, 0xff00, 0]).map(drop)
}

/// PTRACE_SEIZE, and at once PTRACE_DETACH (which wants a stopped process: our end detaches all the same).
pub(crate) fn seize(pid: i32) -> Result<()> {
    call(libc::SYS_ptrace, [0x4206, pid as usize, 0, 0, 0]).map(drop)
}

pub(crate) fn pidfd(pid: i32) -> Result<OwnedFd> {
    descriptor(libc::SYS_pidfd_open, [pid as usize, 0, 0, 0, 0])
}

/// A copy of somebody's descriptor.
pub(crate) fn fd_of(pidfd: &OwnedFd, number: i32) -> Result<OwnedFd> {
    descriptor(libc::SYS_pidfd_getfd, [pidfd.as_raw_fd() as usize, number as usize, 0, 0, 0])
}

/// SCHED_RR, or SCHED_OTHER, for this thread.
pub(crate) fn schedule(realtime: bool) -> Result<()> {
    let priority = i32::from(realtime);
    let policy = if realtime { 2 } else { 0 };
    call(libc::SYS_sched_setscheduler, [0, policy, &raw const priority as usize, 0, 0]).map(drop)
}

/// The user keyring, or the session's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keyring {
    Session = -3,
    User = -4,
}

/// keyctl(KEYCTL_SEARCH): the key's number.
pub(crate) fn search_key(keyring: Keyring, name: &CStr) -> Result<i32> {
    let arguments = [10, signed(keyring as i64), c"user".as_ptr() as usize, name.as_ptr() as usize, 0];
    call(libc::SYS_keyctl, arguments).map(|number| number as i32)
}

/// A key that goes by itself after a while.
pub(crate) fn add_key(keyring: Keyring, name: &CStr, seconds: usize) -> Result<i32> {
    let payload = b"canary";
    let arguments = [
        c"user".as_ptr() as usize,
        name.as_ptr() as usize,
        payload.as_ptr() as usize,
        payload.len(),
        signed(keyring as i64),
    ];
    let key = call(libc::SYS_add_key, arguments)?;
    call(libc::SYS_keyctl, [15, key, seconds, 0, 0])?; // KEYCTL_SET_TIMEOUT
    Ok(key as i32)
}

/// keyctl(KEYCTL_UNLINK)
pub(crate) fn unlink_key(key: i32, keyring: Keyring) -> Result<()> {
    call(libc::SYS_keyctl, [9, key as usize, signed(keyring as i64), 0, 0]).map(drop)
}

/// keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL): a new one, for us and our children.
pub(crate) fn new_session() -> Result<()> {
    call(libc::SYS_keyctl, [1, 0, 0, 0, 0]).map(drop)
}

/// A System V segment by its key; made if it is to be.
pub(crate) fn segment(key: i32, make: bool) -> Result<i32> {
    let flags = if make { 0o1600 } else { 0 };
    call(libc::SYS_shmget, [key as usize, 4096, flags, 0, 0]).map(|id| id as i32)
}

/// A POSIX queue by its name (without the slash, as the kernel has it); made if it is to be.
pub(crate) fn queue(name: &CStr, make: bool) -> Result<OwnedFd> {
    let flags = if make { libc::O_CREAT } else { 0 } | libc::O_RDONLY | libc::O_CLOEXEC;
    descriptor(libc::SYS_mq_open, [name.as_ptr() as usize, flags as usize, 0o600, 0, 0])
}

/// mq_unlink(3)
pub(crate) fn unlink_queue(name: &CStr) -> Result<()> {
    call(libc::SYS_mq_unlink, [name.as_ptr() as usize, 0, 0, 0, 0]).map(drop)
}

/// A file by number, whatever lies above it: its length and type, then its bytes.
pub(crate) fn handle_of(path: &CStr) -> Result<Vec<u8>> {
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let mut mount = 0_i32;
    let arguments = [
        signed(libc::AT_FDCWD.into()),
        path.as_ptr() as usize,
        handle.as_mut_ptr() as usize,
        &raw mut mount as usize,
        0,
    ];
    call(libc::SYS_name_to_handle_at, arguments)?;
    Ok(handle.iter().flat_map(|word| word.to_ne_bytes()).collect())
}

/// The file that a handle names, on the file system of `place`.
pub(crate) fn open_by_handle(place: BorrowedFd<'_>, handle: &[u8]) -> Result<OwnedFd> {
    let mut words = [0_u32; 34];
    for (word, bytes) in words.iter_mut().zip(handle.chunks_exact(4)) {
        *word = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    words[0] = words[0].min(128);
    let arguments = [place.as_raw_fd() as usize, words.as_mut_ptr() as usize, libc::O_RDONLY as usize, 0, 0];
    descriptor(libc::SYS_open_by_handle_at, arguments)
}

/// ioctl(TIOCSTI): a letter, as if typed.
pub(crate) fn type_letter(terminal: BorrowedFd<'_>) -> Result<()> {
    let letter = b'#';
    call(libc::SYS_ioctl, [terminal.as_raw_fd() as usize, 0x5412, &raw const letter as usize, 0, 0]).map(drop)
}

/// Sets the flags of `lo` to what they are: SIOCGIFFLAGS, SIOCSIFFLAGS.
pub(crate) fn set_same_flags() -> Result<()> {
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)?;
    let mut request = [0_u64; 5]; // struct ifreq has 40 bytes, the name first
    request[0] = u64::from_ne_bytes(*b"lo\0\0\0\0\0\0");
    for number in [0x8913, 0x8914] {
        call(libc::SYS_ioctl, [socket.as_raw_fd() as usize, number, request.as_mut_ptr() as usize, 0, 0])?;
    }
    Ok(())
}

/// The number of a free loop device.
pub(crate) fn free_loop(control: BorrowedFd<'_>) -> Result<usize> {
    call(libc::SYS_ioctl, [control.as_raw_fd() as usize, 0x4c82, 0, 0, 0])
}

/// LOOP_CONFIGURE: read-only, and gone with the last descriptor (LO_FLAGS_AUTOCLEAR).
pub(crate) fn attach_loop(device: BorrowedFd<'_>, file: BorrowedFd<'_>) -> Result<()> {
    let mut configuration = [0_u64; 38]; // struct loop_config has 304 bytes
    configuration[0] = file.as_raw_fd() as u64 | 512 << 32;
    configuration[7] = 5 << 32;
    let pointer = configuration.as_ptr() as usize;
    call(libc::SYS_ioctl, [device.as_raw_fd() as usize, 0x4c0a, pointer, 0, 0]).map(drop)
}

/// A read of whole sectors past the cache: O_DIRECT wants an aligned buffer.
pub(crate) fn read_aligned(file: BorrowedFd<'_>) -> Result<usize> {
    #[repr(align(4096))]
    struct Page([u8; 65536]);
    let mut page = Box::new(Page([0; 65536]));
    call(libc::SYS_read, [file.as_raw_fd() as usize, page.0.as_mut_ptr() as usize, page.0.len(), 0, 0])
}

/// dup3(2) to this number, left open in what is executed.
pub(crate) fn leave_open(file: BorrowedFd<'_>, number: i32) -> Result<()> {
    if file.as_raw_fd() == number {
        return call(libc::SYS_fcntl, [number as usize, libc::F_SETFD as usize, 0, 0, 0]).map(drop);
    }
    call(libc::SYS_dup3, [file.as_raw_fd() as usize, number as usize, 0, 0, 0]).map(drop)
}
