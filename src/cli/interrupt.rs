//! Ctrl-C: ends a command at once, or lets it print the results so far. A terminal is left as it was found.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;

use futures::task::AtomicWaker;

/// The exit code of a process that SIGINT ended, as shells report it.
pub const EXIT_CODE: u8 = 130;

/// There are no results to print: Ctrl-C ends the process.
const NOTHING: u8 = 0;
/// There are results to print or files to clean up: the first Ctrl-C asks the command to end.
const SOMETHING: u8 = 1;
/// The command was asked to end; asked again, the process ends.
const ASKED: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(NOTHING);
static WAKER: AtomicWaker = AtomicWaker::new();

/// Handles Ctrl-C and the other signals that ask a process to end. A signal that the parent process ignores stays
/// ignored, as in the background of a script or under `nohup`.
pub fn install() {
    #[cfg(unix)]
    ignored::block();
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

/// From here on Ctrl-C ends the process again.
pub fn rest() {
    STATE.store(NOTHING, Ordering::SeqCst);
}

/// The output of a future, or `None` once Ctrl-C was pressed. The future is dropped then.
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
    terminal::exit(EXIT_CODE.into())
}

#[cfg(not(unix))]
fn exit_now() -> ! {
    std::process::exit(EXIT_CODE.into())
}

/// From here on the terminal gets its present settings back when the process ends, even while a line editor reads from
/// it. SIGTERM and SIGHUP then end the process at once, with 128 plus their number as exit code; they do not merely
/// stop an answer.
pub fn keep_terminal() {
    #[cfg(unix)]
    terminal::keep();
}

#[cfg(unix)]
mod ignored {
    use std::mem::MaybeUninit;
    use std::ptr::{null, null_mut};

    /// Keeps ignored signals away from the handlers that anyone sets later, line editors among them. It holds for
    /// threads that are started from here on.
    pub fn block() {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            let mut now = MaybeUninit::<libc::sigaction>::uninit();
            let mut set = MaybeUninit::<libc::sigset_t>::uninit();
            // SAFETY: both are filled before they are looked at, the first where the answer is 0.
            unsafe {
                if libc::sigaction(signal, null(), now.as_mut_ptr()) == 0
                    && now.assume_init().sa_sigaction == libc::SIG_IGN
                {
                    libc::sigemptyset(set.as_mut_ptr());
                    libc::sigaddset(set.as_mut_ptr(), signal);
                    libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), null_mut());
                }
            }
        }
    }
}

#[cfg(unix)]
mod terminal {
    use std::ffi::c_int;
    use std::mem::MaybeUninit;
    use std::sync::OnceLock;

    use libc::{STDIN_FILENO, STDOUT_FILENO, TCSANOW, termios};

    /// Turns bracketed paste off, which line editors turn on.
    const NO_PASTE_MARKS: &[u8] = b"\x1b[?2004l\r\n";

    static AT_FIRST: OnceLock<termios> = OnceLock::new();

    pub fn keep() {
        if let Some(now) = settings() {
            AT_FIRST.get_or_init(|| now);
        }
        let handler: extern "C" fn(c_int) -> ! = end;
        for signal in [libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: the handler calls nothing that a signal must not interrupt.
            unsafe { libc::signal(signal, handler as *const () as libc::sighandler_t) };
        }
    }

    fn settings() -> Option<termios> {
        let mut now = MaybeUninit::uninit();
        // SAFETY: a 0 says that the struct was filled.
        unsafe { (libc::tcgetattr(STDIN_FILENO, now.as_mut_ptr()) == 0).then(|| now.assume_init()) }
    }

    extern "C" fn end(signal: c_int) -> ! {
        exit(128 + signal)
    }

    /// Ends the process as it stands; signal handlers may call it.
    pub fn exit(code: c_int) -> ! {
        if let (Some(first), Some(now)) = (AT_FIRST.get(), settings())
            && first.c_lflag != now.c_lflag
        {
            // SAFETY: the settings are those that the terminal had, and the bytes are there.
            unsafe {
                libc::tcsetattr(STDIN_FILENO, TCSANOW, first);
                libc::write(STDOUT_FILENO, NO_PASTE_MARKS.as_ptr().cast(), NO_PASTE_MARKS.len());
            }
        }
        // SAFETY: it takes any number, and ends the process. Results are flushed as they are written.
        unsafe { libc::_exit(code) }
    }
}
