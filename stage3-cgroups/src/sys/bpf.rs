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
/// `enum bpf_prog_type`
const CGROUP_DEVICE: u32 = 15;
/// `enum bpf_attach_type`
const ATTACH_DEVICE: u32 = 6;
/// Beside programs of others, not in their place: a device must be allowed by all of them.
const ALLOW_MULTI: u32 = 2;

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
}

/// The same for BPF_PROG_ATTACH.
#[repr(C)]
struct Attach {
    target: i32,
    program: i32,
    kind: u32,
    flags: u32,
}

fn bpf<T>(command: libc::c_long, attributes: &T) -> nix::Result<i32> {
    // SAFETY: `attributes` is the kernel's structure for `command` and outlives the call; the kernel reads as many
    // bytes as it is told there are, and takes what is missing for 0.
    let returned =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    Errno::result(returned).map(|answer| answer as i32)
}

/// Loads a program that decides about devices.
pub fn load_device_program(instructions: &[u64]) -> nix::Result<OwnedFd> {
    let license = c"Dual MIT/GPL";
    let attributes = Load {
        kind: CGROUP_DEVICE,
        count: u32::try_from(instructions.len()).map_err(|_| Errno::E2BIG)?,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..Load::default()
    };
    let loaded = bpf(PROG_LOAD, &attributes)?;
    // SAFETY: the kernel has just opened it for us.
    unsafe { descriptor(loaded) }
}

/// From now on it decides for the group behind `group` and all inside it; it stays as long as the group does.
pub fn attach_device_program(program: BorrowedFd<'_>, group: BorrowedFd<'_>) -> nix::Result<()> {
    let attributes = Attach {
        target: group.as_raw_fd(),
        program: program.as_raw_fd(),
        kind: ATTACH_DEVICE,
        flags: ALLOW_MULTI,
    };
    bpf(PROG_ATTACH, &attributes).map(drop)
}
