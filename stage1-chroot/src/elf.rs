//! What an ELF file says it needs before it can run.
//!
//! No kernel calls, bytes in and facts out; ELF, System V Release 4 (1988), Linux from 1995. Book: `build`.
//! Invariant: nothing is executed, and a malformed file is an error, never a panic.

use object::Endianness;
use object::elf::{self, DynamicTag};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{FileKind, ReadRef, Result, StringTable};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Why bytes are not a usable ELF file.
pub use object::read::Error as Malformed;

/// The first four bytes of every ELF file.
pub const MAGIC: &[u8] = b"\x7fELF";

/// The facts of one ELF file that matter to finding its libraries; see elf(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// What it runs on.
    pub target: Target,
    /// `PT_INTERP`: the program that the kernel starts in its place, usually ld.so.
    pub interpreter: Option<PathBuf>,
    /// `DT_NEEDED`: the libraries it asks for, in its order.
    pub needed: Vec<OsString>,
    /// `DT_SONAME`: the name it answers to.
    pub soname: Option<OsString>,
    /// `DT_RPATH`: searched for itself and for everything it brings.
    pub rpath: Option<OsString>,
    /// `DT_RUNPATH`: searched for its own needs only; where present, `rpath` does not count.
    pub runpath: Option<OsString>,
    /// `DF_1_NODEFLIB`: the default directories are not searched for its needs.
    pub no_default_directories: bool,
}

/// Machine, word size and byte order: two ELF files load together only where all three agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// `e_machine`.
    pub machine: u16,
    /// `ELFCLASS64`.
    pub wide: bool,
    /// `ELFDATA2LSB`.
    pub little: bool,
}

impl Elf {
    /// Reads the headers and the dynamic section out of `data`, which may be a cache over a file.
    pub fn parse<'data, R: ReadRef<'data>>(data: R) -> Result<Elf> {
        match FileKind::parse(data)? {
            FileKind::Elf32 => read::<elf::FileHeader32<Endianness>, R>(data),
            _ => read::<elf::FileHeader64<Endianness>, R>(data),
        }
    }

    /// Whether it runs without an interpreter and without libraries (static, or static-pie).
    pub fn is_static(&self) -> bool {
        self.interpreter.is_none() && self.needed.is_empty()
    }

    fn tell(&mut self, tag: DynamicTag, text: &[u8]) {
        let text = OsStr::from_bytes(text).to_owned();
        match tag {
            elf::DT_NEEDED => self.needed.push(text),
            elf::DT_SONAME => self.soname = Some(text),
            elf::DT_RPATH => self.rpath = Some(text),
            elf::DT_RUNPATH => self.runpath = Some(text),
            _ => {}
        }
    }
}

fn read<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(data: R) -> Result<Elf> {
    let header = H::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut elf = Elf {
        target: Target {
            machine: header.e_machine(endian).0,
            wide: header.is_class_64(),
            little: endian == Endianness::Little,
        },
        interpreter: None,
        needed: Vec::new(),
        soname: None,
        rpath: None,
        runpath: None,
        no_default_directories: false,
    };
    for segment in segments {
        if let Some(path) = segment.interpreter(endian, data)? {
            elf.interpreter = Some(OsStr::from_bytes(path).into());
        }
        if let Some(entries) = segment.dynamic(endian, data)? {
            dynamic::<H, R>(&mut elf, endian, data, segments, entries)?;
        }
    }
    Ok(elf)
}

fn dynamic<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    elf: &mut Elf,
    endian: Endianness,
    data: R,
    segments: &[H::ProgramHeader],
    entries: &[H::Dyn],
) -> Result<()> {
    let entries = || entries.iter().take_while(|entry| entry.tag(endian) != elf::DT_NULL);
    let value = |tag| entries().find(|entry| entry.tag(endian) == tag).map(|entry| entry.val(endian));
    let Some(address) = value(elf::DT_STRTAB) else { return Ok(()) };
    // The dynamic section speaks in addresses of the running program; the file is laid out otherwise.
    let start =
        segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD).find_map(|segment| {
            let inside = address.checked_sub(segment.p_vaddr(endian).into())?;
            (inside < segment.p_filesz(endian).into())
                .then(|| segment.p_offset(endian).into().checked_add(inside))?
        });
    let Some(start) = start else { return Ok(()) };
    let end = start.saturating_add(value(elf::DT_STRSZ).unwrap_or(u64::MAX));
    let strings = StringTable::new(data, start, end);
    for entry in entries() {
        match entry.tag(endian) {
            tag @ (elf::DT_NEEDED | elf::DT_SONAME | elf::DT_RPATH | elf::DT_RUNPATH) => {
                elf.tell(tag, entry.string(endian, strings)?);
            }
            elf::DT_FLAGS_1 => {
                elf.no_default_directories = entry.val(endian) & elf::DF_1_NODEFLIB.0 != 0;
            }
            _ => {}
        }
    }
    Ok(())
}

impl Target {
    /// Whether the kernel of this machine runs it without an emulator.
    pub fn is_native(self) -> bool {
        let machines: &[elf::Machine] = match std::env::consts::ARCH {
            "x86_64" | "x86" => &[elf::EM_X86_64, elf::EM_386],
            "aarch64" | "arm" => &[elf::EM_AARCH64, elf::EM_ARM],
            "riscv64" => &[elf::EM_RISCV],
            "s390x" => &[elf::EM_S390],
            "powerpc64" => &[elf::EM_PPC64],
            "loongarch64" => &[elf::EM_LOONGARCH],
            _ => return true,
        };
        machines.iter().any(|machine| machine.0 == self.machine)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (elf::Machine(self.machine), self.wide) {
            (elf::EM_X86_64, true) => "x86-64",
            (elf::EM_X86_64, false) => "x32",
            (elf::EM_386, _) => "i386",
            (elf::EM_AARCH64, _) => "AArch64",
            (elf::EM_ARM, _) => "ARM",
            (elf::EM_RISCV, true) => "64-bit RISC-V",
            (elf::EM_RISCV, false) => "32-bit RISC-V",
            (elf::EM_S390, _) => "s390",
            (elf::EM_PPC64, _) => "PowerPC64",
            (elf::EM_LOONGARCH, _) => "LoongArch",
            _ => return write!(out, "ELF machine {}", self.machine),
        };
        out.write_str(name)
    }
}

#[cfg(test)]
mod tests;
