//! The same bundles by ours, runc and crun: what a process finds inside, and what a caller of runc is told.
//!
//! Book: "How it is tested".
//! Invariant: where the others differ from ours a reason stands here, and a difference that has gone is an error, too.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "differential/bundles.rs"]
mod bundles;
mod ground;

use bundles::{BUNDLES, LOOK};
use ground::{BINARY, Bench};
use observe::sandbox::Sandbox;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Those that are installed; the others are named loudly.
fn others() -> Vec<&'static str> {
    let there = |name: &&str| {
        let found = observe::workspace::installed(name);
        if !found {
            ground::skip(&format!("{name} is not here to compare with: apt-get install {name}"));
        }
        found
    };
    ["runc", "crun"].into_iter().filter(there).collect()
}

/// Runs `script` in a sandbox, in the bench's directory; `$ours` is our command.
fn in_sandbox(bench: &Bench, script: &str) -> Option<()> {
    let sandbox = match Sandbox::here() {
        Ok(sandbox) => sandbox,
        Err(answer) => {
            ground::skip(&answer.to_string());
            return None;
        }
    };
    fs::write(bench.path("script"), script).unwrap();
    let mut command = sandbox.command("sh", Duration::from_secs(300));
    let output = command.arg("script").env("ours", BINARY).current_dir(bench.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

/// By each runtime: what a file of results holds.
fn result(bench: &Bench, name: &str, runtime: &str) -> String {
    fs::read_to_string(bench.path("results").join(format!("{name}.{runtime}"))).unwrap()
}

/// For each runtime `$name` the command `$runtime`.
fn for_each(others: &[&str], body: &str) -> String {
    let names = ["ours"].iter().chain(others).copied().collect::<Vec<_>>().join(" ");
    format!(
        "set -u; mkdir -p results; for name in {names}; do runtime=$name; [ $name = ours ] && runtime=$ours\n\
         runtime=\"$runtime --root /run/differential-$name\"\n{body}\ndone\n"
    )
}

fn bundle(bench: &Bench, name: &str, edit: impl FnOnce(&mut Value)) {
    bench.config(LOOK, |config| {
        config["ociVersion"] = json!("1.0.2");
        config["root"]["path"] = json!(bench.path("rootfs"));
        // Neither knows it; and what is compared is in the cases.
        config["linux"]["namespaces"].as_array_mut().unwrap().retain(|one| one["type"] != "time");
        edit(config);
        let shared = bench.path("shared");
        let mounts = config["mounts"].as_array_mut().unwrap().iter_mut();
        mounts.filter(|mount| mount["source"] == "shared").for_each(|mount| mount["source"] = json!(shared));
    });
    let place = bench.path("bundles").join(name);
    fs::create_dir_all(&place).unwrap();
    fs::rename(bench.path("config.json"), place.join("config.json")).unwrap();
}

fn facts(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once(": "));
    pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
}

/// Who differs, in which fact (its beginning), and why that is right.
struct Difference {
    runtime: &'static str,
    fact: &'static str,
    why: &'static str,
}

const CGROUP: &str = "the mount is asked to be ro; they leave the directory of the hierarchies writable";
const SYSTEMD: &str = "a named hierarchy belongs to whoever named it: we make no group there, and show none";
const MASK: &str = "nothing in a mask is to be executed, opened as a device or trusted for its owner";
const NULL: &str = "runc masks with its own file system; a read-only mount of /dev/null would change nothing";
const CORE: &str = "/dev/core leads to /proc/kcore, which this kernel has not or the mask covers";
const STREAMS: &str = "crun gives /dev/null to the user, as a standard stream; it is nobody's";

const DIFFERENCES: [Difference; 14] = [
    Difference { runtime: "runc", fact: "mount /sys/fs/cgroup:", why: CGROUP },
    Difference { runtime: "runc", fact: "mount /sys/fs/cgroup/systemd:", why: SYSTEMD },
    Difference { runtime: "runc", fact: "mount /sys/firmware:", why: MASK },
    Difference { runtime: "runc", fact: "mount /proc/acpi:", why: MASK },
    Difference { runtime: "runc", fact: "mount /proc/keys:", why: NULL },
    Difference { runtime: "runc", fact: "mount /proc/timer_list:", why: NULL },
    Difference { runtime: "crun", fact: "mount /sys/fs/cgroup:", why: CGROUP },
    Difference { runtime: "crun", fact: "mount /sys/fs/cgroup/systemd:", why: SYSTEMD },
    Difference { runtime: "crun", fact: "mount /sys/firmware:", why: MASK },
    Difference { runtime: "crun", fact: "mount /proc/acpi:", why: MASK },
    Difference { runtime: "crun", fact: "mount /proc/keys:", why: NULL },
    Difference { runtime: "crun", fact: "mount /proc/timer_list:", why: NULL },
    Difference { runtime: "crun", fact: "dev core", why: CORE },
    Difference { runtime: "crun", fact: "dev null:", why: STREAMS },
];

#[test]
fn inside_it_is_as_with_runc_and_crun() {
    let Some(bench) = Bench::new() else { return };
    let others = others();
    BUNDLES.iter().for_each(|(name, edit)| bundle(&bench, name, edit));
    let body = "for bundle in bundles/*; do of=${bundle##*/}\n\
        $runtime run --bundle $bundle d-$of > results/$of.$name 2> results/$of.$name.err || \
        { echo $of $name; cat results/$of.$name.err; exit 1; } >&2\ndone";
    let Some(()) = in_sandbox(&bench, &for_each(&others, body)) else { return };

    let mut unexplained = Vec::new();
    let mut seen = Vec::new();
    for (name, _) in BUNDLES {
        let ours = facts(&result(&bench, name, "ours"));
        assert!(ours.len() > 40, "{name}: too little was seen: {ours:?}");
        for other in &others {
            let theirs = facts(&result(&bench, name, other));
            for fact in ours.keys().chain(theirs.keys()).collect::<std::collections::BTreeSet<_>>() {
                if ours.get(fact) == theirs.get(fact) {
                    continue;
                }
                let is_it =
                    |one: &&Difference| one.runtime == *other && format!("{fact}:").starts_with(one.fact);
                match DIFFERENCES.iter().find(is_it) {
                    Some(known) => seen.push((known.runtime, known.fact)),
                    None => unexplained.push(format!(
                        "{name}: {fact}: ours {:?}, {other} {:?}",
                        ours.get(fact),
                        theirs.get(fact)
                    )),
                }
            }
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    for known in DIFFERENCES.iter().filter(|known| others.contains(&known.runtime)) {
        let still = seen.contains(&(known.runtime, known.fact));
        assert!(still, "{} no longer differs in {:?} ({})", known.runtime, known.fact, known.why);
    }
}

/// What is asked, and what is told: the status, and a phrase that callers look for in the errors.
const CONVERSATION: &str = r#"
say() { what=$1; shift; "$@" > results/out 2> results/err; echo "$what: $?"; }
has() { grep -qi "$2" results/err && echo "$1 says: yes" || echo "$1 says: no: $(head -c 200 results/err)"; }
{
say create $runtime create --bundle bundles/idle --pid-file results/pid c1 < /dev/null
echo "created: $($runtime state c1 | grep '"status"' | tr -d ' ,')"
say twice $runtime create --bundle bundles/idle c1; has twice "exist"
say start $runtime start c1
echo "running: $($runtime state c1 | grep '"status"' | tr -d ' ,')"
say again $runtime start c1
say delete-running $runtime delete c1; has delete-running "stop"
say exec $runtime exec c1 true
say exec-status $runtime exec c1 sh -c 'exit 42'
say exec-signal $runtime exec c1 sh -c 'kill -TERM $$'
say exec-missing $runtime exec c1 /nosuch; has exec-missing "no such file or directory"
say exec-unfound $runtime exec c1 nosuch; has exec-unfound 'executable file.* not found in \$PATH'
say exec-directory $runtime exec c1 /etc; has exec-directory "permission denied"
say kill $runtime kill c1 KILL
i=0; while [ $i -lt 100 ] && ! $runtime state c1 | grep -q stopped; do i=$((i + 1)); sleep 0.1; done
echo "stopped: $($runtime state c1 | grep '"status"' | tr -d ' ,')"
say start-stopped $runtime start c1
say delete $runtime delete c1
say state-unknown $runtime state c1; has state-unknown "does not exist"
say delete-unknown $runtime delete c1
say delete-forced $runtime delete --force c1
say kill-unknown $runtime kill c1 TERM
for bundle in exit-7 terminated missing unfound; do
    say run-$bundle $runtime run --bundle bundles/$bundle c2 < /dev/null
done
has run-unfound 'executable file.* not found in \$PATH'
} > results/told.$name
"#;

/// runc 1.1 has one status for what could not be executed; shells, podman and Docker's clients know 126 and 127.
const OTHER_STATUSES: [(&str, &str, &str); 5] = [
    ("exec-directory", "126", "255"),
    ("exec-missing", "127", "255"),
    ("exec-unfound", "127", "255"),
    ("run-missing", "127", "1"),
    ("run-unfound", "127", "1"),
];

#[test]
fn callers_are_told_as_by_runc() {
    let Some(bench) = Bench::new() else { return };
    let others: Vec<_> = others().into_iter().filter(|name| *name == "runc").collect();
    let programs: [(&str, &[&str]); 5] = [
        ("idle", &["sleep", "1000"]),
        ("exit-7", &["sh", "-c", "exit 7"]),
        ("terminated", &["sh", "-c", "trap - TERM; sh -c 'kill -TERM $$'"]),
        ("missing", &["/nosuch"]),
        ("unfound", &["nosuch"]),
    ];
    for (name, program) in programs {
        bundle(&bench, name, |config| config["process"]["args"] = json!(program));
    }
    let Some(()) = in_sandbox(&bench, &for_each(&others, CONVERSATION)) else { return };
    let ours = facts(&result(&bench, "told", "ours"));
    assert!(ours.len() > 25, "{ours:?}");
    let mut told = Vec::new();
    for other in &others {
        let theirs = facts(&result(&bench, "told", other));
        for (fact, value) in ours.iter().filter(|(fact, value)| theirs.get(*fact) != Some(value)) {
            told.push((fact.clone(), value.clone(), theirs.get(fact).cloned().unwrap_or_default()));
        }
    }
    let known =
        OTHER_STATUSES.map(|(fact, ours, theirs)| (fact.to_owned(), ours.to_owned(), theirs.to_owned()));
    assert_eq!(told, if others.is_empty() { &[][..] } else { &known[..] });
}
