//! Four functions with C's calling convention, for Swift, Kotlin and C: `docs/phone.md` builds them as a static
//! library.
//!
//! A handle holds all of its model, so it may move between threads as a whole. One thread at a time uses it. Texts are
//! UTF-8 and end with a zero byte. An error is written into `error`, cut to `error_len` bytes, and the function then
//! gives null or false.

use std::ffi::{CStr, CString, c_char, c_void};

use llamita::{LoadOptions, Model, Session, source};

/// A loaded model with one conversation.
pub struct Llamita {
    session: Session,
    device: CString,
}

/// Loads a GGUF file, with the other parts where it was split, onto the best GPU, or else the CPU. `memory` is the most
/// bytes to take there, 0 for no limit.
///
/// # Safety
/// `path` is a text, and `error` has room for `error_len` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llamita_open(
    path: *const c_char,
    memory: u64,
    error: *mut c_char,
    error_len: usize,
) -> *mut Llamita {
    let open = || -> Result<Llamita, String> {
        let path = unsafe { text(path) }?;
        let file = source::open(path).map_err(|error| error.to_string())?;
        let options = LoadOptions { memory: (memory > 0).then_some(memory), ..LoadOptions::default() };
        let model = pollster::block_on(Model::load(file.as_ref(), options)).map_err(|error| error.to_string())?;
        let device = CString::new(format!("{} ({})", model.device().name(), model.device().tier())).unwrap_or_default();
        Ok(Llamita { session: model.session().map_err(|error| error.to_string())?, device })
    };
    match open() {
        Ok(llamita) => Box::into_raw(Box::new(llamita)),
        Err(message) => {
            unsafe { say(&message, error, error_len) };
            std::ptr::null_mut()
        }
    }
}

/// What it runs on; the text lives as long as the handle.
///
/// # Safety
/// `llamita` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llamita_device(llamita: *const Llamita) -> *const c_char {
    unsafe { &*llamita }.device.as_ptr()
}

/// Continues the conversation by `prompt` and up to `max_tokens` tokens. Every piece of text goes to `piece` as it
/// comes, on this thread; where `piece` answers false the reply ends.
///
/// # Safety
/// `llamita` is open and in no other call, `prompt` is a text, `error` is as in [`llamita_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llamita_reply(
    llamita: *mut Llamita,
    prompt: *const c_char,
    max_tokens: u32,
    piece: extern "C" fn(context: *mut c_void, text: *const c_char) -> bool,
    context: *mut c_void,
    error: *mut c_char,
    error_len: usize,
) -> bool {
    let session = &mut unsafe { &mut *llamita }.session;
    let mut reply = || -> Result<(), String> {
        let prompt = unsafe { text(prompt) }?;
        let mut sampling = session.model().sampling();
        sampling.max_tokens = max_tokens as usize;
        let mut reply = session.reply(prompt, sampling).map_err(|error| error.to_string())?;
        while let Some(next) = pollster::block_on(reply.next()) {
            let next = next.map_err(|error| error.to_string())?;
            // A zero byte would end the text early, and a model can write one.
            let next = CString::new(next.replace('\0', "\u{FFFD}")).map_err(|error| error.to_string())?;
            if !piece(context, next.as_ptr()) {
                break;
            }
        }
        Ok(())
    };
    match reply() {
        Ok(()) => true,
        Err(message) => {
            unsafe { say(&message, error, error_len) };
            false
        }
    }
}

/// Frees the model and its conversation.
///
/// # Safety
/// `llamita` is open or null, and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llamita_close(llamita: *mut Llamita) {
    if !llamita.is_null() {
        drop(unsafe { Box::from_raw(llamita) });
    }
}

unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, String> {
    if text.is_null() {
        return Err("a text is null".to_owned());
    }
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|error| format!("a text is not UTF-8: {error}"))
}

unsafe fn say(message: &str, error: *mut c_char, error_len: usize) {
    if error.is_null() || error_len == 0 {
        return;
    }
    let most = message.len().min(error_len - 1);
    let len = (0..=most).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    unsafe {
        std::ptr::copy_nonoverlapping(message.as_ptr().cast(), error, len);
        *error.add(len) = 0;
    }
}
