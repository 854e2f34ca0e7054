//! The owner thread of `examples/threads.rs`: several threads get replies of one model, and may give them up.

use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use llamita::{DeviceChoice, Error, LoadOptions, PlanChoice, Sampling};

#[path = "common/context.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod context;
#[path = "common/engine.rs"]
mod engine;
#[path = "../examples/threads.rs"]
#[allow(dead_code, reason = "the example's own command line is not run here")]
mod threads;

use engine::{BUNDLED, Engine, greedy, say};
use threads::{MAX_REPLIES, Owner};

/// Tokens of a context that no reply fills while a test waits.
const ENDLESS: usize = 100_000;

/// The bundled model with a context of that length.
fn endless() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("threads-endless.gguf");
    std::fs::write(&path, context::file_with_context(Path::new(BUNDLED), ENDLESS as u32)).expect("a writable folder");
    path
}

/// Starts an owner on a device.
fn start(path: PathBuf, device: DeviceChoice, context: Option<usize>) -> Result<Owner, Error> {
    Owner::start(path, move || LoadOptions { device, context, ..LoadOptions::default() })
}

/// Each thread gets the text of its own prompt, the same as in a session that nobody else uses.
#[test]
fn every_thread_gets_its_own_text() {
    let prompts = ["Once upon a time", "The dog said", "Lily had a red ball", "One day", "Tom and his mom"];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(BUNDLED);
    for device in [DeviceChoice::Gpu, DeviceChoice::Cpu] {
        let alone = Engine { device: device.clone(), plan: PlanChoice::default(), tier: None };
        let model = alone.load_file(BUNDLED, LoadOptions::default());
        let expected =
            prompts.map(|prompt| say(&mut model.session().expect("there is memory"), prompt, greedy(40)).text);
        let owner = start(path.clone(), device, None).unwrap_or_else(|e| panic!("{e}"));
        let asking = prompts.map(|prompt| {
            let owner = owner.clone();
            std::thread::spawn(move || owner.reply(prompt, greedy(40)).into_iter().collect::<Result<String, Error>>())
        });
        let found = asking.map(|thread| thread.join().expect("no panic").unwrap_or_else(|e| panic!("{e}")));
        assert_eq!(found, expected);
    }
}

/// Replies that nobody receives any more end, and waiting prompts take their place.
#[test]
fn a_dropped_receiver_cancels_its_reply() {
    let owner = start(endless(), DeviceChoice::Gpu, Some(ENDLESS)).unwrap_or_else(|e| panic!("{e}"));
    let endless = [(); MAX_REPLIES].map(|()| owner.reply("Once upon a time", greedy(usize::MAX)));
    for reply in &endless {
        reply.recv().expect("a piece").unwrap_or_else(|e| panic!("{e}"));
    }
    let waiting = owner.reply("The dog said", greedy(8));
    let early = waiting.recv_timeout(Duration::from_millis(300)).map(|_| ());
    assert_eq!(early, Err(RecvTimeoutError::Timeout), "as many replies as may be are running");
    drop(endless);
    // A reply that went on would keep the prompt waiting for many minutes.
    for _ in 0..8 {
        let piece = waiting.recv_timeout(Duration::from_secs(60)).expect("a reply ended");
        piece.unwrap_or_else(|e| panic!("{e}"));
    }
}

/// Errors reach whoever asked, and the owner goes on.
#[test]
fn errors_come_back() {
    let refused = start("no/such/model.gguf".into(), DeviceChoice::Cpu, None).map(|_| ());
    assert!(matches!(refused, Err(Error::Read { .. })), "{refused:?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(BUNDLED);
    let owner = start(path, DeviceChoice::Cpu, None).unwrap_or_else(|e| panic!("{e}"));
    let invalid = Sampling { temperature: -1.0, ..Sampling::default() };
    let pieces: Vec<_> = owner.reply("Once", invalid).into_iter().collect();
    assert!(matches!(&pieces[..], [Err(Error::Setting { name: "temperature", .. })]), "{pieces:?}");
    assert_eq!(owner.reply("Once", greedy(3)).into_iter().filter(Result::is_ok).count(), 3);
}
