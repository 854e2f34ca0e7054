//! `llamita logits`: teacher-forced logits, as a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use llamita::Error;
use llamita::internals::session::scorer::SCORER_ROWS;
use llamita::tokenizer::Encode;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::Serialize;

use super::args::ModelArgs;
use super::failure::Failure;
use super::load::load_for;
use super::{interrupt, output};

/// Write the logits at every position of a text
///
/// The file holds `ids`, I32 [positions], and `logits`, F32 [positions, vocabulary]: row i follows from ids 0 to i.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita logits --prompt \"Once upon a time\" --out logits.safetensors
  llamita logits --model stories.gguf --ids 1,403,407 --out logits.safetensors --json")]
#[command(group = clap::ArgGroup::new("input").required(true))]
pub struct Logits {
    #[command(flatten)]
    model: ModelArgs,
    /// Text; one beginning-of-text token is put in front where the tokenizer has it so
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true, group = "input")]
    prompt: Option<String>,
    /// Token ids, taken as they are
    #[arg(long, value_name = "1,2,3", value_delimiter = ',', value_parser = id, allow_negative_numbers = true, group = "input")]
    ids: Option<Vec<u32>>,
    /// Tokens of a run; 1 takes the kernels of decode
    #[arg(long, value_name = "N", default_value_t = SCORER_ROWS as u32, value_parser = clap::value_parser!(u32).range(1..=64), allow_negative_numbers = true)]
    rows: u32,
    /// File to write, in the safetensors format
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

fn id(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| "expected ids as in 1,2,3".to_owned())
}

#[derive(Serialize)]
struct Report<'a> {
    positions: usize,
    vocabulary: usize,
    file: String,
    device: String,
    tier: &'static str,
    plan: &'static str,
    model: &'a str,
}

impl Logits {
    pub async fn run(self) -> Result<(), Failure> {
        // A file that cannot be written is refused before the model is loaded.
        let mut target = Target::create(&self.out)?;
        interrupt::keep();
        let loading = load_for(&self.model, self.ids.is_some());
        let loaded = interrupt::or_asked(loading).await.ok_or(Failure::Cancelled)??;
        let model = &loaded.model;
        let about = |error| Failure::with(&loaded.file, error);
        let ids = match (self.ids, self.prompt) {
            (Some(ids), _) => ids,
            (None, text) => {
                let text = text.unwrap_or_default();
                model.tokenizer().encode(&text, Encode { bos: true, special: false }).map_err(about)?
            }
        };
        let vocabulary = model.shape().vocabulary;
        if ids.is_empty() {
            return Err(Failure::new(format!("{}: the prompt has 0 tokens, so there are no logits", loaded.file)));
        }
        if ids.len() > model.context() {
            return Err(about(Error::ContextFull { prompt: ids.len(), context: model.context() }));
        }
        let scorer = model.scorer_of_rows(self.rows as usize, ids.len()).map_err(about)?;
        let bar = output::progress("scoring", ids.len() as u64, "positions");
        let mut written = target.header(&ids, vocabulary);
        let scores = scorer.logits(&ids, |_, logits| {
            if written.is_ok() {
                written = target.row(logits);
            }
            bar.inc(1);
        });
        let scored = interrupt::or_asked(scores).await;
        bar.finish_and_clear();
        scored.ok_or(Failure::Cancelled)?.map_err(about)?;
        written.and_then(|()| target.finish()).map_err(|error| cannot_write(&self.out, &error))?;

        let report = Report {
            positions: ids.len(),
            vocabulary,
            file: self.out.display().to_string(),
            device: model.device().name().to_owned(),
            tier: model.device().tier().name(),
            plan: model.device().plan().name,
            model: model.name(),
        };
        if self.json {
            return output::print_json(&report);
        }
        let positions = if report.positions == 1 { "position" } else { "positions" };
        output::print(&format!("{} {positions} of {vocabulary} logits in {}", report.positions, report.file))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}

/// A file that is being written. It takes its name once it is whole.
struct Target {
    file: BufWriter<File>,
    path: PathBuf,
    /// The file that it is written to until then; `None` for devices and pipes.
    temporary: Option<PathBuf>,
}

impl Target {
    fn create(out: &Path) -> Result<Self, Failure> {
        // A link stays a link: the file that it points to is replaced, or made where there is none yet.
        let path = out.canonicalize().unwrap_or_else(|_| out.to_owned());
        let old = path.metadata().ok();
        let special = old.as_ref().is_some_and(|old| !old.is_file()) || path.is_symlink();
        let part = || path.with_file_name(format!("llamita-{}.part", std::process::id()));
        let temporary = (!special).then(part);
        let failed = |error| cannot_write(out, &error);
        let file = File::create(temporary.as_ref().unwrap_or(&path)).map_err(failed)?;
        if let (Some(_), Some(old)) = (&temporary, old) {
            file.set_permissions(old.permissions()).map_err(failed)?;
        }
        Ok(Self { file: BufWriter::new(file), path, temporary })
    }

    /// The header of the format, and the ids; rows of logits follow.
    fn header(&mut self, ids: &[u32], vocabulary: usize) -> io::Result<()> {
        let (positions, ids_end) = (ids.len(), ids.len() * 4);
        let tensor = |dtype, shape, data_offsets| TensorInfo { dtype, shape, data_offsets };
        let tensors = vec![
            ("ids".to_owned(), tensor(Dtype::I32, vec![positions], (0, ids_end))),
            (
                "logits".to_owned(),
                tensor(Dtype::F32, vec![positions, vocabulary], (ids_end, ids_end + positions * vocabulary * 4)),
            ),
        ];
        let metadata = Metadata::new(None, tensors).map_err(io::Error::other)?;
        let mut header = serde_json::to_vec(&metadata)?;
        header.resize(header.len().next_multiple_of(8), b' ');
        self.file.write_all(&(header.len() as u64).to_le_bytes())?;
        self.file.write_all(&header)?;
        ids.iter().try_for_each(|id| self.file.write_all(&id.to_le_bytes()))
    }

    fn row(&mut self, logits: &[f32]) -> io::Result<()> {
        logits.iter().try_for_each(|logit| self.file.write_all(&logit.to_le_bytes()))
    }

    fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        if let Some(temporary) = &self.temporary {
            std::fs::rename(temporary, &self.path)?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary
            && let Err(error) = std::fs::remove_file(temporary)
        {
            log::warn!("{} stays behind: {error}", temporary.display());
        }
    }
}
