//! Control groups as the container sees them: its own group, and nothing above it.

use crate::ground::Bench;
use crate::group::{has, layout};
use serde_json::json;
use stage3_cgroups::layout::Kind;
use stage3_cgroups::{Controller, Version};

#[test]
fn the_view_begins_at_the_containers_group_and_cannot_be_written() {
    let Some(bench) = Bench::new() else { return };
    let id = bench.idle(|config| {
        config["linux"]["resources"]["pids"] = json!({"limit": 31});
    });
    let own = bench.output(&["exec", &id, "cat", "/proc/self/cgroup"]);
    assert!(own.lines().all(|line| line.ends_with(":/")), "{own}");
    let directory = match (layout().kind(), layout().version(Controller::Pids)) {
        (Kind::V2, _) => "/sys/fs/cgroup".to_owned(),
        (_, Some(Version::V1)) => "/sys/fs/cgroup/pids".to_owned(),
        _ => return crate::ground::skip("no hierarchy has the controller pids"),
    };
    assert!(has(Controller::Pids));
    let script = format!("cat {directory}/pids.max; mkdir {directory}/inner; echo 9 > {directory}/pids.max");
    let (_, output, errors) = bench.call(&["exec", &id, "sh", "-c", &script]);
    assert_eq!(output, "31\n", "{errors}");
    assert_eq!(errors.matches("Read-only file system").count(), 2, "{errors}");
    let mounts = bench.output(&["exec", &id, "grep", "cgroup", "/proc/self/mountinfo"]);
    let shown = mounts.lines().filter(|line| line.contains(" - cgroup")).collect::<Vec<_>>();
    assert!(!shown.is_empty() && shown.iter().all(|line| line.split(' ').nth(3) == Some("/")), "{mounts}");
    assert!(
        shown.iter().all(|line| line.split(' ').nth(5).is_some_and(|all| all.starts_with("ro"))),
        "{mounts}"
    );
    bench.end(&id);
    bench.nothing_is_left();
}
