//! A kernel image and its modules.
//!
//! Reads bzImage and modules.dep; runs xz(1), zstd(1), gzip(1). Book: "How it is tested".
//! Invariant: an image is only read; it may be the host's own.

use super::{Trouble, modules};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What is booted.
#[derive(Debug)]
pub(super) struct Kernel {
    /// The image.
    pub image: PathBuf,
    /// Where its modules are; none where all is built in, or nobody knows.
    modules: Option<PathBuf>,
}

impl Kernel {
    /// The image at `path`, with the modules of its own tree or of the host.
    pub fn at(path: &Path) -> Result<Kernel, Trouble> {
        let wrong = |error| Trouble::failed(format!("open({:?}): {error}", path.display()));
        let image = path.canonicalize().map_err(wrong)?;
        let header = fs::read(&image).map_err(wrong)?;
        let modules = release(&header).and_then(|release| {
            let tree = image.parent().and_then(Path::parent).unwrap_or(&image);
            let places = [tree.join("lib/modules"), tree.join("usr/lib/modules"), "/lib/modules".into()];
            places.into_iter().map(|place| place.join(&release)).find(|place| place.is_dir())
        });
        Ok(Kernel { image, modules })
    }

    /// The modules worth having, as files of the machine: (path, contents).
    pub fn modules(&self) -> Result<Vec<(String, Vec<u8>)>, Trouble> {
        let Some(directory) = &self.modules else { return Ok(Vec::new()) };
        let Some(release) = directory.file_name().map(|name| name.to_string_lossy()) else {
            return Ok(Vec::new());
        };
        let read = |name| fs::read_to_string(directory.join(name));
        let chosen = modules::choose(&read("modules.dep")?, &read("modules.alias")?);
        let home = format!("/lib/modules/{release}");
        let mut files = vec![
            (format!("{home}/modules.dep"), chosen.dependencies.into_bytes()),
            (format!("{home}/modules.alias"), chosen.aliases.into_bytes()),
        ];
        for module in &chosen.files {
            let contents = contents(&directory.join(module))?;
            files.push((format!("{home}/{}", modules::plain(module)), contents));
        }
        Ok(files)
    }
}

/// The release in the image's header (Documentation/arch/x86/boot.rst, `kernel_version`).
fn release(image: &[u8]) -> Option<String> {
    image.get(0x202..0x206).filter(|magic| magic == b"HdrS")?;
    let offset = u16::from_le_bytes(image.get(0x20e..0x210)?.try_into().ok()?);
    let text = image.get(usize::from(offset) + 0x200..)?;
    let end = text.iter().position(|byte| matches!(byte, b' ' | 0))?;
    String::from_utf8(text.get(..end)?.to_vec()).ok()
}

/// A module as the kernel takes it: busybox's modprobe unpacks no zstd.
fn contents(path: &Path) -> Result<Vec<u8>, Trouble> {
    let tool = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return Ok(fs::read(path)?),
    };
    let output = Command::new(tool).arg("-dc").arg(path).output();
    let output = output.map_err(|error| {
        Trouble::missing(
            format!("{tool}, for {}: {error}", path.display()),
            &format!("apt-get install {tool}"),
        )
    })?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(Trouble::failed(format!("{tool} -dc {}: {}", path.display(), output.status))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_the_header() {
        let mut image = vec![0; 0x400];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        image[0x300..0x310].copy_from_slice(b"6.1.0-9 (builder");
        assert_eq!(release(&image).as_deref(), Some("6.1.0-9"));
        assert_eq!(release(b"\x7fELF"), None);
        image[0x202] = 0;
        assert_eq!(release(&image), None);
    }
}
