//! From an image to a process: the bundle runs as the image says.
//!
//! conversion.md. Book: "Images" (`images`).
//! Invariant: what is asserted was said by the container.

use super::craft::{Entry, Layout, Packed, Tar};
use super::ground::{Bench, is_root};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn images_run_as_they_say() {
    let Some(bench) = Bench::for_anybody() else { return };
    let busybox = fs::read(bench.path("rootfs/bin/busybox")).unwrap();
    let program =
        Entry { path: "bin/busybox", mode: 0o755, size: busybox.len() as u64, ..Default::default() };
    let owner = if is_root() { (1000, 1000) } else { (0, 0) };
    let data = Entry { path: "data", kind: b'5', mode: 0o750, owner, ..Entry::default() };
    let tar = Tar::default()
        .entry(&program, &busybox)
        .symlink("bin/sh", "busybox")
        .symlink("bin/id", "busybox")
        .symlink("bin/cat", "busybox")
        .directory("proc/")
        .directory("dev/")
        .directory("sys/")
        .file("etc/passwd", "root:x:0:0::/:/bin/sh\nada:x:1000:1000::/:/bin/sh\n")
        .file("etc/group", "root:x:0:\nada:x:1000:\nmusic:x:7:ada\n")
        .entry(&data, b"")
        .file("data/file", "of the image");
    let mut layout = Layout::new(&bench.path("image"), &[(Packed::Zstd, tar.end())]);
    // An ordinary user may have no other numbers than his own.
    let user = if is_root() { "ada" } else { "root" };
    layout.config["config"] = json!({
        "User": user, "Env": ["A=b c"], "WorkingDir": "/data", "Volumes": {"/data": {}},
        "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["id -u; id -G; pwd; echo $A; cat file; echo; echo new > new && cat new"],
    });
    layout.write();
    bench.output(&[
        "image",
        "unpack",
        "image",
        "box",
        "--set",
        "process.terminal=false",
        "--set",
        "process.user.umask=0",
    ]);
    let told = bench.output(&["run", "--bundle", "box", &bench.id()]);
    let wanted = if is_root() { "1000\n1000 7\n" } else { "0\n0\n" };
    assert!(told.starts_with(&format!("{wanted}/data\nb c\nof the image\nnew")), "{told}");
    assert_eq!(
        fs::read_to_string(bench.path("box/rootfs/data/file")).unwrap(),
        "of the image",
        "a volume is no part of it"
    );
    assert_eq!(bench.path("box/config.json").metadata().unwrap().permissions().mode() & 0o7777, 0o644);
    bench.output(&["image", "remove", "box"]);
    bench.nothing_is_left();
}
