//! Goes on where the device is lost: on a fresh one, with the same text.

use llamita::source::Source;
use llamita::{Error, Reply, Result};

use super::output;

/// A device that is lost so often in one run of the command will not do.
const MOST: u32 = 3;

/// Takes pieces of replies, and brings back the device meanwhile.
pub struct Resuming<'a> {
    source: &'a dyn Source,
    left: u32,
}

impl<'a> Resuming<'a> {
    /// `source` is the file that the model was loaded from.
    pub fn new(source: &'a dyn Source) -> Self {
        Self { source, left: MOST }
    }

    /// The next piece of a reply.
    pub async fn next(&mut self, reply: &mut Reply<'_>) -> Option<Result<String>> {
        loop {
            let error = match reply.next().await {
                Some(Err(error @ Error::DeviceLost(_))) if self.left > 0 => error,
                piece => return piece,
            };
            self.left -= 1;
            // A driver's own words may take several lines.
            let why = error.to_string();
            let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
            output::note(&format!("note: {why}; going on with a fresh one"));
            if let Err(failed) = reply.resume(self.source).await {
                output::note(&format!("note: there is none: {failed}"));
                return Some(Err(error));
            }
        }
    }
}
