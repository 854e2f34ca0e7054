//! Many threads, one model: `cargo run --release --example threads -- MODEL.gguf "Once upon a time" "The dog said"`.
//!
//! A model, its sessions and its replies stay on the thread that loaded the model. Here that thread has a mailbox. Any
//! thread sends a prompt there and gets a channel with the text of its own reply. Replies run side by side, each in a
//! session of its own. Dropping the channel cancels the reply.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use llamita::{LoadOptions, Model, Result, Sampling, source};

/// Most replies that run at once. Every one has a KV cache; further prompts wait in the mailbox.
pub const MAX_REPLIES: usize = 2;

/// A prompt, its settings, and the channel that the text goes to.
struct Request {
    prompt: String,
    sampling: Sampling,
    text: mpsc::Sender<Result<String>>,
}

/// The address of the thread that owns a model. It may be cloned and sent to any thread; the owner ends with the last
/// one.
#[derive(Clone)]
pub struct Owner {
    mailbox: UnboundedSender<Request>,
}

impl Owner {
    /// Starts a thread that loads a model with these options and owns it, and waits until the model is loaded.
    pub fn start(path: PathBuf, options: impl FnOnce() -> LoadOptions<'static> + Send + 'static) -> Result<Self> {
        let (mailbox, requests) = unbounded();
        let (loaded, outcome) = mpsc::channel();
        std::thread::spawn(move || {
            pollster::block_on(async {
                match load(path, options()).await {
                    Ok(model) => {
                        loaded.send(Ok(())).ok();
                        requests.for_each_concurrent(MAX_REPLIES, |request| serve(&model, request)).await;
                    }
                    Err(error) => drop(loaded.send(Err(error))),
                }
            });
        });
        outcome.recv().expect("the owner reports how loading went")?;
        Ok(Self { mailbox })
    }

    /// Asks for a reply. Its pieces come one by one; the channel ends with the reply, or after an error.
    pub fn reply(&self, prompt: impl Into<String>, sampling: Sampling) -> Receiver<Result<String>> {
        let (text, pieces) = mpsc::channel();
        // Without an owner the request is dropped, and the channel ends at once.
        self.mailbox.unbounded_send(Request { prompt: prompt.into(), sampling, text }).ok();
        pieces
    }
}

async fn load(path: PathBuf, options: LoadOptions<'_>) -> Result<Model> {
    let source = source::open(path)?;
    Model::load(source.as_ref(), options).await
}

/// Answers a request, on the owner's thread.
async fn serve(model: &Model, request: Request) {
    if let Err(error) = stream(model, &request).await {
        request.text.send(Err(error)).ok();
    }
}

async fn stream(model: &Model, request: &Request) -> Result<()> {
    let mut session = model.session()?;
    let mut reply = session.reply(&request.prompt, request.sampling.clone())?;
    while let Some(piece) = reply.next().await {
        if request.text.send(Ok(piece?)).is_err() {
            // The receiver is gone. Leaving drops the reply, which cancels it.
            break;
        }
    }
    Ok(())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: threads MODEL.gguf [PROMPT …]");
        std::process::exit(2);
    };
    let owner = Owner::start(path.into(), LoadOptions::default).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        std::process::exit(1);
    });
    let asking: Vec<_> = arguments
        .map(|prompt| {
            let owner = owner.clone();
            std::thread::spawn(move || {
                let pieces = owner.reply(&prompt, Sampling { max_tokens: 100, ..Sampling::greedy() });
                match pieces.into_iter().collect::<Result<String>>() {
                    Ok(text) => println!("{prompt}{text}\n"),
                    Err(error) => eprintln!("error: {error}"),
                }
            })
        })
        .collect();
    for thread in asking {
        thread.join().expect("the thread reports its own errors");
    }
}
