//! Replies that go on with the same text on a fresh device, where their device is lost.

use llamita::source::Source;
use llamita::{Device, Error, Reply, Result};

use super::output;

/// Most lost devices in one run of the command. A device that is lost more often is not used further.
const MAX_LOST: u32 = 3;

/// Takes the pieces of replies, and resumes a reply that loses its device.
pub struct Resuming<'a> {
    source: &'a dyn Source,
    /// How many more lost devices are replaced.
    left: u32,
    /// The device that is to be lost on purpose, and the tokens of a reply after which.
    lose: Option<(usize, Device)>,
}

impl<'a> Resuming<'a> {
    /// `source` is the file that the model was loaded from.
    pub fn new(source: &'a dyn Source) -> Self {
        Self { source, left: MAX_LOST, lose: None }
    }

    /// Destroys the device once a reply has `after` tokens, as a failing driver would.
    pub fn losing(mut self, device: Device, after: usize) -> Self {
        self.lose = Some((after, device));
        self
    }

    /// The next piece of a reply.
    pub async fn next(&mut self, reply: &mut Reply<'_>) -> Option<Result<String>> {
        if let Some((_, Device::Gpu(gpu))) = self.lose.take_if(|(after, _)| reply.token_ids().len() >= *after) {
            gpu.destroy();
        }
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
