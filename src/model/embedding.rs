//! An embedding that stays in its file: the host decodes the rows that a run begins with.

use std::ops::Range;
use std::rc::Rc;

use crate::arch::tensors::{Role, TensorId};
use crate::error::{Error, Result};
use crate::format::{ModelTensors, Tensor};
use crate::source::Source;
use crate::weights::pack::decode_packed;
use crate::weights::{Packing, PackingChoice};

use super::Model;
use super::loader::rows;

/// The embedding in a file that is mapped as long as this lives.
pub(super) struct HostEmbedding {
    source: Rc<dyn Source>,
    tensor: Tensor,
    /// The packing that the device would have, which may round.
    packing: Packing,
}

impl HostEmbedding {
    pub(super) const ID: TensorId = Role::TokenEmbd.of_model();

    /// The embedding of a model in its file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the file is not mapped.
    pub(super) fn new(source: &dyn Source, tensors: &ModelTensors, packing: PackingChoice) -> Result<Self> {
        let tensor = tensors[Self::ID].clone();
        let packing = packing.of(Self::ID, tensor.encoding);
        let unmapped = || Error::Unsupported {
            name: source.name().to_owned(),
            reason: "it is no mapped file, and the embedding can stay in no other (--embedding host)".to_owned(),
        };
        Ok(Self { source: source.keep().ok_or_else(unmapped)?, tensor, packing })
    }

    /// The tensor in its file.
    pub(super) fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// Reads rows to see that they are whole and finite, as they are when they are packed, and gives their pages back.
    ///
    /// # Errors
    /// Those of a row that is broken, and of the source.
    pub(super) async fn check(&self, range: Range<usize>) -> Result<()> {
        rows::read(&*self.source, Self::ID, &self.tensor, range.clone(), self.packing).await?;
        rows::release(&*self.source, &self.tensor, range);
        Ok(())
    }

    /// The rows of ids that are in the vocabulary, `[ids][dim]`, padded with zeros to whole blocks: what the dispatch
    /// `embed` makes of a table on the device.
    async fn rows(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let Self { source, tensor, packing } = self;
        let mut read = Vec::with_capacity(ids.len());
        for row in ids.iter().map(|id| *id as usize) {
            read.push(rows::read(&**source, Self::ID, tensor, row..row + 1, *packing).await?);
        }
        let encoding = rows::packed_from(tensor.encoding, *packing);
        Ok(decode_packed(*packing, encoding, &read.iter().map(AsRef::as_ref).collect::<Vec<_>>(), tensor.cols))
    }
}

impl Model {
    /// The rows of the embedding that a run over these ids begins with, `[ids][dim]`, padded with zeros to whole blocks;
    /// `None` where the device has the embedding.
    ///
    /// # Errors
    /// Where the file cannot be read.
    #[doc(hidden)]
    pub async fn embedding_rows(&self, ids: &[u32]) -> Result<Option<Vec<f32>>> {
        match &self.inner.embedding {
            Some(embedding) => embedding.rows(ids).await.map(Some),
            None => Ok(None),
        }
    }
}
