//! Cancelling: futures that end when the caller says so, and that let the worker's event loop run meanwhile.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;
use web_time::Instant;

/// A worker that was busy for so long handles its messages: one of them may be a cancel.
const BUSY: Duration = Duration::from_millis(8);

#[wasm_bindgen]
extern "C" {
    /// A function that gives a promise, kept after the event loop has taken another turn.
    #[wasm_bindgen(typescript_type = "() => Promise<void>")]
    pub type NextTurn;

    #[wasm_bindgen(method, js_name = call)]
    fn call(this: &NextTurn) -> Promise;
}

thread_local! {
    static NEXT_TURN: RefCell<Option<NextTurn>> = const { RefCell::new(None) };
}

/// Sets the function that every later turn of the event loop is waited for with.
pub fn set_next_turn(next_turn: NextTurn) {
    NEXT_TURN.set(Some(next_turn));
}

fn next_turn() -> Option<JsFuture> {
    NEXT_TURN.with_borrow(|next_turn| next_turn.as_ref().map(|next_turn| JsFuture::from(next_turn.call())))
}

#[derive(Default)]
struct Flag {
    cancelled: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// A switch that ends the calls that it was given to.
#[wasm_bindgen]
#[derive(Clone, Default)]
pub struct Cancel {
    flag: Rc<Flag>,
}

#[wasm_bindgen]
impl Cancel {
    /// A switch that has not been used.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the calls.
    pub fn cancel(&self) {
        self.flag.cancelled.set(true);
        if let Some(waker) = self.flag.waker.take() {
            waker.wake();
        }
    }
}

impl Cancel {
    /// The output of a future, or `None` once it was cancelled. A promise that is kept at once takes no turn of the
    /// event loop, and neither does work on the CPU. So this waits for a turn whenever the future was busy for 8 ms.
    pub async fn attend<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut turn: Option<JsFuture> = None;
        let mut busy = Duration::ZERO;
        poll_fn(|context| {
            if self.flag.cancelled.get() {
                return Poll::Ready(None);
            }
            self.flag.waker.replace(Some(context.waker().clone()));
            if busy >= BUSY && turn.is_none() {
                turn = next_turn();
                busy = Duration::ZERO;
            }
            if let Some(waiting) = &mut turn {
                // A turn that fails is a turn nevertheless.
                if Pin::new(waiting).poll(context).is_pending() {
                    return Poll::Pending;
                }
                turn = None;
            }
            let begun = Instant::now();
            let outcome = work.as_mut().poll(context);
            busy += begun.elapsed();
            outcome.map(Some)
        })
        .await
    }
}
