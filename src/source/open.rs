//! Opens the files of a checkpoint on a disk.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use super::{File, Parts, Source, part_names};

/// What is read beside Meta's weights, the first of each list that exists.
const BESIDE: [&[&str]; 2] = [&["params.json"], &["tokenizer.model", "tokenizer.json"]];

/// A folder of Hugging Face's repositories that holds Meta's own files.
const ORIGINAL: &str = "original";

/// Opens the file at `path` and those that belong to it, or those of a folder.
pub(super) fn open(path: &Path) -> Result<Box<dyn Source>> {
    if path.is_dir() {
        return with_files_beside(&weights_in(path)?);
    }
    let given = File::open(path)?;
    if is_weights(path, &given) {
        return with_files_beside(path);
    }
    let names = path.file_name().and_then(|name| part_names(name.to_str()?)).filter(|names| names.len() > 1);
    let Some(names) = names else { return Ok(Box::new(given)) };
    let (count, whole) = (names.len(), given.name().to_owned());
    let open = |(i, name): (usize, String)| -> Result<Box<dyn Source>> {
        let part = File::open(path.with_file_name(name)).map_err(|error| match error {
            Error::Read { name, reason } => {
                let reason = format!("{reason}; it is part {} of {count}, by the name of {whole}", i + 1);
                Error::Read { name, reason }
            }
            other => other,
        })?;
        Ok(Box::new(part))
    };
    Ok(Box::new(Parts::new(names.into_iter().enumerate().map(open).collect::<Result<_>>()?)?))
}

/// Whether a file is a zip archive, as PyTorch writes them, or `safetensors`.
fn is_weights(path: &Path, file: &File) -> bool {
    file.map.starts_with(b"PK\x03\x04") || path.extension().is_some_and(|extension| extension == "safetensors")
}

/// Weights, and the files beside them.
fn with_files_beside(weights: &Path) -> Result<Box<dyn Source>> {
    let shards = shards(weights);
    if shards.len() > 1 {
        let names: Vec<String> = shards.iter().take(8).map(|shard| file_name(shard)).collect();
        let (count, names) = (shards.len(), names.join(", "));
        return Err(Error::Unsupported {
            name: weights.display().to_string(),
            reason: format!(
                "it is one of {count} files that share every tensor ({names}); models in one file are read"
            ),
        });
    }
    let mut files: Vec<Box<dyn Source>> = vec![Box::new(File::open(weights)?)];
    for names in BESIDE {
        let found = names.iter().map(|name| weights.with_file_name(name)).find(|path| path.exists());
        if let Some(path) = found {
            files.push(Box::new(File::open(path)?));
        }
    }
    Ok(Box::new(Parts::new(files)?))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The number of a file that is called `consolidated.NN.pth`.
fn shard_number(path: &Path) -> Option<u32> {
    let name = file_name(path);
    let digits = name.strip_prefix("consolidated.")?.strip_suffix(".pth")?;
    digits.parse().ok().filter(|_| digits.len() == 2)
}

/// All files of the model that this file is one of, where its name is of that kind.
fn shards(weights: &Path) -> Vec<PathBuf> {
    if shard_number(weights).is_none() {
        return vec![weights.to_owned()];
    }
    let folder = weights.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut shards = files_in(folder).unwrap_or_default();
    shards.retain(|path| shard_number(path).is_some());
    shards
}

/// The files of a folder, in the order of their names.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Error::Read { name: folder.display().to_string(), reason: error.to_string() };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The weights in a folder, or in the folder `original` in it.
fn weights_in(folder: &Path) -> Result<PathBuf> {
    let files = files_in(folder)?;
    let has_params = files.iter().any(|path| file_name(path) == BESIDE[0][0]);
    let is = |path: &Path, extension: &str| path.extension().is_some_and(|found| found == extension);
    let weights = |path: &&PathBuf| is(path, "pth") || has_params && is(path, "safetensors");
    // Of a model in several files, the first stands for all of them here.
    let mut found = files.iter().filter(weights).filter(|path| shard_number(path).is_none_or(|number| number == 0));
    let name = folder.display().to_string();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.clone()),
        (Some(first), Some(second)) => Err(Error::Unsupported {
            name,
            reason: format!("it holds {} and {}; name the one to read", file_name(first), file_name(second)),
        }),
        (None, _) => {
            let inner = folder.join(ORIGINAL);
            if inner.is_dir() {
                return weights_in(&inner);
            }
            let reason = "not a regular file, and a folder without Meta's consolidated.00.pth; name a file in it";
            Err(Error::Read { name, reason: reason.to_owned() })
        }
    }
}
