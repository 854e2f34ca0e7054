//! The contents of a file, and the sums of the memory that it takes.

use std::collections::BTreeMap;

use llamita::error::printable;
use llamita::internals::arch::tensors::Role;
use llamita::internals::format::{Checkpoint, Vocabulary, VocabularyKind};
use llamita::source::Source;
use llamita::{Budget, Error};
use serde::Serialize;

use super::Inspect;
use crate::cli::{memory, output};

/// One flat object. Fields that the file says nothing of are left out.
#[derive(Serialize)]
pub struct Report {
    file: String,
    file_bytes: u64,
    file_parts: usize,
    format: String,
    name: String,
    #[serde(flatten)]
    model: Option<ModelReport>,
    tensors: usize,
    tensor_bytes: u64,
    /// `tensors_q4_0`, `tensor_bytes_q4_0` …
    #[serde(flatten)]
    by_type: BTreeMap<String, u64>,
    #[serde(skip)]
    kinds: Vec<(String, u64, u64)>,
    #[serde(flatten)]
    tokenizer: Option<TokenizerReport>,
    chat_template: bool,
    temperature: Option<f32>,
    top_k: Option<u32>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    penalty_last_n: Option<u32>,
    system_bytes_left: Option<u64>,
}

#[derive(Serialize)]
struct ModelReport {
    architecture: &'static str,
    /// `SpinQuant`, `QLoRA` or `int4`; nothing of other checkpoints.
    kind: Option<&'static str>,
    /// The format in which products read activations, of decode and prefill.
    activations: &'static str,
    /// `--scales f16`: the normalised mean squared error of the tensor whose scales lose most.
    scales_nmse: Option<f64>,
    parameters: u64,
    layers: usize,
    dim: usize,
    ffn: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    vocabulary: usize,
    context: usize,
    tied_head: bool,
    device_context: usize,
    device_weight_bytes: u64,
    device_kv_bytes: u64,
    device_scratch_bytes: u64,
    device_bytes: u64,
    /// Weights that the device does not take, since they stay in the file.
    saved_bytes: u64,
    /// The profile of `--limits`, the memory that it names, and whether the model fits.
    limits: Option<&'static str>,
    limits_memory_bytes: Option<u64>,
    fits: Option<bool>,
    /// The advice where the model does not fit.
    #[serde(skip)]
    advice: Option<String>,
}

#[derive(Serialize)]
struct TokenizerReport {
    tokenizer: &'static str,
    tokenizer_tokens: usize,
    bos: Option<u32>,
    bos_text: Option<String>,
    adds_bos: bool,
    eos: Option<u32>,
    eos_text: Option<String>,
    end_of_generation: Vec<u32>,
}

impl Report {
    pub fn new(inspect: &Inspect, source: &dyn Source, checkpoint: &Checkpoint) -> llamita::Result<Self> {
        let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for tensor in checkpoint.tensors.values() {
            let (count, bytes) = kinds.entry(&tensor.kind).or_default();
            (*count, *bytes) = (*count + 1, *bytes + tensor.bytes);
        }
        let by_type = kinds.iter().flat_map(|(kind, (count, bytes))| {
            let kind = kind.to_lowercase();
            [(format!("tensors_{kind}"), *count), (format!("tensor_bytes_{kind}"), *bytes)]
        });
        let sampling = checkpoint.sampling;
        Ok(Self {
            file: source.name().to_owned(),
            file_bytes: source.len(),
            file_parts: source.parts().len(),
            format: checkpoint.format.clone(),
            name: checkpoint.name.clone(),
            model: ModelReport::new(inspect, source, checkpoint)?,
            tensors: checkpoint.tensors.len(),
            tensor_bytes: kinds.values().map(|(_, bytes)| bytes).sum(),
            by_type: by_type.collect(),
            kinds: kinds.into_iter().map(|(kind, (count, bytes))| (kind.to_owned(), count, bytes)).collect(),
            tokenizer: checkpoint.vocabulary.as_ref().map(TokenizerReport::new),
            chat_template: checkpoint.chat_template.is_some(),
            temperature: sampling.temperature,
            top_k: sampling.top_k,
            top_p: sampling.top_p,
            min_p: sampling.min_p,
            repetition_penalty: sampling.repetition_penalty,
            penalty_last_n: sampling.penalty_last_n,
            system_bytes_left: memory::available(),
        })
    }
}

impl ModelReport {
    fn new(inspect: &Inspect, source: &dyn Source, checkpoint: &Checkpoint) -> llamita::Result<Option<Self>> {
        let Some(sized) = inspect.sized(source.name(), checkpoint)? else { return Ok(None) };
        let (shape, tensors) = (&sized.shape, sized.tensors);
        let needed @ Budget { weights, kv, scratch } = sized.inputs().budget();
        let memory = inspect.limits.and_then(|profile| profile.memory.value);
        let advice = match sized.inputs().check(memory) {
            Err(Error::Memory { advice, .. }) => Some(advice),
            checked => checked.map(|_| None)?,
        };
        Ok(Some(Self {
            architecture: shape.arch.name,
            kind: shape.scheme.kind(),
            activations: sized.activations(),
            scales_nmse: sized.scales_nmse(source)?,
            parameters: checkpoint.parameters(),
            layers: shape.layers,
            dim: shape.dim,
            ffn: shape.ffn,
            heads: shape.heads,
            kv_heads: shape.kv_heads,
            head_dim: shape.head_dim,
            vocabulary: shape.vocabulary,
            context: shape.context,
            tied_head: tensors.get(Role::Output.of_model()).is_none(),
            device_context: sized.context,
            device_weight_bytes: weights,
            device_kv_bytes: kv,
            device_scratch_bytes: scratch,
            device_bytes: needed.total(),
            saved_bytes: sized.saved_bytes(),
            limits: inspect.limits.map(|profile| profile.name),
            limits_memory_bytes: memory,
            fits: memory.map(|_| advice.is_none()),
            advice,
        }))
    }
}

impl TokenizerReport {
    fn new(vocabulary: &Vocabulary) -> Self {
        let text = |id: Option<u32>| vocabulary.tokens.get(id? as usize).cloned();
        Self {
            tokenizer: match vocabulary.kind {
                VocabularyKind::ByteLevelBpe { .. } => "byte-level BPE",
                VocabularyKind::SentencePiece { .. } => "sentencepiece BPE",
            },
            tokenizer_tokens: vocabulary.tokens.len(),
            bos: vocabulary.bos,
            bos_text: text(vocabulary.bos),
            adds_bos: vocabulary.add_bos,
            eos: vocabulary.eos,
            eos_text: text(vocabulary.eos),
            end_of_generation: vocabulary.end_of_generation.clone(),
        }
    }
}

impl Report {
    pub fn text(&self) -> String {
        let parts = if self.file_parts == 1 { String::new() } else { format!(" in {} parts", self.file_parts) };
        let mut rows = vec![
            (
                "file",
                format!(
                    "{}, {}, {}{parts}",
                    printable(&self.file, usize::MAX),
                    self.format,
                    output::bytes(self.file_bytes)
                ),
            ),
            ("name", self.name.clone()),
        ];
        match &self.model {
            Some(model) => rows.extend(model.rows()),
            None => rows.push(("model", "none: a vocabulary alone".to_owned())),
        }
        for (i, (kind, count, bytes)) in self.kinds.iter().enumerate() {
            let label = if i == 0 { "tensors" } else { "" };
            rows.push((label, format!("{kind:<6} {count:>5}  {:>10}", output::bytes(*bytes))));
        }
        match &self.tokenizer {
            Some(tokenizer) => rows.extend(tokenizer.rows()),
            None => rows.push(("tokenizer", "none".to_owned())),
        }
        rows.push(("chat template", if self.chat_template { "yes" } else { "none" }.to_owned()));
        let settings = [
            self.temperature.map(|value| format!("temperature {value}")),
            self.top_k.map(|value| format!("top-k {value}")),
            self.top_p.map(|value| format!("top-p {value}")),
            self.min_p.map(|value| format!("min-p {value}")),
            self.repetition_penalty.map(|value| format!("repetition penalty {value}")),
            self.penalty_last_n.map(|value| format!("of the last {value}")),
        ];
        let settings: Vec<String> = settings.into_iter().flatten().collect();
        rows.push(("sampling", if settings.is_empty() { "no settings".to_owned() } else { settings.join(", ") }));
        if let Some(model) = &self.model {
            rows.extend(model.device_rows());
            rows.push(("system memory", format!("{} left", output::or_unknown(self.system_bytes_left))));
        }
        rows.iter().map(|(label, value)| format!("{label:<14} {value}")).collect::<Vec<_>>().join("\n")
    }
}

impl ModelReport {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let head = if self.tied_head { "tied to the embedding" } else { "its own matrix" };
        let mut rows = vec![("model", format!("{}, {} parameters", self.architecture, self.parameters))];
        if let Some(kind) = self.kind {
            rows.push(("kind", format!("{kind}, {}", self.computed(kind))));
        }
        if let Some(nmse) = self.scales_nmse {
            rows.push(("scales", format!("rounded to f16, an NMSE of at most {nmse:.1e} in the weights of a tensor")));
        }
        rows.extend([
            ("shape", format!("{} layers, dim {}, ffn {}", self.layers, self.dim, self.ffn)),
            ("heads", format!("{} of {}, {} for keys and values", self.heads, self.head_dim, self.kv_heads)),
            ("vocabulary", format!("{}, head {head}", self.vocabulary)),
            ("context", format!("{} tokens", self.context)),
        ]);
        rows
    }

    /// How a quantized checkpoint of this kind is computed.
    fn computed(&self, kind: &str) -> String {
        let weights = match kind {
            "QLoRA" => "int4 weights with adaptors",
            "SpinQuant" => "int4 weights, whose down projections read a rotated input",
            _ => "int4 weights",
        };
        let activations = match self.activations {
            "int8" => "int8 activations per token, as it was trained for (--activations f32 rounds none)".to_owned(),
            other => format!("{other} activations (it was trained for int8)"),
        };
        format!("{weights}; {activations}")
    }

    fn device_rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![(
            "on a device",
            format!(
                "{} for a context of {}: {} weights, {} KV cache, {} scratch",
                output::bytes(self.device_bytes),
                self.device_context,
                output::bytes(self.device_weight_bytes),
                output::bytes(self.device_kv_bytes),
                output::bytes(self.device_scratch_bytes),
            ),
        )];
        if self.saved_bytes > 0 {
            rows.push(("embedding", format!("in the file: the device takes {} less", output::bytes(self.saved_bytes))));
        }
        if let Some(name) = self.limits {
            let fits = match (self.limits_memory_bytes.map(output::bytes), &self.advice) {
                (None, _) => "no limit of memory is known".to_owned(),
                (Some(memory), None) => format!("fits the {memory} that it may take"),
                (Some(memory), Some(advice)) => format!("does not fit the {memory} that it may take: {advice}"),
            };
            rows.push(("limits", format!("{name}: {fits}")));
        }
        rows
    }
}

impl TokenizerReport {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let token = |id: Option<u32>, text: &Option<String>| match (id, text) {
            (Some(id), Some(text)) => format!("{id} {text:?}"),
            _ => "none".to_owned(),
        };
        let added = if self.adds_bos { "put before every text" } else { "not put before a text" };
        vec![
            ("tokenizer", format!("{}, {} tokens", self.tokenizer, self.tokenizer_tokens)),
            ("begin of text", format!("{}, {added}", token(self.bos, &self.bos_text))),
            ("end of text", token(self.eos, &self.eos_text)),
        ]
    }
}
