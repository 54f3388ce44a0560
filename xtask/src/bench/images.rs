//! Images unpacked by us, by umoci and by tar alone, one after the other.
//!
//! wait4(2), by `weigh`. Book: "Images".
//! Invariant: each begins with nothing; what is removed before is not counted.

use super::{
    BenchArguments,
    measure::{WARM_UP, cost, medians},
    runtimes::{WEIGH, compile},
};
use crate::Error;
use observe::{scene::Scene, skip::skip, workspace};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, process::Command};

const WHAT: &str = "images side by side";

/// Where the image is, and which: `LAYOUT:NAME`.
const OWN: &str = "layout:debian";

/// A Debian with its usual programs, some hundred megabytes, as one layer.
const MADE: &str = "mmdebstrap --quiet --variant=important \"$(. /etc/os-release; echo \"$VERSION_CODENAME\")\" \
    box/rootfs >&2 && stage4-runtime image commit box layout:debian && rm -rf box";

const INSPECT: &str = "stage4-runtime image inspect --format json \"$IMAGE\"";

/// One way to unpack `$IMAGE` into `out`.
struct Side {
    name: &'static str,
    /// The program it needs, which is the package's name as well.
    needs: &'static str,
    words: &'static str,
    /// What of it has other owners than its maker only its maker can remove.
    remove: &'static str,
}

const SIDES: [Side; 3] = [
    Side {
        name: "ours",
        needs: "sh",
        words: "exec stage4-runtime image unpack \"$IMAGE\" out",
        remove: "[ ! -e out ] || stage4-runtime image remove out",
    },
    Side {
        name: "umoci",
        needs: "umoci",
        words: "exec umoci unpack $ROOTLESS --image \"$IMAGE\" out",
        remove: "rm -rf out",
    },
    Side {
        name: "tar",
        needs: "tar",
        words: "mkdir out && for layer in $LAYERS; do tar -xpf \"$layer\" -C out; done",
        remove: "rm -rf out",
    },
];

/// Rows of JSON, as those of the runtimes.
pub(super) fn images(arguments: &BenchArguments) -> Result<Vec<Value>, Error> {
    let programs = workspace::Programs::build("stage4-runtime")?;
    let scene = Scene::new("stage4", &programs)?;
    let Some(image) = given(arguments, &scene)? else { return Ok(Vec::new()) };
    let inspect = scene.shell(INSPECT).env("IMAGE", &image).output()?;
    let layers = layers(&inspect.stdout, &image)?;
    let is_here = |side: &&Side| {
        let here = workspace::installed(side.needs);
        if !here {
            let reason = format!("it is not here: apt-get install {}", side.needs);
            skip(&format!("{} beside ours", side.name), &reason);
        }
        here
    };
    let sides: Vec<_> = SIDES.iter().filter(is_here).collect();
    let rootless = if nix::unistd::geteuid().is_root() { "" } else { "--rootless" };
    let command = |line: &str| {
        let mut command = scene.shell(line);
        command.env("IMAGE", &image).env("LAYERS", layers.join(" ")).env("ROOTLESS", rootless);
        command
    };
    let errors = scene.directory().join("errors");
    let mut costs = vec![Vec::new(); sides.len()];
    for run in 0..arguments.runs + WARM_UP {
        for (costs, side) in costs.iter_mut().zip(&sides) {
            let spent = cost(command(side.words), &errors)?;
            costs.extend((run >= WARM_UP).then_some(spent));
            cost(command(side.remove), &errors)?;
        }
    }
    let mut told = Vec::new();
    let scale = scale(&scene)?;
    for (costs, Side { name, words, remove, .. }) in costs.iter().zip(&sides) {
        let mut side = medians(costs);
        side["name"] = json!(name);
        if let Some(scale) = &scale {
            let weighed = format!("exec {} /bin/sh -c '{words}'", scale.display());
            side["peak_kib"] = json!(peak(&mut command(&weighed))?);
            cost(command(remove), &errors)?;
        }
        told.push(side);
    }
    Ok(vec![json!({ "what": "unpack", "image": image, "runs": arguments.runs, "sides": told })])
}

/// The image that is named, or one that is made.
fn given(arguments: &BenchArguments, scene: &Scene) -> Result<Option<String>, Error> {
    if let Some(image) = &arguments.image {
        let (path, name) = image.rsplit_once(':').unwrap_or((image, "latest"));
        return Ok(Some(format!("{}:{name}", fs::canonicalize(path)?.display())));
    }
    if !workspace::installed("mmdebstrap") || !nix::unistd::geteuid().is_root() {
        skip(
            WHAT,
            "there is none of some size here: --image LAYOUT:NAME; or, as root, apt-get install mmdebstrap",
        );
        return Ok(None);
    }
    fs::create_dir_all(scene.work().join("box"))?;
    cost(scene.shell(MADE), &scene.directory().join("errors"))?;
    Ok(Some(OWN.to_owned()))
}

/// Where the layers lie.
fn layers(inspected: &[u8], image: &str) -> Result<Vec<String>, Error> {
    let wrong = || Error::Failed(format!("stage4-runtime image inspect {image}: no layers"));
    let told: Value = serde_json::from_slice(inspected).map_err(|_| wrong())?;
    let (layout, _) = image.rsplit_once(':').ok_or_else(wrong)?;
    let digests = told["layers"].as_array().ok_or_else(wrong)?.iter();
    digests
        .map(|layer| {
            layer["digest"].as_str().map(|digest| format!("{layout}/blobs/{}", digest.replace(':', "/")))
        })
        .collect::<Option<_>>()
        .ok_or_else(wrong)
}

/// What weighs, where it can be made.
fn scale(scene: &Scene) -> Result<Option<PathBuf>, Error> {
    if !workspace::installed("cc") {
        skip("the memory of each", "what weighs is a program in C: apt-get install gcc libc6-dev");
        return Ok(None);
    }
    compile(scene.directory(), WEIGH.0, WEIGH.1).map(Some)
}

fn peak(command: &mut Command) -> Result<u64, Error> {
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    told.trim().parse().map_err(|_| Error::Failed(format!("{command:?}: {}", output.status)))
}
