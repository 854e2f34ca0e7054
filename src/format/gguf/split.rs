//! The `split.*` keys: whether the parts of a split file belong together and are in order.

use crate::error::Result;

use super::reader::{Cursor, Metadata, Stop};
use super::tensors::Tensors;

/// Bytes of the shortest header.
const LEAST_HEADER_BYTES: u64 = 24;

/// The number of parts that `split.count` names. As in llama.cpp, a file without the key, or with 0, was not split.
fn said(metadata: &Metadata<'_>) -> Result<i128> {
    Ok(metadata.integer("split.count")?.unwrap_or(0).max(1))
}

/// The index of this part, from 0.
fn number(metadata: &Metadata<'_>) -> Result<i128> {
    Ok(metadata.integer("split.no")?.unwrap_or(0))
}

/// Refuses a file to which other parts were appended: parts are found by the names of their files.
pub(super) fn check_alone(
    metadata: &Metadata<'_>,
    cursor: &mut Cursor<'_>,
    tensor_count: u64,
    count: usize,
) -> Result<(), Stop> {
    let said = said(metadata)?;
    if count > 1 || said == 1 {
        return Ok(());
    }
    let number = number(metadata)?;
    let alignment = metadata.alignment()?;
    let end = match Tensors::read(cursor, tensor_count, alignment) {
        Ok(tensors) => tensors.end().unwrap_or(cursor.position()).next_multiple_of(alignment),
        Err(stop @ Stop::Need(_)) => return Err(stop),
        // The error of a file that is only one part comes first.
        Err(Stop::Failed(_)) => return Ok(()),
    };
    let rest = cursor.file_len().saturating_sub(end);
    if rest < LEAST_HEADER_BYTES {
        return Ok(());
    }
    Err(cursor.unsupported(format!(
        "it is part {} of {said} (split.no, split.count), and {rest} bytes follow its last tensor; parts that were put \
         one behind the other are no checkpoint: keep them as the files that they were, whose names end in \
         -00001-of-{said:05}.gguf and so on, or join them with llama-gguf-split --merge",
        number + 1
    )))
}

/// Refuses a part of a split file that was given alone, or in the place of another part.
pub(super) fn check(metadata: &Metadata<'_>, index: usize, count: usize) -> Result<()> {
    let said = said(metadata)?;
    if count == 1 && said == 1 {
        return Ok(());
    }
    let number = number(metadata)?;
    if count == 1 {
        return Err(metadata.unsupported(format!(
            "it is part {} of {said} (split.no, split.count) and came alone; parts are found by their names, which end in \
             -00001-of-{said:05}.gguf and so on",
            number + 1
        )));
    }
    if said == 1 {
        return Err(metadata.malformed(format!(
            "it was not split (split.count is 1, or missing), and was given as part {} of {count}; a whole file has \
             another name than -{:05}-of-{count:05}.gguf",
            index + 1,
            index + 1
        )));
    }
    if said != count as i128 {
        return Err(
            metadata.malformed(format!("split.count is {said}, and it was given as part {} of {count}", index + 1))
        );
    }
    if number != index as i128 {
        return Err(metadata.malformed(format!(
            "it is part {} of {count} (split.no is {number}), and was given as part {}",
            number + 1,
            index + 1
        )));
    }
    Ok(())
}

/// Refuses parts that hold another number of tensors than `split.tensors.count`. In a file that was not split, a wrong
/// number is a warning.
pub(super) fn check_tensors(metadata: &Metadata<'_>, found: usize, parts: usize) -> Result<()> {
    let said = metadata.integer("split.tensors.count");
    let said = if parts == 1 { metadata.hint(said) } else { said? };
    let Some(said) = said.filter(|said| *said != found as i128) else { return Ok(()) };
    let of = if parts == 1 { "it holds".to_owned() } else { format!("its {parts} parts hold") };
    let error = metadata.malformed(format!("split.tensors.count is {said}, and {of} {found} tensors"));
    if parts > 1 {
        return Err(error);
    }
    metadata.warn(&error);
    Ok(())
}
