//! A conversation: `cargo run --release --example chat -- MODEL.gguf ["system prompt"]`, then a message per line.
//!
//! Messages are a plain list that you keep. Every turn sends all of them, and the session computes only what is new.

use std::io::Write;

use llamita::chat::Date;
use llamita::{LoadOptions, Message, Model, Sampling, StopReason, source};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: chat MODEL.gguf [SYSTEM]");
        std::process::exit(2);
    };
    if let Err(error) = pollster::block_on(chat(&path, arguments.next())) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn chat(path: &str, system: Option<String>) -> Result<(), Box<dyn std::error::Error>> {
    let model = Model::load(source::open(path)?.as_ref(), LoadOptions::default()).await?;
    let mut session = model.session()?;
    // The file's own template, which may tell the model what day it is.
    session.set_chat_template(model.chat_template()?.with_date(Date::now()));
    let sampling = Sampling { max_tokens: 500, stop: vec!["\nUser:".to_owned()], ..model.sampling() };

    let mut messages: Vec<Message> = system.map(Message::system).into_iter().collect();
    let first = messages.len();
    let mut out = std::io::stdout();
    for line in std::io::stdin().lines() {
        messages.push(Message::user(line?));
        let mut reply = session.reply(&messages, sampling.clone())?;
        // Where the context is full, the oldest turns are left out.
        let dropped = reply.dropped();
        let mut answer = String::new();
        while let Some(piece) = reply.next().await {
            let piece = piece?;
            write!(out, "{piece}")?;
            out.flush()?;
            answer += &piece;
        }
        let stats = reply.finish();
        writeln!(out)?;
        eprintln!("({} tokens in, {} out)", stats.prompt_tokens, stats.generated_tokens);
        if stats.stop_reason == StopReason::Context {
            eprintln!("(the context is full)");
        }
        messages.drain(first..first + dropped);
        messages.push(Message::assistant(answer));
    }
    Ok(())
}
