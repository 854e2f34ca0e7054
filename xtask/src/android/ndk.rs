//! Google's NDK, where there is one.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::shell;

/// The oldest that Rust's Android target supports with the unwinder it expects.
const OLDEST: u32 = 26;

/// What was found.
pub enum Found {
    Ndk { folder: PathBuf, revision: String },
    Old { folder: PathBuf, revision: String },
    Nothing,
}

/// The folders where an Android SDK usually is.
pub fn sdks() -> Vec<PathBuf> {
    let named = ["ANDROID_HOME", "ANDROID_SDK_ROOT"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    let home = env::home_dir().unwrap_or_default();
    let usual = [home.join("Android/Sdk"), home.join("Library/Android/sdk"), "/usr/lib/android-sdk".into()];
    named.chain(usual).filter(|folder| folder.is_dir()).collect()
}

/// The NDK that a variable names, else the newest of the SDKs.
pub fn find() -> Found {
    let named = ["ANDROID_NDK_HOME", "ANDROID_NDK_ROOT"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    let named: Vec<_> = named.filter(|folder| !folder.as_os_str().is_empty()).collect();
    let folders = if named.is_empty() {
        let mut all: Vec<_> = sdks().iter().flat_map(|sdk| shell::entries(&sdk.join("ndk"))).collect();
        all.extend(sdks().iter().map(|sdk| sdk.join("ndk-bundle")));
        all
    } else {
        named
    };
    newest(folders)
}

/// The newest of these folders.
fn newest(folders: Vec<PathBuf>) -> Found {
    let found = folders.into_iter().filter_map(|folder| Some((revision(&folder)?, folder)));
    match found.max_by_key(|(revision, _)| major(revision)) {
        None => Found::Nothing,
        Some((revision, folder)) if major(&revision) < OLDEST => Found::Old { folder, revision },
        Some((revision, folder)) => Found::Ndk { folder, revision },
    }
}

/// 26.1.10909125, by the file that every NDK has.
fn revision(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("source.properties")).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Pkg.Revision"))?;
    Some(line.trim_start_matches([' ', '=']).trim().to_owned())
}

fn major(revision: &str) -> u32 {
    revision.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

impl Found {
    /// Its linker for this API level.
    pub fn linker(&self, level: u32) -> Option<PathBuf> {
        let Self::Ndk { folder, .. } = self else { return None };
        let end = if cfg!(windows) { ".cmd" } else { "" };
        let hosts = shell::entries(&folder.join("toolchains/llvm/prebuilt"));
        let name = format!("bin/aarch64-linux-android{level}-clang{end}");
        hosts.into_iter().map(|host| host.join(&name)).find(|linker| linker.is_file())
    }

    /// What is used, and how to get what is missing.
    pub fn text(&self) -> String {
        let instead = "The program is linked by stubs of Android's libraries instead, which is right for a shell of the \
                       phone; an app needs the NDK: Android Studio's SDK manager, or https://developer.android.com/ndk, \
                       with ANDROID_NDK_HOME naming its folder";
        match self {
            Self::Ndk { folder, revision } => format!("NDK {revision} in {}", folder.display()),
            Self::Old { folder, revision } => {
                format!("NDK {revision} in {} is older than r{OLDEST}. {instead}", folder.display())
            }
            Self::Nothing => format!("No NDK. {instead}"),
        }
    }

    /// In a few words.
    pub fn short(&self) -> String {
        match self {
            Self::Ndk { revision, .. } => format!("linked with NDK {revision}"),
            Self::Old { .. } | Self::Nothing => "linked by stubs, without an NDK".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_ndk_is_taken_and_an_old_one_named() {
        let folder = env::temp_dir().join(format!("llamita-ndk-{}", std::process::id()));
        shell::fresh_dir(&folder).expect("a folder of our own");
        let ndk = |revision: &str| {
            let ndk = folder.join(revision);
            let linkers = ndk.join("toolchains/llvm/prebuilt/linux-x86_64/bin");
            fs::create_dir_all(&linkers).expect("a folder of our own");
            for end in ["", ".cmd"] {
                fs::write(linkers.join(format!("aarch64-linux-android26-clang{end}")), "").expect("a file of our own");
            }
            let text = format!("Pkg.Desc = Android NDK\nPkg.Revision = {revision}\n");
            fs::write(ndk.join("source.properties"), text).expect("a file of our own");
            ndk
        };
        let (old, new) = (ndk("25.2.9519653"), ndk("27.0.12077973"));
        let found = newest(vec![old.clone(), new.clone(), folder.join("nothing")]);
        assert!(matches!(&found, Found::Ndk { folder, revision } if *folder == new && revision == "27.0.12077973"));
        assert!(found.linker(26).is_some_and(|linker| linker.starts_with(&new)));
        assert!(found.linker(21).is_none());
        let found = newest(vec![old]);
        assert!(found.linker(26).is_none());
        assert!(found.text().contains("25.2.9519653") && found.text().contains("older than r26"), "{}", found.text());
        assert!(newest(vec![folder.join("nothing")]).text().starts_with("No NDK"));
        fs::remove_dir_all(&folder).expect("a folder of our own");
    }
}
