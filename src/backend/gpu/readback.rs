//! Words that come back from the device.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::channel::oneshot;

use super::{Allocation, Gpu};
use crate::error::Result;

/// The words that a run copies to the host, when it is done; none without a copy.
pub struct Readback {
    gpu: Gpu,
    staging: Option<Allocation>,
    free: Rc<RefCell<Vec<Allocation>>>,
    done: oneshot::Receiver<Result<(), String>>,
    /// Answers after `done` would have, which a device that is lost may forget.
    polled: Option<oneshot::Receiver<()>>,
}

impl Readback {
    pub(super) fn new(
        gpu: &Gpu,
        staging: Option<Allocation>,
        free: Rc<RefCell<Vec<Allocation>>>,
        submission: wgpu::SubmissionIndex,
    ) -> Self {
        let (sender, done) = oneshot::channel();
        match &staging {
            Some(staging) => staging.map_async(wgpu::MapMode::Read, .., |result| {
                // A receiver that is gone does not want to know.
                sender.send(result.map_err(|e| e.to_string())).ok();
            }),
            None => gpu.inner.queue.on_submitted_work_done(|| {
                sender.send(Ok(())).ok();
            }),
        }
        let polled = gpu.inner.poller.watch(submission);
        Self { gpu: gpu.clone(), staging, free, done, polled }
    }

    /// Done when a submission is.
    pub(super) fn of_submission(gpu: &Gpu, submission: wgpu::SubmissionIndex) -> Self {
        Self::new(gpu, None, Rc::default(), submission)
    }
}

impl Future for Readback {
    type Output = Result<Vec<u32>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Self::Output> {
        let result = match Pin::new(&mut self.done).poll(context) {
            Poll::Ready(result) => result,
            Poll::Pending => {
                if let Err(error) = self.gpu.check() {
                    return Poll::Ready(Err(error));
                }
                let polled = self.polled.as_mut().is_some_and(|polled| Pin::new(polled).poll(context).is_ready());
                match self.done.try_recv() {
                    // The callback ran between the two looks.
                    Ok(Some(result)) => Ok(result),
                    _ if polled => return Poll::Ready(Err(self.gpu.fail("it forgot a submission".to_owned()))),
                    _ => {
                        self.gpu.inner.poller.nudge(context);
                        return Poll::Pending;
                    }
                }
            }
        };
        if let Err(error) = self.gpu.check() {
            return Poll::Ready(Err(error));
        }
        match result {
            Ok(Ok(())) => {}
            Ok(Err(text)) => return Poll::Ready(Err(self.gpu.fail(text))),
            Err(oneshot::Canceled) => {
                return Poll::Ready(Err(self.gpu.fail("it dropped a submission".to_owned())));
            }
        }
        let Some(staging) = self.staging.take() else { return Poll::Ready(Ok(Vec::new())) };
        let words = match staging.get_mapped_range(..) {
            Ok(view) => bytemuck::pod_collect_to_vec(&view),
            Err(error) => return Poll::Ready(Err(self.gpu.fail(error.to_string()))),
        };
        staging.unmap();
        self.free.borrow_mut().push(staging);
        Poll::Ready(Ok(words))
    }
}
