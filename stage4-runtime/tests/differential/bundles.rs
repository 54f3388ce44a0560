//! The bundles that every runtime is given: one configuration, and what each changes of it.
//!
//! Book: "How it is tested".
//! Invariant: nothing newer than runtime-spec 1.0.2 is asked for, which all of them serve.

use serde_json::{Value, json};

/// Looks around: one `key: value` a line. Of mounts the point, its options, how it spreads and its type.
pub const LOOK: &str = r#"
for applet in chmod mkdir rm sed sort tr wc; do eval "$applet() { busybox $applet \"\$@\"; }"; done
sed -n 's/^\(Uid\|Gid\|Groups\|Umask\|Cap[A-Z][a-z]*\|NoNewPrivs\|Seccomp\):[ \t]*/\1: /p' /proc/self/status
for limit in n u c s; do echo "limit $limit: $(ulimit -S$limit) $(ulimit -H$limit)"; done
echo "cwd: $(pwd)"; echo "host: $(cat /proc/sys/kernel/hostname)"; echo "oom: $(cat /proc/self/oom_score_adj)"
echo "links: $(ls /sys/class/net | sort | tr '\n' ' ')"; echo "forward: $(cat /proc/sys/net/ipv4/ip_forward)"
env | sed 's/^/env /; s/=/: /'
ls -ln /dev | sed 1d | while read -r mode links user group rest; do echo "dev ${rest##*[0-9][0-9] }: $mode $user $group"; done
while read -r id above device root point options rest; do
  spread=; while [ "${rest%% *}" != - ]; do spread="$spread ${rest%%:*}"; rest=${rest#* }; done
  rest=${rest#- }; echo "mount $point: $options$spread ${rest%% *}"
done < /proc/self/mountinfo
for file in /proc/keys /proc/timer_list; do echo "masked $file: $(wc -c < $file | sed 's/[1-9].*/shown/')"; done
echo "masked /sys/firmware: $(ls /sys/firmware | wc -l)"
(echo 1 > /proc/sys/kernel/domainname) 2>/dev/null && echo "proc/sys: writable" || echo "proc/sys: closed"
(: > /new) 2>/dev/null && echo "root: writable" || echo "root: closed"
(mkdir /tmp/x && chmod 700 /tmp/x) 2>/dev/null && echo "mkdir: done" || echo "mkdir: refused"
rm -rf /new /tmp/x 2>/dev/null
echo "uid map: $(cat /proc/self/uid_map | tr -s ' ')"
"#;

/// A name, and what it changes.
type Bundle = (&'static str, fn(&mut Value));

/// All of them.
pub const BUNDLES: [Bundle; 13] = [
    ("default", |_| ()),
    ("writable", |config| config["root"]["readonly"] = json!(false)),
    ("user", |config| {
        config["process"]["user"] =
            json!({ "uid": 1000, "gid": 1001, "additionalGids": [5, 7], "umask": 0o027 });
    }),
    ("capabilities", |config| {
        let sets = json!(["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"]);
        for set in ["bounding", "effective", "permitted", "inheritable", "ambient"] {
            config["process"]["capabilities"][set] = sets.clone();
        }
        config["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
    }),
    ("rlimits", |config| {
        config["process"]["rlimits"] = json!([
            { "type": "RLIMIT_NOFILE", "soft": 64, "hard": 128 }, { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 }]);
    }),
    ("mounts", |config| {
        let more = [
            json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "noexec", "mode=1777", "size=1m"] }),
            json!({ "destination": "/etc", "type": "bind", "source": "shared", "options": ["bind", "ro", "nodev"] }),
            json!({ "destination": "/shared", "type": "bind", "source": "shared", "options": ["rbind", "rslave"] }),
        ];
        config["mounts"].as_array_mut().unwrap().extend(more);
    }),
    ("devices", |config| {
        config["linux"]["devices"] = json!([
            { "path": "/dev/stage4", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 5, "gid": 7 }]);
        config["linux"]["resources"]["devices"] = json!([{ "allow": false, "access": "rwm" },
            { "allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw" }]);
    }),
    ("open", |config| {
        config["linux"]["maskedPaths"] = json!([]);
        config["linux"]["readonlyPaths"] = json!([]);
    }),
    ("cwd", |config| {
        config["root"]["readonly"] = json!(false);
        config["process"]["cwd"] = json!("/new/place");
    }),
    ("sysctl", |config| config["linux"]["sysctl"] = json!({ "net.ipv4.ip_forward": "1" })),
    ("oom", |config| {
        config["process"]["oomScoreAdj"] = json!(321);
        config["hostname"] = json!("elsewhere");
    }),
    ("seccomp", |config| {
        config["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 }] });
        config["mounts"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs" }));
    }),
    ("network", |config| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|one| one["type"] != "network");
        namespaces.push(json!({ "type": "network", "path": "/proc/1/ns/net" }));
    }),
];
