//! Makes sure that there is a Vulkan driver for the tests to run on.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use crate::{
    apt::{self, Consent},
    shell,
};

/// What to install on Debian and Ubuntu: Mesa's drivers, lavapipe among them, and the loader.
const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];

/// Says which driver there is, after installing one if need be.
pub fn setup(consent: Consent) -> Result<String> {
    if !cfg!(target_os = "linux") {
        return Ok("the system brings its own graphics driver".into());
    }
    let missing = match find() {
        Ok(found) => return Ok(found),
        Err(missing) => missing,
    };
    if !apt::available() {
        bail!(
            "{missing}. Install a Vulkan driver and loader: on Fedora `dnf install mesa-vulkan-drivers vulkan-loader`, \
             on Arch `pacman -S vulkan-swrast vulkan-icd-loader`, on openSUSE `zypper install libvulkan_lvp libvulkan1`, \
             on Alpine `apk add mesa-vulkan-swrast vulkan-loader`"
        );
    }
    apt::install(&PACKAGES, &missing, consent)?;
    match find() {
        Ok(found) => Ok(found),
        Err(missing) => bail!("{missing}, even after installing {}", PACKAGES.join(" ")),
    }
}

/// The driver that a Vulkan program would find, or what is missing.
fn find() -> Result<String, String> {
    if !loader() {
        return Err("no Vulkan loader (libvulkan.so.1)".into());
    }
    let names = |drivers: &[PathBuf]| {
        let names: Vec<_> =
            drivers.iter().filter_map(|path| path.file_stem()).map(|stem| stem.to_string_lossy()).collect();
        names.join(", ")
    };
    for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        if let Some(value) = env::var_os(variable).filter(|value| !value.is_empty()) {
            let files: Vec<_> = env::split_paths(&value).filter(|path| path.is_file()).collect();
            return match files.is_empty() {
                true => Err(format!("{variable} names no file that exists: {}", value.display())),
                false => Ok(format!("Vulkan drivers, by {variable}: {}", names(&files))),
            };
        }
    }
    let drivers: Vec<_> = folders().iter().flat_map(|dir| shell::entries(dir)).filter(|path| is_json(path)).collect();
    // Mesa installs the drivers of every card; without a card only the software drivers find a device.
    let software = drivers.iter().any(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("lvp") || name.contains("swiftshader")
    });
    match software || (!drivers.is_empty() && has_card()) {
        true => Ok(format!("Vulkan drivers: {}", names(&drivers))),
        false if drivers.is_empty() => Err("no Vulkan driver".into()),
        false => Err(format!("no graphics card for the Vulkan drivers ({}), and no software driver", names(&drivers))),
    }
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "json")
}

/// Where the loader looks for drivers.
fn folders() -> Vec<PathBuf> {
    let list = |name: &str, default: &str| {
        let value = env::var_os(name).filter(|value| !value.is_empty()).unwrap_or_else(|| default.into());
        env::split_paths(&value).collect::<Vec<_>>()
    };
    let mut dirs = list("XDG_CONFIG_DIRS", "/etc/xdg");
    dirs.extend(["/etc".into(), "/usr/local/etc".into(), "/run/opengl-driver/share".into()]);
    dirs.extend(list("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
    dirs.extend(["/usr/local/share".into(), "/usr/share".into()]);
    dirs.extend(env::var_os("XDG_DATA_HOME").map(PathBuf::from));
    dirs.extend(env::home_dir().map(|home| home.join(".local/share")));
    let mut seen = Vec::new();
    for dir in dirs {
        let dir = dir.join("vulkan/icd.d");
        if !seen.contains(&dir) {
            seen.push(dir);
        }
    }
    seen
}

/// True where the kernel offers a GPU: a render node, NVIDIA's or a phone's own device, or WSL's.
fn has_card() -> bool {
    let render = shell::entries(Path::new("/dev/dri"))
        .iter()
        .any(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("renderD")));
    render || ["nvidia0", "kgsl-3d0", "mali0", "dxg"].iter().any(|name| Path::new("/dev").join(name).exists())
}

/// True where the dynamic linker finds libvulkan.
fn loader() -> bool {
    const NAME: &str = "libvulkan.so.1";
    for ldconfig in ["/sbin/ldconfig", "/usr/sbin/ldconfig", "ldconfig"] {
        if let Ok(list) = shell::output(shell::program(ldconfig, Path::new("/")).arg("-p")) {
            if list.contains(NAME) {
                return true;
            }
            break;
        }
    }
    let mut dirs: Vec<PathBuf> = env::var_os("LD_LIBRARY_PATH").iter().flat_map(env::split_paths).collect();
    for lib in ["/lib", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/run/opengl-driver/lib"] {
        dirs.push(lib.into());
        dirs.extend(
            shell::entries(Path::new(lib)).into_iter().filter(|path| path.to_string_lossy().ends_with("-linux-gnu")),
        );
    }
    dirs.iter().any(|dir| fs::exists(dir.join(NAME)).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_folders_are_searched() {
        let folders = folders();
        for dir in ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"] {
            assert!(folders.contains(&PathBuf::from(dir)), "{dir} in {folders:?}");
        }
    }
}
