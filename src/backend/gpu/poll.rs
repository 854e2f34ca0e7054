//! Waiting for a submission: nothing on native fires a callback unless somebody polls the device.

#[cfg(all(feature = "native", not(target_arch = "wasm32")))]
mod threaded {
    use std::sync::mpsc;

    use futures::channel::oneshot;

    /// A submission, and who wants to know that it was polled.
    type Watched = (wgpu::SubmissionIndex, oneshot::Sender<()>);

    /// One thread that waits for each submission in turn, so that its callbacks run as soon as it is done.
    #[derive(Debug)]
    pub struct Poller {
        submissions: Option<mpsc::Sender<Watched>>,
        thread: Option<std::thread::JoinHandle<()>>,
    }

    impl Poller {
        pub fn new(device: wgpu::Device) -> Self {
            let (submissions, waiting) = mpsc::channel::<Watched>();
            let thread = std::thread::Builder::new().name("llamita-poll".to_owned()).spawn(move || {
                while let Ok((index, polled)) = waiting.recv() {
                    let wait = wgpu::PollType::Wait { submission_index: Some(index), timeout: None };
                    if let Err(error) = device.poll(wait) {
                        log::debug!("poll: {error}");
                    }
                    // The receiver is gone where nobody waits any more.
                    polled.send(()).ok();
                }
            });
            let thread = thread.map_err(|e| log::error!("no thread to poll the device: {e}")).ok();
            Self { submissions: Some(submissions), thread }
        }

        /// Sees to it that the callbacks of a submission run. The answer comes after them; it is an error where nobody
        /// will poll.
        pub fn watch(&self, index: wgpu::SubmissionIndex) -> Option<oneshot::Receiver<()>> {
            let (sender, polled) = oneshot::channel();
            if let Some(submissions) = &self.submissions {
                // The thread only ends after this sender is gone.
                submissions.send((index, sender)).ok();
            }
            Some(polled)
        }

        /// A future that waits for callbacks has nothing to do by itself.
        pub fn nudge(&self, _context: &std::task::Context) {}
    }

    impl Drop for Poller {
        fn drop(&mut self) {
            self.submissions = None;
            if let Some(thread) = self.thread.take()
                && thread.join().is_err()
            {
                log::error!("the polling thread panicked");
            }
        }
    }
}

#[cfg(not(all(feature = "native", not(target_arch = "wasm32"))))]
mod cooperative {
    use futures::channel::oneshot;

    /// Polls whenever a waiting future is polled. In browsers the event loop runs callbacks, and polling does nothing.
    #[derive(Debug)]
    pub struct Poller {
        device: wgpu::Device,
    }

    impl Poller {
        pub fn new(device: wgpu::Device) -> Self {
            Self { device }
        }

        /// There is no answer: whoever waits polls by itself.
        pub fn watch(&self, _index: wgpu::SubmissionIndex) -> Option<oneshot::Receiver<()>> {
            None
        }

        /// Without a thread, the waiting future itself polls, and asks to be woken again.
        pub fn nudge(&self, context: &std::task::Context) {
            if let Err(error) = self.device.poll(wgpu::PollType::Poll) {
                log::debug!("poll: {error}");
            }
            if cfg!(not(target_arch = "wasm32")) {
                context.waker().wake_by_ref();
            }
        }
    }
}

#[cfg(not(all(feature = "native", not(target_arch = "wasm32"))))]
pub use cooperative::Poller;
#[cfg(all(feature = "native", not(target_arch = "wasm32")))]
pub use threaded::Poller;
