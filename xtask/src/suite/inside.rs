//! `cargo xtask test --vm`: what asks the kernel, asked of another one, under each layout of control groups.
//!
//! Boots one machine for each layout. Book: "How it is tested".
//! Invariant: a test program that ends without a result of its own is a failure that has its name.

use super::sum::Sum;
use crate::{
    Error, Outcome,
    stages::{STAGES, Stage},
    vm::{self, Layout, Order, Output, Test, Trouble},
};
use observe::{skip, workspace};
use std::{
    ffi::OsString,
    io::{Write, pipe, stdout},
    os::unix::ffi::OsStringExt,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    thread,
};

/// Tests of files, words and messages: they hold, or not, whichever kernel runs them.
const WITHOUT_KERNEL: [(&str, &str); 8] = [
    ("stage1-chroot", "build"),
    ("stage1-chroot", "cli"),
    ("stage1-chroot", "closure"),
    ("stage1-chroot", "search"),
    ("stage2-namespaces", "cli"),
    ("stage3-cgroups", "pictures"),
    ("stage4-runtime", "cli"),
    ("stage4-runtime", "config"),
];

/// What this machine's own run shows as well, and takes a minute and more where every instruction is emulated: system
/// calls that are traced, attacks that race, mounts and containers by the hundred, filters held against an interpreter,
/// images of thousands of files; and clients and other runtimes, which no machine has.
const HERE: [(&str, &str); 9] = [
    ("stage4-runtime", "clients"),
    ("stage4-runtime", "cve"),
    ("stage4-runtime", "differential"),
    ("stage4-runtime", "explain"),
    ("stage4-runtime", "image"),
    ("stage4-runtime", "mounts"),
    ("stage4-runtime", "races"),
    ("stage4-runtime", "seccomp"),
    ("stage4-runtime", "soak"),
];

/// What does not look at control groups, or is shown under each layout by a shorter test (`resources` makes, fills, stops
/// and ends containers as `life` does): of several machines only the last runs these.
const UNDER_ANY: [(&str, &str); 10] = [
    ("stage1-chroot", "demo"),
    ("stage1-chroot", "escape"),
    ("stage1-chroot", "exec"),
    ("stage2-namespaces", "beside"),
    ("stage2-namespaces", "demo"),
    ("stage2-namespaces", "faults"),
    ("stage2-namespaces", "joining"),
    ("stage4-runtime", "demo"),
    ("stage4-runtime", "life"),
    ("stage4-runtime", "process"),
];

/// Dozens of rounds each, of makers that are killed and calls that fail: this machine's own run has as many, and quicker.
/// A step for which a client is needed. And of what is refused all that no layout of control groups changes.
const SKIPPED: [(&str, &str); 6] = [
    ("life", "broken::"),
    ("demo", "clients_podman"),
    ("input", "rules::"),
    ("input", "surroundings::"),
    ("input", "texts::"),
    ("input", "verbs::"),
];

/// In seconds. A machine is emulated: what takes a second on the host may take ten.
const LIMIT: u64 = 900;

/// Runs each test program that it is given: home, name, path.
const SCRIPT: &str = "bad=0
try() {
    cd \"$1\" || exit 1
    name=$2 path=$3
    shift 3
    printf '\\n     Running %s\\n' \"$name\"
    timeout 400 \"$path\" \"$@\"
    status=$?
    case $status in
        0) ;;
        101) bad=1 ;; # it has said so itself
        *)
            bad=1
            printf 'test %s ... FAILED\\n' \"$name\"
            printf 'test result: FAILED. 0 passed; 1 failed; it ended with status %s\\n' \"$status\"
            ;;
    esac
}
";

/// Runs the tests of one stage, or of all that have a command, in a machine for each layout.
pub(super) fn test(layouts: &[Layout], kernel: &Path, stage: Option<&Stage>, filter: &[String]) -> Outcome {
    let stop = vm::stop_flag()?;
    let mut sum = Sum::default();
    let tried = tests(stage).and_then(|tests| {
        layouts.iter().try_for_each(|layout| {
            let all_of_them = Some(layout) == layouts.last();
            let tests = tests.iter().filter(|test| all_of_them || !is_among(&UNDER_ANY, test));
            let mut order = order(*layout, kernel, &tests.cloned().collect::<Vec<_>>(), filter)?;
            let all: Vec<_> = layouts.iter().map(|layout| layout.name()).collect();
            order.set(
                skip::RUN_UNDER,
                std::env::var_os(skip::RUN_UNDER).unwrap_or_else(|| all.join(",").into()),
            );
            boot(order, &mut sum, &stop)
        })
    });
    match tried {
        Ok(()) => sum.tell(),
        Err(trouble) => trouble.told(&stop),
    }
}

fn tests(stage: Option<&Stage>) -> Result<Vec<Test>, Trouble> {
    let packages = STAGES.iter().filter(|known| workspace::STAGES.contains(&known.package));
    let chosen = packages.filter(|known| stage.is_none_or(|stage| stage.name == known.name));
    let packages: Vec<_> = chosen.map(|stage| stage.package).collect();
    if packages.is_empty() {
        return Err(Trouble::Failed(Error::Usage("this stage has no tests for a machine yet".into())));
    }
    let left_out = |test: &Test| is_among(&WITHOUT_KERNEL, test) || is_among(&HERE, test);
    Ok(vm::tests(&packages)?.into_iter().filter(|test| !left_out(test)).collect())
}

fn is_among(list: &[(&str, &str)], test: &Test) -> bool {
    list.iter().any(|(package, name)| test.home.ends_with(package) && test.name == *name)
}

fn order(layout: Layout, kernel: &Path, tests: &[Test], filter: &[String]) -> Result<Order, Trouble> {
    let mut script = SCRIPT.as_bytes().to_vec();
    for test in tests {
        script.extend_from_slice(b"try");
        for word in [test.home.as_os_str(), test.told().as_ref(), test.path.as_os_str()] {
            script.push(b' ');
            script.extend(vm::quoted(word));
        }
        for (_, name) in SKIPPED.iter().filter(|(program, _)| *program == test.name) {
            script.extend_from_slice(format!(" --skip {name}").as_bytes());
        }
        script.extend_from_slice(b" \"$@\"\n");
    }
    script.extend_from_slice(b"exit $bad\n");
    let mut command: Vec<OsString> = vec!["sh".into(), "-c".into(), OsString::from_vec(script), "sh".into()];
    command.extend(filter.iter().map(OsString::from));
    let mut order = Order::new(kernel, layout, command);
    order.programs = tests.iter().map(|test| (None, test.path.clone())).collect();
    (order.timeout, order.memory) = (LIMIT, 1536);
    order.for_tests()?;
    Ok(order)
}

fn boot(order: Order, sum: &mut Sum, stop: &Arc<AtomicBool>) -> Result<(), Trouble> {
    let (layout, stop) = (order.layout.name(), Arc::clone(stop));
    writeln!(stdout(), "\n== {layout}, in a virtual machine; kernel: {}", order.kernel.display())?;
    sum.running = layout.to_owned();
    let before = sum.failed;
    let ((out, to_out), (err, to_err)) = (pipe()?, pipe()?);
    let machine = thread::spawn(move || {
        let output = Output { out: Box::new(to_out), err: Box::new(to_err) };
        vm::run(&order, output, &stop)
    });
    sum.read_along(out, err).map_err(Trouble::Failed)?;
    let ended =
        machine.join().map_err(|_| Trouble::Failed(Error::Failed("the machine's thread panicked".into())))?;
    sum.ended(before, ended? == 0);
    Ok(())
}
