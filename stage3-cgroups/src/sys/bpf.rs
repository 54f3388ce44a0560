//! A program for the kernel, loaded and attached to a group.
//!
//! bpf(2); BPF_PROG_TYPE_CGROUP_DEVICE, Linux 4.15, 2018. Book: "Devices" (`devices`).
//! Invariant: the kernel verifies a program before it runs; what it does not like is an error here.

use super::descriptor;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// `enum bpf_cmd`, linux/bpf.h
const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const PROG_QUERY: libc::c_long = 16;
/// `enum bpf_prog_type`
const CGROUP_DEVICE: u32 = 15;
/// `enum bpf_attach_type`
const ATTACH_DEVICE: u32 = 6;
/// Beside programs of others, not in their place: a device must be allowed by all of them.
const ALLOW_MULTI: u32 = 2;

/// By this name our programs are told from those of others.
const NAME: [u8; 16] = *b"stage3_devices\0\0";

/// The parts of `union bpf_attr` for BPF_PROG_LOAD, as of Linux 4.15.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// The same for BPF_PROG_ATTACH and BPF_PROG_DETACH.
#[repr(C)]
struct Attach {
    target: i32,
    program: i32,
    kind: u32,
    flags: u32,
}

fn bpf<T>(command: libc::c_long, attributes: &mut T) -> nix::Result<i32> {
    // SAFETY: `attributes` is the kernel's structure for `command`, outlives the call and is nobody else's; the kernel
    // reads and writes as many bytes as it is told there are, and takes what is missing for 0.
    let returned =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    Errno::result(returned).map(|answer| answer as i32)
}

/// Loads a program that decides about devices.
pub fn load_device_program(instructions: &[u64]) -> nix::Result<OwnedFd> {
    let license = c"Dual MIT/GPL";
    let mut attributes = Load {
        kind: CGROUP_DEVICE,
        count: u32::try_from(instructions.len()).map_err(|_| Errno::E2BIG)?,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        name: NAME,
        ..Load::default()
    };
    let loaded = bpf(PROG_LOAD, &mut attributes)?;
    // SAFETY: the kernel has just opened it for us.
    unsafe { descriptor(loaded) }
}

/// From now on it decides for the group behind `group` and all inside it; it stays as long as the group does.
pub fn attach_device_program(program: BorrowedFd<'_>, group: BorrowedFd<'_>) -> nix::Result<()> {
    let mut attributes = Attach {
        target: group.as_raw_fd(),
        program: program.as_raw_fd(),
        kind: ATTACH_DEVICE,
        flags: ALLOW_MULTI,
    };
    bpf(PROG_ATTACH, &mut attributes).map(drop)
}

/// The same for BPF_PROG_QUERY, as of Linux 4.15.
#[repr(C)]
struct Query {
    target: i32,
    kind: u32,
    flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    unused: u32,
}

/// The same for BPF_OBJ_GET_INFO_BY_FD.
#[repr(C)]
struct Ask {
    object: i32,
    length: u32,
    info: u64,
}

/// The beginning of `struct bpf_prog_info`, up to the name.
#[repr(C)]
#[derive(Default)]
struct Info {
    before: [u64; 8],
    name: [u8; 16],
}

/// Most programs that a group may have: BPF_CGROUP_MAX_PROGS, linux/bpf-cgroup.h.
const MOST: usize = 64;

/// The numbers of the programs that decide about devices for the group behind `group`, ours and others'.
pub fn attached_device_programs(group: BorrowedFd<'_>) -> nix::Result<Vec<u32>> {
    let mut ids = vec![0u32; MOST];
    let mut query = Query {
        target: group.as_raw_fd(),
        kind: ATTACH_DEVICE,
        flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr() as u64,
        count: MOST as u32,
        unused: 0,
    };
    // There is room for `count` numbers behind `ids`.
    bpf(PROG_QUERY, &mut query)?;
    ids.truncate(query.count as usize);
    Ok(ids)
}

/// Takes the program `id` from the group behind `group`, if it is one of ours.
pub fn detach_if_ours(id: u32, group: BorrowedFd<'_>) -> nix::Result<()> {
    let opened = match bpf(PROG_GET_FD_BY_ID, &mut [id, 0, 0]) {
        Err(Errno::ENOENT) => return Ok(()), // gone meanwhile
        opened => opened?,
    };
    // SAFETY: the kernel has just opened it for us.
    let program = unsafe { descriptor(opened) }?;
    let mut info = Info::default();
    let length = size_of::<Info>() as u32;
    // Zeroes before: of the parts that have a length there, the kernel is asked for none.
    let mut ask = Ask { object: program.as_raw_fd(), length, info: (&raw mut info) as u64 };
    bpf(OBJ_GET_INFO_BY_FD, &mut ask)?;
    if info.name != NAME {
        return Ok(());
    }
    let (target, program) = (group.as_raw_fd(), program.as_raw_fd());
    bpf(PROG_DETACH, &mut Attach { target, program, kind: ATTACH_DEVICE, flags: 0 }).map(drop)
}
