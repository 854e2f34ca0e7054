//! How a model whose device was lost goes on: on a fresh device, with weights that are read again.

use crate::backend::{Device, Weights};
use crate::error::{Error, Result};
use crate::format::{self, ReadScope};
use crate::plan::tuning::Tuning;
use crate::source::Source;
use crate::weights::{Matrices, Packings};

use super::loader::{Loader, reserve};
use super::opening::rotate;
use super::{Inner, Live, Model};

impl Model {
    /// Opens a fresh device and brings the weights there, if the device was lost; otherwise this does nothing. `source`
    /// is the file that the model was loaded from, since no copy of the weights is kept. Sessions go on with
    /// [`Session::resume`](crate::Session::resume), which calls this; a scorer has to be made again.
    ///
    /// # Errors
    /// Where no device can be opened or the new one is of another kind, or `source` cannot be read or holds another
    /// model. It may be called again.
    pub async fn resume(&self, source: &dyn Source) -> Result<()> {
        // Of sessions that resume at the same time, one does the work, and the others wait for it.
        let _turn = self.inner.resuming.lock().await;
        if !self.is_lost() {
            return Ok(());
        }
        let checkpoint = format::read(source, ReadScope::ModelOnly).await?;
        let other = |reason: &str| Error::Unsupported { name: source.name().to_owned(), reason: reason.to_owned() };
        let (mut shape, tensors) = checkpoint.model.ok_or_else(|| other("it holds no weights"))?;
        let Inner { matrices, tuning, live, packing, spinquant, .. } = &*self.inner;
        rotate(&mut shape, *spinquant).map_err(|reason| other(&reason))?;
        let packings = Packings::of(&tensors, *packing, self.embedding());
        if shape != *self.shape() || Matrices::new(&shape, &packings, tuning.cut()) != *matrices {
            return Err(other("it is not the file that the model was loaded from"));
        }
        let lost = match &live.borrow().weights {
            Weights::Gpu(gpu, weights) => {
                weights.destroy();
                gpu.clone()
            }
            Weights::Cpu(_) => return Ok(()),
        };
        let device = Device::Gpu(lost.reopen().await?);
        if (Tuning { kv: tuning.kv, activations: tuning.activations, ..device.tuning() }) != *tuning {
            return Err(Error::NoDevice(format!("{} is another kind of device than before", device.name())));
        }
        let weights = reserve(&device, matrices, &shape).await?;
        Loader::new(source, shape.arch, &tensors, matrices, weights.clone(), None).all(None).await?;
        *live.borrow_mut() = Live { device, weights };
        Ok(())
    }
}
