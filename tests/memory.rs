//! A driver that has no room for a buffer. Alone in its process, whose memory it limits.
#![cfg(target_os = "linux")]

#[path = "common/context.rs"]
mod context;

use llamita::{Device, DeviceChoice, Error, LoadOptions, Model, Sampling, Session};
use pollster::block_on;

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

fn greedy(max_tokens: usize) -> Sampling {
    Sampling { max_tokens, ignore_eos: true, ..Sampling::greedy() }
}

fn ids(count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 37 + 11) % 250).collect()
}

#[test]
fn a_driver_without_room_ends_nothing() {
    let source = context::with_context(FIXTURE, CONTEXT);
    let load = |first_capacity| {
        let context = Some(CONTEXT as usize);
        let options = LoadOptions {
            device: DeviceChoice::Gpu,
            context,
            first_capacity: Some(first_capacity),
            ..Default::default()
        };
        block_on(Model::load(&source, options)).unwrap_or_else(|e| panic!("{e}"))
    };
    let (model, whole) = (load(64), load(CONTEXT as usize));
    let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
    if gpu.name().to_lowercase().contains("llvmpipe") {
        assert!(whole.budget().kv > 4 * ROOM, "{} bytes", whole.budget().kv);
    }
    // Everything is compiled before there is a limit.
    let mut session = model.session().expect("there is memory");
    let run = |session: &mut Session, prompt: &[u32], count| {
        let mut reply = session.reply_ids(prompt, greedy(count))?;
        while let Some(piece) = block_on(reply.next()) {
            piece?;
        }
        Ok::<_, Error>(reply.token_ids().to_vec())
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
