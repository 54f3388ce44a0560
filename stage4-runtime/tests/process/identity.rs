//! Who it is and what it may: ids, groups, capabilities.

use crate::ground::{Claim, Ground, line, needs_root, plan, said_by, tell};
use stage2_namespaces::birth::birth;
use stage2_namespaces::users::Users;
use stage2_namespaces::{Kind, Kinds};
use stage4_runtime::identity::{SetGroups, become_user, join_groups};
use stage4_runtime::plan::process::UserPlan;
use stage4_runtime::{Failure, Result};

pub const CLAIMS: &[Claim] = &[
    ("identity_is_user_group_groups_and_umask_and_nothing_of_the_runtimes", is_all_of_it),
    ("identity_without_groups_has_none", has_none),
    ("identity_in_a_user_namespace_is_of_its_ids", is_of_its_ids),
    ("identity_that_is_not_mapped_is_refused_with_its_property", is_refused_unmapped),
    ("identity_where_setgroups_is_denied_has_no_groups_to_ask_for", denied),
    ("identity_owns_its_standard_streams", owns_streams),
    ("capabilities_of_root_are_exactly_the_five_sets", exactly_root),
    ("capabilities_of_a_user_are_exactly_the_five_sets", exactly_user),
    ("capabilities_in_a_user_namespace_are_exactly_the_five_sets", exactly_mapped),
    ("capabilities_that_nobody_asked_for_are_gone", none_at_all),
];

const STATUS: &str = "cat /proc/self/status";

fn is_all_of_it() {
    if !needs_root() {
        return;
    }
    let plan = plan(STATUS, r#"{"user":{"uid":1000,"gid":1001,"umask":63,"additionalGids":[7,1005]}}"#);
    let before = || nix::unistd::setgroups(&[0.into(), 4242.into()]).unwrap();
    let outcome = Ground::default().run_with(&plan, before, &mut || Ok(()));
    let status = outcome.said();
    assert_eq!(line(status, "Uid"), "1000\t1000\t1000\t1000");
    assert_eq!(line(status, "Gid"), "1001\t1001\t1001\t1001");
    assert_eq!(line(status, "Groups"), "7 1005");
    assert_eq!(line(status, "Umask"), "0077");
}

fn has_none() {
    if !needs_root() {
        return;
    }
    let plan = plan(STATUS, r#"{"user":{"uid":0,"gid":0}}"#);
    let before = || nix::unistd::setgroups(&[0.into(), 4242.into()]).unwrap();
    let outcome = Ground::default().run_with(&plan, before, &mut || Ok(()));
    assert_eq!(line(outcome.said(), "Groups"), "");
    assert_eq!(line(outcome.said(), "Umask"), "0022");
}

fn is_of_its_ids() {
    if !needs_root() {
        return;
    }
    let ground = Ground { users: true, ..Ground::default() };
    let plan = plan("cat /proc/self/status", r#"{"user":{"uid":1000,"gid":1001,"additionalGids":[5]}}"#);
    let outcome = ground.run(&plan);
    let status = outcome.said();
    assert_eq!(line(status, "Uid"), "1000\t1000\t1000\t1000");
    assert_eq!(line(status, "Groups"), "5");
}

fn is_refused_unmapped() {
    if !needs_root() {
        return;
    }
    let ground = Ground { users: true, ..Ground::default() };
    for (user, property) in [
        (r#"{"uid":70000,"gid":0}"#, "process.user.uid: 70000"),
        (r#"{"uid":0,"gid":70001}"#, "process.user.gid: 70001"),
        (r#"{"uid":0,"gid":0,"additionalGids":[1,70002]}"#, "process.user.additionalGids[1]: 70002"),
    ] {
        let plan = plan("true", &format!(r#"{{"user":{user}}}"#));
        ground
            .run(&plan)
            .failed(1, &[property, "of the container's user namespace", "Mappings must hold it"]);
    }
}

fn denied() {
    let user = |groups: Vec<u32>| UserPlan { uid: 0, gid: 0, groups, umask: 0 };
    // As root with one id mapped, setgroups(2) is denied as it is to an ordinary user.
    let try_it = |groups: Vec<u32>| -> Result<()> {
        join_groups(&user(groups), SetGroups::Denied).and_then(|()| become_user(&user(Vec::new())))
    };
    let users = Users::root_is_me();
    let (go, gone) = nix::unistd::pipe().unwrap();
    let child = birth(Kinds::NONE.with(Kind::User, true), None, |_| {
        nix::unistd::read(&go, &mut [0]).unwrap();
        users.become_root().unwrap();
        assert_eq!(std::fs::read_to_string("/proc/self/setgroups").unwrap().trim(), "deny");
        assert!(try_it(Vec::new()).is_ok());
        let error = try_it(vec![0]).unwrap_err();
        assert!(error.to_string().contains("process.user.additionalGids"), "{error}");
        0
    })
    .unwrap();
    users.give(&child).unwrap();
    nix::unistd::write(&gone, b"!").unwrap();
    assert_eq!(child.wait().unwrap(), 0);
}

fn owns_streams() {
    if !needs_root() {
        return;
    }
    // Opened again by its name, it asks for the owner's permission.
    let plan = plan("echo again > /dev/stdout", r#"{"user":{"uid":1000,"gid":1000}}"#);
    assert_eq!(Ground::default().run(&plan).said(), "again");
}

/// CAP_CHOWN, CAP_KILL, CAP_SETUID, CAP_NET_BIND_SERVICE and CAP_SETPCAP in different sets.
const SETS: &str = r#""capabilities":{"bounding":["CAP_CHOWN","CAP_KILL","CAP_SETUID","CAP_SETPCAP"],
    "permitted":["CAP_CHOWN","CAP_KILL","CAP_NET_BIND_SERVICE"],"effective":["CAP_CHOWN"],
    "inheritable":["CAP_KILL","CAP_NET_BIND_SERVICE"],"ambient":["CAP_KILL"]}"#;

const BOUNDING: u64 = 1 | 1 << 5 | 1 << 7 | 1 << 8;

#[track_caller]
fn has(status: &str, expected: [u64; 5]) {
    for (name, bits) in ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"].into_iter().zip(expected) {
        assert_eq!(u64::from_str_radix(line(status, name), 16).unwrap(), bits, "{name} in {status}");
    }
}

/// Before execve(2), which would change them: the sets of the leaf itself.
fn assumed(users: bool, uid: u32) -> String {
    let plan = plan("", &format!(r#"{{"user":{{"uid":{uid},"gid":0}},{SETS}}}"#));
    let outcome = said_by(users, || {
        let done = stage4_runtime::capabilities::bound(&plan.capabilities)
            .and_then(|()| stage4_runtime::capabilities::keep_over_setuid())
            .and_then(|()| become_user(&plan.user))
            .and_then(|()| stage4_runtime::capabilities::assume(&plan.capabilities));
        match done {
            Ok(()) => {
                print!("{}", std::fs::read_to_string("/proc/self/status").unwrap());
                0
            }
            Err(error) => tell(&Failure { status: 1, error }),
        }
    });
    outcome.said().to_owned()
}

const PERMITTED: u64 = 1 | 1 << 5 | 1 << 10;
const INHERITABLE: u64 = 1 << 5 | 1 << 10;

fn exactly_root() {
    if needs_root() {
        has(&assumed(false, 0), [BOUNDING, PERMITTED, 1, INHERITABLE, 1 << 5]);
    }
}

fn exactly_user() {
    if !needs_root() {
        return;
    }
    has(&assumed(false, 1000), [BOUNDING, PERMITTED, 1, INHERITABLE, 1 << 5]);
    // After execve(2) a user has what is ambient (capabilities(7), "Transformation of capabilities during execve").
    let plan = plan(STATUS, &format!(r#"{{"user":{{"uid":1000,"gid":0}},{SETS}}}"#));
    let outcome = Ground::default().run(&plan);
    has(outcome.said(), [BOUNDING, 1 << 5, 1 << 5, INHERITABLE, 1 << 5]);
}

fn exactly_mapped() {
    if !needs_root() {
        return;
    }
    for uid in [0, 1000] {
        has(&assumed(true, uid), [BOUNDING, PERMITTED, 1, INHERITABLE, 1 << 5]);
    }
}

fn none_at_all() {
    if !needs_root() {
        return;
    }
    for users in [false, true] {
        let ground = Ground { users, ..Ground::default() };
        let outcome = ground.run(&plan(STATUS, "{}"));
        has(outcome.said(), [0; 5]);
    }
}
