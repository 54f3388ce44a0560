//! Ways out of other runtimes, each tried against this one: named by the weakness it once was.
//!
//! Book: "Ways out, once more" (`overwrite`, `leaked-descriptor`); the list of all is `weaknesses.toml`.
//! Invariant: what is attacked is a copy, a canary, a directory of the test's own; what an attacker wins by a race is
//! given to him by a hook, at the worst moment.
#![allow(clippy::unwrap_used, reason = "a test that cannot observe fails where it stands")]

#[path = "cve/entered.rs"]
mod entered;
mod ground;
#[path = "cve/groups.rs"]
mod groups;
#[path = "cve/leaked.rs"]
mod leaked;
#[path = "cve/lengths.rs"]
mod lengths;
#[path = "cve/overwrite.rs"]
mod overwrite;
#[path = "cve/planted.rs"]
mod planted;
#[path = "cve/redirected.rs"]
mod redirected;
#[path = "cve/rights.rs"]
mod rights;
#[path = "cve/sockets.rs"]
mod sockets;

use serde_json::{Value, json};

/// A user namespace in which everybody is who he is outside: so that no file's owner stands in an attacker's way.
fn with_users(config: &mut Value) {
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    for map in ["uidMappings", "gidMappings"] {
        config["linux"][map] = json!([{"containerID": 0, "hostID": 0, "size": 1000}]);
    }
}
