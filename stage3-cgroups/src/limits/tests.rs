//! One request, two ways to write it.
//!
//! No kernel calls. Book: "The same request twice" (`conversions`).
//! Invariant: what is expected here was accepted by kernels.

use super::*;

fn written(limits: &Limits, version: Version) -> Vec<(String, String)> {
    let settings = limits.settings(|_| Some(version)).unwrap();
    settings.into_iter().map(|setting| (setting.file, setting.value)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(file, value)| ((*file).to_owned(), (*value).to_owned())).collect()
}

fn common() -> Limits {
    Limits {
        memory_max: Some("100M".parse().unwrap()),
        swap: Some("0".parse().unwrap()),
        cpu_weight: Some(50),
        cpus: Some("0.5".parse().unwrap()),
        cpu_burst: Some(10_000),
        cpuset_cpus: Some("0-1".into()),
        pids: Some(Limit::At(64)),
        io_weight: Some(200),
        io: vec!["8:0:rbps=1M,wiops=max".parse().unwrap()],
        hugetlb: vec!["2MB=4M".parse().unwrap()],
        ..Limits::default()
    }
}

#[test]
fn conversions_of_one_request_to_version_1() {
    let expected = pairs(&[
        ("memory.memsw.limit_in_bytes", "-1"),
        ("memory.limit_in_bytes", "104857600"),
        ("memory.memsw.limit_in_bytes", "104857600"),
        ("cpu.shares", "512"),
        ("cpu.cfs_quota_us", "50000"),
        ("cpu.cfs_burst_us", "10000"),
        ("cpuset.cpus", "0-1"),
        ("pids.max", "64"),
        ("blkio.bfq.weight", "200"),
        ("blkio.throttle.read_bps_device", "8:0 1048576"),
        ("blkio.throttle.write_iops_device", "8:0 0"),
        ("hugetlb.2MB.limit_in_bytes", "4194304"),
    ]);
    assert_eq!(written(&common(), Version::V1), expected);
}

#[test]
fn conversions_of_one_request_to_version_2() {
    let expected = pairs(&[
        ("memory.swap.max", "0"),
        ("memory.max", "104857600"),
        ("cpu.weight", "50"),
        ("cpu.max", "50000 100000"),
        ("cpu.max.burst", "10000"),
        ("cpuset.cpus", "0-1"),
        ("pids.max", "64"),
        ("io.weight", "default 200"),
        ("io.max", "8:0 rbps=1048576 wiops=max"),
        ("hugetlb.2MB.max", "4194304"),
    ]);
    assert_eq!(written(&common(), Version::V2), expected);
}

#[test]
fn conversions_that_cannot_be_are_errors_with_advice() {
    let refused = |limits: Limits, version| limits.settings(|_| version).unwrap_err();
    let default = Limits::default;
    let v1 = Some(Version::V1);
    for (limits, says) in [
        (Limits { memory_high: Some(Limit::At(1)), ..default() }, "memory.high"),
        (Limits { oom_group: Some(true), ..default() }, "memory.oom.group"),
        (Limits { swap: Some(Limit::At(0)), ..default() }, "swap alone"),
        (Limits { io_weight: Some(1001), ..default() }, "1001"),
    ] {
        let error = refused(limits.clone(), v1);
        assert!(error.to_string().contains(says) && error.hint().is_some(), "{error}");
        if limits.io_weight.is_none() {
            assert!(limits.settings(|_| Some(Version::V2)).is_ok(), "{says} in version 2");
        }
    }
    let error = refused(common(), None);
    assert!(error.to_string().contains("no hierarchy here has the controller memory"), "{error}");
    assert!(Limits::default().settings(|_| None).unwrap().is_empty());
}

#[test]
fn cpu_out_of_range_is_told_before_anything_is_written() {
    for limits in [
        Limits { cpu_weight: Some(0), ..Limits::default() },
        Limits { cpu_weight: Some(10_001), ..Limits::default() },
        Limits { cpu_period: Some(999), ..Limits::default() },
        Limits { cpus: Some("0.005".parse().unwrap()), ..Limits::default() },
        Limits { cpus: Some("0.5".parse().unwrap()), cpu_burst: Some(50_001), ..Limits::default() },
    ] {
        assert!(limits.settings(|_| Some(Version::V2)).is_err(), "{limits:?}");
    }
}

#[test]
fn cpu_period_goes_before_its_quota_in_version_1() {
    let limits = Limits { cpus: Some("2".parse().unwrap()), cpu_period: Some(10_000), ..Limits::default() };
    let expected =
        pairs(&[("cpu.cfs_quota_us", "-1"), ("cpu.cfs_period_us", "10000"), ("cpu.cfs_quota_us", "20000")]);
    assert_eq!(written(&limits, Version::V1), expected);
    let limits = Limits { cpus: Some(Cpus::All), ..Limits::default() };
    assert_eq!(written(&limits, Version::V1), pairs(&[("cpu.cfs_quota_us", "-1")]));
    assert_eq!(written(&limits, Version::V2), pairs(&[("cpu.max", "max 100000")]));
}

#[test]
fn memory_limit_amounts_are_powers_of_1024() {
    let of = |text: &str| text.parse::<Limit>().ok();
    assert_eq!(of("1k"), Some(Limit::At(1024)));
    assert_eq!(of("3G"), Some(Limit::At(3 << 30)));
    assert_eq!(of("max"), Some(Limit::Max));
    for bad in ["", "-1", "M", "1.5G", "+1", "1 M", "99999999999T", "0x10", "é"] {
        assert_eq!(of(bad), None, "{bad:?}");
    }
    assert_eq!("1.25".parse::<Cpus>().unwrap(), Cpus::Quota(1250));
    for bad in ["0", "", ".5", "1.", "0.0001", "-1", "1e3", "99999999"] {
        assert!(bad.parse::<Cpus>().is_err(), "{bad:?}");
    }
    for bad in ["8:0", "8:rbps=1", "8:0:xbps=1", "8:0:rbps=0", "8:0:rbps", "a:0:rbps=1"] {
        assert!(bad.parse::<IoLimit>().is_err(), "{bad:?}");
    }
    assert!("../x=1".parse::<HugeLimit>().is_err() && "a b=1".parse::<NamedLimit>().is_err());
}
