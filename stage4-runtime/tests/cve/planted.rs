//! A /dev that the image has brought along: CVE-2025-31133 and CVE-2025-52565.
//!
//! Book: "Written into the wrong file" (`redirected`).
//! Invariant: what a link leads to is a canary of the bundle's.

use crate::ground::Bench;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;

/// A /dev that is a directory of the image, in which something is planted.
fn own_dev(config: &mut Value, bench: &Bench) {
    let dev = bench.path("rootfs/dev");
    fs::create_dir_all(dev.join("pts")).unwrap();
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| {
        !mount["destination"].as_str().unwrap().starts_with("/dev/") || mount["type"] == "devpts"
    });
    let place = mounts.iter().position(|mount| mount["destination"] == "/dev").unwrap();
    mounts[place] = json!({"destination": "/dev", "source": dev, "options": ["bind"]});
}

/// CVE-2025-31133: /dev/null of the container is a link, and what should be masked shows its target.
#[test]
fn masks_do_not_show_what_dev_null_of_the_image_leads_to() {
    let Some(bench) = Bench::new() else { return };
    fs::write(bench.path("rootfs/etc/canary"), "sings").unwrap();
    symlink("/etc/canary", bench.path("rootfs/dev/null")).unwrap();
    bench.config("cat /proc/timer_list; ls -l /proc/timer_list", |config| own_dev(config, &bench));
    let (status, output, errors) = bench.call(&["run", &bench.id()]);
    assert_eq!(status, 0, "{errors}");
    assert!(output.starts_with("crw-rw-rw-") && output.contains(" 1,   3 "), "{output}");
    assert_eq!(fs::read_to_string(bench.path("rootfs/etc/canary")).unwrap(), "sings");
    bench.nothing_is_left();
}

/// CVE-2025-52565: /dev/console is a link, and the terminal is mounted on its target.
#[test]
fn terminal_is_not_mounted_on_what_dev_console_of_the_image_leads_to() {
    let Some(bench) = Bench::new() else { return };
    fs::write(bench.path("rootfs/etc/canary"), "sings").unwrap();
    for target in ["/etc/canary", "/proc/sysrq-trigger", "/nowhere"] {
        let console = bench.path("rootfs/dev/console");
        fs::remove_file(&console).ok();
        symlink(target, console).unwrap();
        bench.config("echo has run", |config| {
            own_dev(config, &bench);
            config["process"]["terminal"] = json!(true);
        });
        let (status, output, errors) = bench.call(&["run", &bench.id()]);
        assert!(status == 1 && !output.contains("has run"), "{output}{errors}");
        assert!(errors.contains("neither a file nor the console's device"), "{errors}");
        assert_eq!(fs::read_to_string(bench.path("rootfs/etc/canary")).unwrap(), "sings");
        assert!(!bench.path("rootfs/nowhere").exists());
    }
    bench.nothing_is_left();
}
