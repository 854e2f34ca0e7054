//! The `split.*` keys: whether parts of a file belong together, and stand where they say.

use crate::error::Result;

use super::reader::{Cursor, Metadata, Stop};
use super::tensors::Tensors;

/// The least that a header has.
const LEAST_HEADER_BYTES: u64 = 24;

/// How many parts there are by what this one says. As in llama.cpp, a file without the key, or with 0, was not split.
fn said(metadata: &Metadata<'_>) -> Result<i128> {
    Ok(metadata.integer("split.count")?.unwrap_or(0).max(1))
}

/// Which part this is, from 0.
fn number(metadata: &Metadata<'_>) -> Result<i128> {
    Ok(metadata.integer("split.no")?.unwrap_or(0))
}

/// Refuses a file to which other parts were appended: they are found by their names, and not behind each other.
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
        // That it is a part comes first.
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

/// Refuses a part of a split file that came alone, or in the place of another.
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

/// Refuses parts that hold fewer tensors, or more, than were split. A file that was not split needs no such number.
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
