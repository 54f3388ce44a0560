//! The run itself, in the sandbox that is its host: a root for each column, its attempts, and what the host saw of them.
//!
//! mount(8), fork(2), execve(2), openpty(3). Book: "The matrix".
//! Invariant: each column has a new root; what it left mounted is unmounted before the next one.

use super::{
    bundle,
    columns::{Chosen, Kind, words},
    observed::{Cell, Observed},
};
use crate::{Error, bench::bundle as usual};
use nix::pty::openpty;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

/// Where everything lies, in the sandbox's own memory.
const PLACE: &str = "/run/stage4-matrix";
/// What the canary's environment hides.
const SECRET: &str = "stage4-canary-secret";
/// An ordinary user of no name.
const ORDINARY: &str = "54321";

/// The host's side: everything that can be reached.
struct Host {
    child: Child,
    ask: Option<ChildStdin>,
    answer: BufReader<ChildStdout>,
    ground: Value,
    probe: PathBuf,
}

/// Makes every attempt in every column.
pub(super) fn observe(rows: &[&str], columns: &[Chosen]) -> Result<Observed, Error> {
    let mut host = Host::begin()?;
    let mut observed = Observed::new(rows);
    for column in columns {
        let root = Path::new(PLACE).join(&column.name);
        let cells = host.column(column, &root, rows);
        sh("grep -F \" $1/\" /proc/self/mountinfo | cut -d' ' -f5 | tac | xargs -r umount -l", &[&root])?;
        observed.add(&column.name, cells?);
    }
    host.end()?;
    observed.kernel_decides();
    Ok(observed)
}

/// A few words of a shell, with arguments; what they print.
fn sh(script: &str, arguments: &[&Path]) -> Result<(), Error> {
    let output = Command::new("sh").args(["-euc", script, "stage4-matrix"]).args(arguments).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Error::Failed(format!("sh: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}

const ROOT: &str = "
mkdir -p $1/bin $1/proc $1/sys $1/dev/shm $1/etc $1/tmp $1/mnt $1/shared
chmod 1777 $1/tmp
cp $2 $1/bin/probe
cp $2 $1/bin/setuid; chmod 4755 $1/bin/setuid
mount -t tmpfs -o size=64k stage4-shared $1/shared
mount --make-shared $1/shared
mkdir $1/shared/inside
: >$1/hard.host; ln $1/hard.host $1/hard; chmod 644 $1/hard
: >$1/group; chgrp 54321 $1/group; chmod 040 $1/group
mknod -m 666 $1/dev/null c 1 3
";

impl Host {
    fn begin() -> Result<Host, Error> {
        let place = Path::new(PLACE);
        fs::create_dir_all(place)?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|one| one.join("probe")).find(|one| one.is_file());
        let probe = found.ok_or_else(|| Error::Failed("probe is not in PATH".into()))?;
        fs::write(place.join("canary"), "the host's\n")?;
        fs::set_permissions(place.join("canary"), fs::Permissions::from_mode(0o600))?;
        sh("ip address add 192.0.2.77/32 dev lo", &[])?;
        // Far from the pids that a pid namespace begins with; where it cannot be set, its name tells it.
        fs::write("/proc/sys/kernel/ns_last_pid", "20000").ok();
        // Where realtime is divided between groups, a new one has none, and who is in it cannot ask for any.
        fs::write("/sys/fs/cgroup/cpu/cpu.rt_runtime_us", "10000").ok();
        let mut command = Command::new(&probe);
        command
            .args(["host", PLACE])
            .env("STAGE4_SECRET", SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (ask, answer) = (child.stdin.take(), child.stdout.take());
        let mut answer = BufReader::new(answer.ok_or_else(|| Error::Failed("probe host: no pipe".into()))?);
        let mut line = String::new();
        answer.read_line(&mut line)?;
        let ground = serde_json::from_str(&line);
        let mut ground: Value =
            ground.map_err(|error| Error::Failed(format!("probe host: {error}: {line:?}")))?;
        ground["hierarchy"] = json!(std::env::var("STAGE4_HIERARCHY").unwrap_or_default());
        Ok(Host { child, ask, answer, ground, probe })
    }

    fn end(mut self) -> Result<(), Error> {
        drop(self.ask.take());
        self.child.wait()?;
        Ok(())
    }

    /// How many signals the canary has got.
    fn signals(&mut self) -> Result<u32, Error> {
        if let Some(ask) = &mut self.ask {
            writeln!(ask, "signals")?;
        }
        let mut line = String::new();
        self.answer.read_line(&mut line)?;
        line.trim().parse().map_err(|_| Error::Failed(format!("probe host: {line:?} is no number")))
    }

    fn device(&self) -> Option<(u64, u64)> {
        Some((self.ground["major"].as_u64()?, self.ground["minor"].as_u64()?))
    }

    fn column(
        &mut self,
        column: &Chosen,
        root: &Path,
        rows: &[&str],
    ) -> Result<BTreeMap<String, Cell>, Error> {
        sh(ROOT, &[root, &self.probe])?;
        if let Some((major, minor)) = self.device() {
            let node = format!("mknod -m 666 $1/dev/stage4-disk b {major} {minor}");
            sh(&node, &[root])?;
        }
        let shared = matches!(column.kind, Kind::Chroot | Kind::Namespaces(_) | Kind::User | Kind::Limits);
        if shared {
            sh("mount --rbind /sys $1/sys; mount --make-rslave $1/sys", &[root])?;
        }
        if matches!(column.kind, Kind::Chroot | Kind::Namespaces(0..3)) {
            sh("mount --rbind /proc $1/proc; mount --make-rslave $1/proc", &[root])?;
        }
        let mut command = match self.command(column, root, rows)? {
            Ok(command) => command,
            Err(why) => return Ok(all(rows, "N/A", &why)),
        };
        let before = self.signals()?;
        let (text, errors, throttled) = run(&mut command)?;
        let mut cells = all(rows, "ERROR", &format!("nothing was said; {}", errors.trim()));
        for line in text.lines().filter(|line| line.starts_with('{')) {
            let said: Value = serde_json::from_str(line).unwrap_or_default();
            let word = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
            cells.insert(word("id"), Cell { verdict: word("verdict"), seen: word("seen") });
        }
        let signalled = self.signals()? > before;
        for (id, cell) in cells.iter_mut().filter(|(_, cell)| cell.verdict == "ASK") {
            let (leaks, told) = answer(id, root, signalled, throttled);
            cell.verdict = if leaks { "LEAKS" } else { "CONTAINED" }.to_owned();
            cell.seen = format!("{}; {told}", cell.seen);
        }
        Ok(cells)
    }

    /// The column's command, started as a careless caller does; or why it cannot be had here.
    fn command(&self, column: &Chosen, root: &Path, rows: &[&str]) -> Result<Result<Command, String>, Error> {
        let mut ground = self.ground.clone();
        ground["base"] = json!(if column.kind == Kind::Host { root.to_string_lossy() } else { "".into() });
        ground["pivots"] = json!(if matches!(column.kind, Kind::Host | Kind::Chroot) { "no" } else { "yes" });
        let stage4 = matches!(column.kind, Kind::Layers(_) | Kind::Default | Kind::Rootless);
        ground["runtime"] = json!(if stage4 { "yes" } else { "no" });
        let probe = if column.kind == Kind::Host { root.join("bin/probe") } else { "/bin/probe".into() };
        let mut inner = vec![probe.to_string_lossy().into_owned(), "matrix".to_owned(), ground.to_string()];
        inner.extend(rows.iter().map(|row| (*row).to_owned()));
        let mut command = Command::new(&self.probe);
        command.args(["launch", PLACE, "--"]).env("STAGE4_SECRET", SECRET).current_dir(PLACE);
        match words(column.kind, root, self.device()) {
            Some(words) => command.args(words).args(inner),
            None => match self.bundle(column, root, &inner)? {
                Ok(words) => command.args(words),
                Err(why) => return Ok(Err(why)),
            },
        };
        Ok(Ok(command))
    }

    /// A bundle for stage 4, or another runtime, and the words that run it.
    fn bundle(
        &self,
        column: &Chosen,
        root: &Path,
        inner: &[String],
    ) -> Result<Result<Vec<String>, String>, Error> {
        let place = Path::new(PLACE).join("bundles").join(&column.name);
        fs::create_dir_all(&place)?;
        let directory = place.to_string_lossy().into_owned();
        let rootless = column.kind == Kind::Rootless;
        let mut words: Vec<String> = Vec::new();
        if rootless {
            sh("chown 54321:54321 $1; mkdir -p $1/state; chown 54321:54321 $1/state", &[&place])?;
            // Who is ordinary has no way into the directory in which it was built, perhaps.
            sh("cp \"$(command -v stage4-runtime)\" $1/stage4-runtime", &[&place])?;
            let become_him = ["setpriv", "--reuid", ORDINARY, "--regid", ORDINARY, "--keep-groups"];
            words.extend(become_him.map(str::to_owned));
        }
        if column.kind == Kind::Default {
            sh("chown 524288:524288 $1; ln -s $1 $2/rootfs", &[root, &place])?;
        }
        let own = if rootless { place.join("stage4-runtime") } else { "stage4-runtime".into() };
        let mut spec = Command::new(words.first().map_or(own.as_os_str(), |word| word.as_ref()));
        if rootless {
            spec.args(&words[1..]).arg(&own);
        }
        spec.args(["spec", "--bundle", &directory])
            .args(rootless.then_some("--rootless"))
            .arg("--")
            .args(inner);
        let output = spec.output()?;
        if !output.status.success() {
            return Ok(Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let file = place.join("config.json");
        let mut config: Value = serde_json::from_str(&fs::read_to_string(&file)?)
            .map_err(|error| Error::Failed(format!("{}: {error}", file.display())))?;
        if let Err(why) = bundle::edit(&mut config, column.kind, root, self.device())? {
            return Ok(Err(why));
        }
        if column.runtime.is_some() {
            usual::of_old(&mut config);
        }
        fs::write(&file, format!("{config:#}"))?;
        let program = column.runtime.clone().unwrap_or(own);
        let state = place.join("state").to_string_lossy().into_owned();
        words.extend([program.to_string_lossy().into_owned(), "--root".to_owned(), state]);
        words.extend(
            ["run", "--bundle", &directory, &format!("stage4-matrix-{}", column.name)].map(str::to_owned),
        );
        Ok(Ok(words))
    }
}

fn all(rows: &[&str], verdict: &str, seen: &str) -> BTreeMap<String, Cell> {
    let cell = || Cell { verdict: verdict.to_owned(), seen: seen.to_owned() };
    rows.iter().map(|row| ((*row).to_owned(), cell())).collect()
}

/// Runs it on a terminal of the run's own; what it printed, what went wrong, and whether a group of it was throttled.
fn run(command: &mut Command) -> Result<(String, String, bool), Error> {
    let terminal = openpty(None, None).map_err(|errno| Error::Failed(format!("openpty(): {errno}")))?;
    command.stdin(terminal.slave).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn()?;
    let (done, throttled) = (AtomicBool::new(false), AtomicBool::new(false));
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                throttled.fetch_or(any_throttled(Path::new("/sys/fs/cgroup"), 4), Ordering::SeqCst);
                thread::sleep(Duration::from_millis(30));
            }
        });
        let output = child.wait_with_output();
        done.store(true, Ordering::SeqCst);
        output
    })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((text(output.stdout), text(output.stderr), throttled.into_inner()))
}

fn any_throttled(group: &Path, depth: u8) -> bool {
    let stat = fs::read_to_string(group.join("cpu.stat")).unwrap_or_default();
    let here = stat.lines().any(|line| line.strip_prefix("nr_throttled ").is_some_and(|count| count != "0"));
    let below = || fs::read_dir(group).into_iter().flatten().flatten().filter(|one| one.path().is_dir());
    here || depth > 0 && below().any(|one| !one.path().is_symlink() && any_throttled(&one.path(), depth - 1))
}

/// What the host saw of an attempt: whether it was reached, and how that is known.
fn answer(id: &str, root: &Path, signalled: bool, throttled: bool) -> (bool, String) {
    let told = |leaks: bool, yes: &str, no: &str| (leaks, if leaks { yes } else { no }.to_owned());
    match id {
        "fs-10" => {
            let point = format!(" {}/shared/inside ", root.display());
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
            told(mounts.contains(&point), "the host sees it", "the host does not see it")
        }
        "fs-11" => {
            let grown = fs::metadata(root.join("hard.host")).is_ok_and(|meta| meta.len() > 0);
            told(grown, "the host's file grew", "the host's file is as it was")
        }
        "fs-12" => {
            let meta = fs::metadata(root.join("tmp/setuid"));
            let bad = meta.is_ok_and(|meta| meta.uid() == 0 && meta.mode() & 0o4000 != 0);
            told(bad, "on the host it is root's", "on the host it is not root's")
        }
        "pr-02" => told(signalled, "the canary counted it", "the canary got nothing"),
        _ => told(!throttled, "nobody was throttled", "its group was throttled"),
    }
}
