//! What an image says of itself, as config.json.
//!
//! No kernel calls; conversion.md of the image specification 1.1. Book: "Images" (`images`).
//! Invariant: pure; what the image says comes over what `spec` writes, and nothing of it is dropped in silence.

use super::document::ImageConfig;
use crate::config::process::User;
use crate::config::{Config, Mount, Process};
use crate::{Error, Result};
use std::collections::BTreeMap;

/// Whose a directory of the root is, and its permissions.
#[derive(Debug, Clone, Copy)]
pub struct Owned {
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Permissions and the sticky bit.
    pub mode: u32,
}

/// `base`, for this image and this user; `owned` tells of a directory, if it is there.
///
/// # Errors
/// A volume or a working directory that is no place in the root.
pub fn config(
    mut base: Config,
    image: &ImageConfig,
    user: User,
    owned: &dyn Fn(&str) -> Option<Owned>,
) -> Result<Config> {
    let parameters = &image.config;
    let mut process = base.process.take().unwrap_or_default();
    process.user = user;
    process.env = environment(&process, &parameters.env);
    let words: Vec<String> = parameters.entrypoint.iter().chain(&parameters.cmd).cloned().collect();
    if !words.is_empty() {
        process.args = words;
    }
    process.cwd = match parameters.working_dir.as_str() {
        "" => process.cwd,
        path => absolute("WorkingDir", path)?,
    };
    base.process = Some(process);
    // A layer of a container is there to be written to.
    if let Some(root) = &mut base.root {
        root.readonly = false;
    }
    for path in parameters.volumes.keys() {
        let destination = absolute("a volume", path)?;
        base.mounts.retain(|mount| mount.destination != destination);
        base.mounts.push(volume(destination, owned(path)));
    }
    base.annotations.extend(annotations(image));
    Ok(base)
}

/// The image's, and of the others those that it does not have.
fn environment(process: &Process, of_image: &[String]) -> Vec<String> {
    let name = |entry: &String| entry.split('=').next().unwrap_or_default().to_owned();
    let known: Vec<String> = of_image.iter().map(name).collect();
    let others = process.env.iter().filter(|entry| !known.contains(&name(entry)));
    of_image.iter().chain(others).cloned().collect()
}

fn absolute(what: &str, path: &str) -> Result<String> {
    let odd = path.contains('\0') || path.split('/').any(|part| part == "..");
    match (odd, path.starts_with('/')) {
        (true, _) => Err(Error::refused(format!("{what} of the image is {path:?}"))
            .with_hint("it must be a path without `..`")),
        (false, true) => Ok(path.to_owned()),
        (false, false) => Ok(format!("/{path}")),
    }
}

/// Not the image's to keep: in memory, and at first with what the image has there.
fn volume(destination: String, owned: Option<Owned>) -> Mount {
    let mut options = ["nosuid", "nodev", "tmpcopyup"].map(str::to_owned).to_vec();
    if let Some(Owned { uid, gid, mode }) = owned {
        options.extend([format!("uid={uid}"), format!("gid={gid}"), format!("mode={mode:04o}")]);
    }
    Mount {
        destination,
        kind: Some("tmpfs".to_owned()),
        source: Some("tmpfs".to_owned()),
        options,
        ..Mount::default()
    }
}

/// Labels come last: they win.
fn annotations(image: &ImageConfig) -> BTreeMap<String, String> {
    let parameters = &image.config;
    let ports: Vec<&str> = parameters.exposed_ports.keys().map(String::as_str).collect();
    let told = [
        ("os", Some(image.os.clone())),
        ("architecture", Some(image.architecture.clone())),
        ("variant", image.variant.clone()),
        ("os.version", image.os_version.clone()),
        ("os.features", Some(image.os_features.join(","))),
        ("author", image.author.clone()),
        ("created", image.created.clone()),
        ("stopSignal", Some(parameters.stop_signal.clone())),
        ("exposedPorts", Some(ports.join(","))),
    ];
    let told =
        told.into_iter().filter_map(|(key, value)| Some((key, value.filter(|value| !value.is_empty())?)));
    let told = told.map(|(key, value)| (format!("org.opencontainers.image.{key}"), value));
    told.chain(parameters.labels.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::spec;
    use serde_json::json;

    fn converted(config: serde_json::Value) -> Result<Config> {
        let image = json!({
            "architecture": "amd64", "os": "linux", "author": "Ada", "rootfs": {"type": "layers"}, "config": config,
        });
        config_of(&image)
    }

    fn config_of(image: &serde_json::Value) -> Result<Config> {
        let image: ImageConfig = serde_json::from_value(image.clone()).unwrap();
        let owned = |_: &str| Some(Owned { uid: 7, gid: 8, mode: 0o750 });
        config(spec::default(), &image, User::default(), &owned)
    }

    #[test]
    fn images_become_a_config_as_the_specification_says() {
        let config = converted(json!({
            "Entrypoint": ["/bin/server"], "Cmd": ["--port", "80"], "Env": ["PATH=/x", "A=b=c"],
            "WorkingDir": "srv", "Volumes": {"/data": {}, "/proc": {}}, "StopSignal": "SIGQUIT",
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Labels": {"org.opencontainers.image.author": "Eve"},
        }))
        .unwrap();
        let process = config.process.unwrap();
        assert_eq!(process.args, ["/bin/server", "--port", "80"]);
        assert_eq!(process.env, ["PATH=/x", "A=b=c", "TERM=xterm"]);
        assert_eq!(process.cwd, "/srv");
        let told = |key: &str| config.annotations[&format!("org.opencontainers.image.{key}")].as_str();
        assert_eq!((told("exposedPorts"), told("stopSignal")), ("53/udp,80/tcp", "SIGQUIT"));
        assert_eq!((told("author"), told("os")), ("Eve", "linux"), "labels win");
        let volume = config.mounts.iter().find(|mount| mount.destination == "/data").unwrap();
        assert!(["tmpcopyup", "uid=7", "gid=8", "mode=0750"].iter().all(|option| volume.has(option)));
    }

    #[test]
    fn images_that_say_little_leave_the_rest_to_spec() {
        let config = converted(json!(null)).unwrap();
        assert_eq!(config.process.unwrap().args, ["sh"]);
        assert!(!config.root.unwrap().readonly);
        assert!(converted(json!({"WorkingDir": "/a/../../b"})).is_err());
        assert!(converted(json!({"Volumes": {"../x": {}}})).is_err());
    }
}
