//! A driver that has no room for a buffer. Alone in its process, whose memory it limits.
#![cfg(target_os = "linux")]

#[path = "common/context.rs"]
mod context;
#[path = "common/engine.rs"]
mod engine;

use llamita::{Device, Error, LoadOptions, PlanChoice, Session};
use pollster::block_on;

use engine::{Engine, greedy, ids, try_finish};

const FIXTURE: &str = "random-q4_0-h64.gguf";

/// Tokens whose KV cache takes so much that no allocator finds it in what is left over.
const CONTEXT: u32 = 1 << 18;

/// What the process may take beyond what it has: enough for everything but the cache.
const ROOM: u64 = 48 << 20;

/// The address space of the process, in bytes.
fn taken() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: u64 = pages.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096
}

/// Limits the address space.
fn limit(bytes: libc::rlim_t) {
    // SAFETY: both calls take a struct that is there.
    unsafe {
        let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        assert_eq!(libc::getrlimit(libc::RLIMIT_AS, &mut now), 0);
        now.rlim_cur = bytes.min(now.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &now), 0);
    }
}

#[test]
fn a_driver_without_room_ends_nothing() {
    let source = context::with_context(FIXTURE, CONTEXT);
    let load = |first_capacity| {
        let (context, first_capacity) = (Some(CONTEXT as usize), Some(first_capacity));
        let options = LoadOptions { context, first_capacity, ..Default::default() };
        Engine::gpu(PlanChoice::default(), None).load(&source, options)
    };
    let (model, whole) = (load(64), load(CONTEXT as usize));
    let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
    if gpu.name().to_lowercase().contains("llvmpipe") {
        assert!(whole.budget().kv > 4 * ROOM, "{} bytes", whole.budget().kv);
    }
    // Everything is compiled before there is a limit.
    let mut session = model.session().expect("there is memory");
    let run = |session: &mut Session, prompt: &[u32], count| {
        Ok::<_, Error>(try_finish(session.reply_ids(prompt, greedy(count))?)?.ids)
    };
    let first = run(&mut session, &ids(20), 4).expect("it fits");
    let expected = run(&mut model.session().expect("there is memory"), &[&ids(20)[..], &first].concat(), 12);
    let expected = expected.expect("it fits");

    limit(taken() + ROOM);
    let session_refused = block_on(async {
        match whole.session() {
            Ok(mut session) => session.ready().await,
            Err(error) => Err(error),
        }
    });
    limit(libc::RLIM_INFINITY);
    let Err(Error::OutOfMemory { bytes, reason, .. }) = &session_refused else { panic!("{session_refused:?}") };
    println!("{bytes} bytes refused: {reason}");
    assert!(*bytes > 4 * ROOM && !reason.contains("limit"), "{reason}");

    // What there was goes on, and so does a new session where there is room again.
    assert!(!model.is_lost() && !whole.is_lost());
    assert_eq!(run(&mut session, &[], 12).expect("it was not touched"), expected);
    whole.session().expect("there is room now");
}
