//! ELF files written by hand, down to each byte that is read.

use super::*;

/// A 64-bit ELF file with one load segment, `PT_INTERP` and a dynamic section, in either byte order.
fn written(little: bool, interpreter: Option<&str>, entries: &[(u64, &str)], flags_1: u64) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    let number = |value: u64, size: usize| match little {
        true => value.to_le_bytes()[..size].to_vec(),
        false => value.to_be_bytes()[8 - size..].to_vec(),
    };
    let mut strings = vec![0];
    let mut put = |text: &str| {
        let at = strings.len() as u64;
        strings.extend(text.as_bytes());
        strings.push(0);
        at
    };
    let mut dynamic: Vec<(u64, u64)> = entries.iter().map(|(tag, text)| (*tag, put(text))).collect();
    let interpreter = interpreter.map(|path| (put(path), path.len() as u64 + 1));
    let count = 3;
    let (table, length) = (64 + count * 56, (dynamic.len() as u64 + 4) * 16);
    let text = table + length;
    dynamic.extend([(5, BASE + text), (10, strings.len() as u64), (0x6fff_fffb, flags_1), (0, 0)]);
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, if little { 1 } else { 2 }, 1];
    file.resize(16, 0);
    let header = [
        (3, 2),
        (62, 2),
        (1, 4),
        (0, 8),
        (64, 8),
        (0, 8),
        (0, 4),
        (64, 2),
        (56, 2),
        (count, 2),
        (64, 2),
        (0, 2),
        (0, 2),
    ];
    header.iter().for_each(|(value, size)| file.extend(number(*value, *size)));
    let (at, size) = interpreter.unwrap_or((0, 0));
    let kind = if interpreter.is_some() { 3 } else { 0 };
    let end = text + strings.len() as u64;
    for (kind, offset, size) in [(1, 0, end), (kind, text + at, size), (2, table, length)] {
        let fields =
            [(kind, 4), (4, 4), (offset, 8), (BASE + offset, 8), (0, 8), (size, 8), (size, 8), (8, 8)];
        fields.iter().for_each(|(value, size)| file.extend(number(*value, *size)));
    }
    dynamic.iter().for_each(|(tag, value)| file.extend([number(*tag, 8), number(*value, 8)].concat()));
    file.extend(strings);
    file
}

const ALL: [(u64, &str); 5] =
    [(1, "liba.so.1"), (29, "$ORIGIN/run"), (1, "libb.so"), (14, "me.so"), (15, "/r")];

#[test]
fn build_reads_what_an_elf_file_needs_in_either_byte_order() {
    for little in [true, false] {
        let elf = Elf::parse(&*written(little, Some("/lib/ld.so"), &ALL, 0x800)).unwrap();
        assert_eq!(elf.target, Target { machine: 62, wide: true, little });
        assert_eq!(elf.interpreter, Some("/lib/ld.so".into()));
        assert_eq!(elf.needed, ["liba.so.1", "libb.so"]);
        assert_eq!(elf.soname, Some("me.so".into()));
        assert_eq!((elf.rpath, elf.runpath), (Some("/r".into()), Some("$ORIGIN/run".into())));
        assert!(elf.no_default_directories);
    }
}

#[test]
fn build_knows_a_static_program() {
    let elf = Elf::parse(&*written(true, None, &[], 0)).unwrap();
    assert!(elf.is_static() && !elf.no_default_directories);
    assert!(!Elf::parse(&*written(true, None, &ALL, 0)).unwrap().is_static(), "a library needs others");
    assert!(!Elf::parse(&*written(true, Some("/lib/ld.so"), &[], 0)).unwrap().is_static());
}

#[test]
fn build_survives_an_elf_file_cut_off_or_damaged_anywhere() {
    let whole = written(true, Some("/lib/ld.so"), &ALL, 0);
    for length in 0..whole.len() {
        if let Ok(elf) = Elf::parse(&whole[..length]) {
            assert!(elf.needed.len() <= 2);
        }
    }
    for at in 0..whole.len() {
        for damage in [0x00, 0x01, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= damage;
            // Any answer will do, but there must be one.
            drop(Elf::parse(&*bytes));
        }
    }
}

#[test]
fn build_names_machines_as_people_do() {
    let name = |machine, wide| Target { machine, wide, little: true }.to_string();
    assert_eq!(
        [name(62, true), name(62, false), name(3, false), name(183, true)],
        ["x86-64", "x32", "i386", "AArch64"]
    );
    assert_eq!(name(4711, true), "ELF machine 4711");
}
