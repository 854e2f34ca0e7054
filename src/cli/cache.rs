//! The files that this program keeps about devices, in the system's folder for caches.

use std::path::PathBuf;

use etcetera::BaseStrategy;

/// A file of that name in `llamita` of the folder for caches (`XDG_CACHE_HOME`, or else `.cache` in the home folder; on
/// Windows the local application data). None where the system names no such folder.
pub fn file(name: &str) -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("llamita").join(name))
}
