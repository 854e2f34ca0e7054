//! Ctrl-C: ends a command at once, or lets it print what there is.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;

use futures::task::AtomicWaker;

/// What a shell reports for SIGINT.
pub const EXIT_CODE: u8 = 130;

/// There is nothing to keep: Ctrl-C ends the process.
const NOTHING: u8 = 0;
/// There is something to print or to clean up.
const SOMETHING: u8 = 1;
/// The command was asked to end; asked again, the process ends.
const ASKED: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(NOTHING);
static WAKER: AtomicWaker = AtomicWaker::new();

/// Takes over Ctrl-C.
pub fn install() {
    let handler = || {
        if STATE.compare_exchange(SOMETHING, ASKED, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            WAKER.wake();
        } else {
            exit_now();
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        log::debug!("Ctrl-C ends the process without ceremony: {error}");
    }
}

/// From here on the first Ctrl-C only asks: [`or_asked`] answers it.
pub fn keep() {
    STATE.store(SOMETHING, Ordering::SeqCst);
}

/// There is nothing to keep any more: Ctrl-C ends the process again.
pub fn rest() {
    STATE.store(NOTHING, Ordering::SeqCst);
}

/// What a future gives, or `None` as soon as Ctrl-C was pressed; the future is dropped then.
pub async fn or_asked<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        WAKER.register(context.waker());
        if STATE.load(Ordering::SeqCst) == ASKED {
            return Poll::Ready(None);
        }
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Ends the process without the exit handlers of drivers: the main thread may be in the middle of one.
#[cfg(unix)]
fn exit_now() -> ! {
    unsafe extern "C" {
        fn _exit(status: std::ffi::c_int) -> !;
    }
    // SAFETY: it takes any number, and ends the process. Results are flushed as they are written.
    unsafe { _exit(EXIT_CODE.into()) }
}

#[cfg(not(unix))]
fn exit_now() -> ! {
    std::process::exit(EXIT_CODE.into())
}
