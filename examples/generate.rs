//! Streams a story: `cargo run --release --example generate -- MODEL.gguf "Once upon a time"`.
//!
//! The whole public API in one place: a source, a model, a session, a reply. Everything is asynchronous and needs no
//! runtime; here `pollster` waits.

use std::io::Write;

use llamita::{LoadOptions, Model, Sampling, source};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: generate MODEL.gguf [PROMPT]");
        std::process::exit(2);
    };
    let prompt = arguments.next().unwrap_or_else(|| "Once upon a time".to_owned());
    if let Err(error) = pollster::block_on(generate(&path, &prompt)) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn generate(path: &str, prompt: &str) -> Result<(), Box<dyn std::error::Error>> {
    // The weights stream from the file, or all parts of a split one, to the device; `LoadOptions` chooses the device,
    // the context and the memory.
    let model = Model::load(source::open(path)?.as_ref(), LoadOptions::default()).await?;
    eprintln!("{} on {} ({})", model.name(), model.device().name(), model.device().tier());

    // A session is a conversation: it owns the KV cache. Sessions of one model may live at once.
    let mut session = model.session()?;

    // The file's own settings, or Llama's: temperature 0.6, top-p 0.9. Temperature 0 is greedy.
    let sampling = Sampling { max_tokens: 200, temperature: 0.0, ..model.sampling() };

    // A reply is a stream of text; dropping it cancels.
    let mut reply = session.reply(prompt, sampling)?;
    let mut out = std::io::stdout();
    write!(out, "{prompt}")?;
    while let Some(piece) = reply.next().await {
        write!(out, "{}", piece?)?;
        out.flush()?;
    }
    let stats = reply.finish();
    writeln!(out)?;
    eprintln!(
        "{} tokens at {:.1} tokens/s, the first after {:.0} ms ({:?})",
        stats.generated_tokens,
        stats.decode_tokens_per_second(),
        stats.time_to_first_token_ms,
        stats.stop_reason
    );
    Ok(())
}
