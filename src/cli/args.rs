//! Arguments that several commands take.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use llamita::internals::drivers::fault::MadeFault;
use llamita::internals::plan::limits::Profile;
use llamita::{
    Activations, DeviceChoice, EmbeddingPlace, KvType, PackingChoice, PlanChoice, Quantize, ScaleType, Tier,
};

use super::failure::Failure;
use super::text;

/// The model, its device, and how it is run.
#[derive(Args)]
pub struct ModelArgs {
    /// GGUF file to run, any one where it was split into parts, or the folder of one of Meta's checkpoints
    /// (consolidated.00.pth, params.json, tokenizer.model); without it, the small story model that is part of this
    /// program
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub model: Option<PathBuf>,
    /// File whose tokenizer to use instead of the model's: tokenizer.json, tokenizer.model, or GGUF
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// Device to run on: the best GPU or else the CPU (auto), the best GPU, the CPU, or the GPU whose name contains
    /// NAME; `llamita devices` lists them
    #[arg(long, value_name = "auto|gpu|cpu|NAME", default_value = "auto", hide_default_value = true)]
    pub device: DeviceChoice,
    /// Shader features to use, instead of the best that the device has
    #[arg(long, value_parser = tier_parser())]
    pub tier: Option<Tier>,
    /// Plan to run, which is kernels, layout of the weights and default tier: that of the driver at hand (auto), that
    /// of real GPUs, that of a driver that runs shaders on the CPU, or this driver's own of that kind (software)
    #[arg(long, value_parser = plan_parser(), default_value = "auto")]
    pub plan: PlanChoice,
    /// Runs as if on a kind of device, with exactly its limits, features and memory; `llamita devices --limits NAME`
    /// shows them
    #[arg(long, value_name = "NAME", value_parser = limits_parser())]
    pub limits: Option<&'static Profile>,
    /// Tokens that fit, prompt and answer together; without it the model's own context, up to 4096, or up to 8192 for
    /// Meta's int4 checkpoints
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub context: Option<usize>,
    /// Type of the numbers in the KV cache: f16, or f32 in twice the bytes
    #[arg(long, value_parser = kv_parser(), default_value = "f16")]
    pub kv: KvType,
    #[command(flatten)]
    pub numbers: NumberArgs,
    /// Where the embedding is: on the device, or (host) in the file, whose rows this program decodes. That saves its
    /// bytes on the device and computes one token after the other instead of several in flight; it takes a model whose
    /// head is a matrix of its own, as in Meta's int4 checkpoints
    #[arg(long, value_parser = embedding_parser(), default_value = "device")]
    pub embedding: EmbeddingPlace,
    /// Most bytes to take on the device, as 800000000, 512M or 2G (K, M, G count in steps of 1024); without it, what
    /// the system has left where the device shares the system's memory, and no limit elsewhere
    #[arg(long, value_name = "SIZE", value_parser = size, allow_negative_numbers = true)]
    pub memory: Option<u64>,
    /// Makes a kernel fail, to see what becomes of it: wrong, broken, lost or killed, =LABEL or =LABEL@TIER
    #[arg(long, value_name = "KIND=LABEL", hide = true)]
    pub fault: Option<MadeFault>,
}

/// The numbers that a model is computed with.
#[derive(Args)]
pub struct NumberArgs {
    /// Activations that products read: f32; int8, per token where the checkpoint was trained for it, else 32 to a scale;
    /// int16 in decode, 32 to a scale (fixed); or (auto) int8 for Meta's int4 checkpoints, int16 where it is faster, which
    /// is on lavapipe for models from 1B on, and else f32
    #[arg(long, value_parser = activations_parser(), default_value = "auto")]
    pub activations: Activations,
    /// Quantizes weights of F32, F16 and BF16 while they are loaded; embedding and head become Q8_0. Other weights stay
    /// as they are, and a file that has only such is refused
    #[arg(long, value_name = "TYPE", value_parser = quantize_parser())]
    pub quantize: Option<Quantize>,
    /// Type of the scales of Meta's int4 weights on the device: as they are (f32), or rounded, in half the bytes (f16),
    /// which takes no other files. `inspect` says what it costs
    #[arg(long, value_parser = scales_parser(), default_value = "f32")]
    pub scales: ScaleType,
    /// Whether the input of an int4 checkpoint's down projections is rotated, as SpinQuant does; without it as the
    /// checkpoint says, which is on where it has no adaptors
    #[arg(long, value_name = "on|off", value_parser = on_off_parser())]
    pub spinquant: Option<bool>,
}

impl NumberArgs {
    /// How weights are packed.
    pub fn packing(&self) -> PackingChoice {
        PackingChoice { quantize: self.quantize, scales: self.scales }
    }
}

/// The types that weights are quantized to, by name.
fn quantize_parser() -> impl TypedValueParser<Value = Quantize> {
    PossibleValuesParser::new(Quantize::ALL.map(Quantize::name))
        .map(|name| Quantize::ALL.into_iter().find(|to| to.name() == name).expect("the names are those of types"))
}

/// Types of scales, by name.
fn scales_parser() -> impl TypedValueParser<Value = ScaleType> {
    PossibleValuesParser::new(ScaleType::ALL.map(ScaleType::name))
        .map(|name| ScaleType::ALL.into_iter().find(|scales| scales.name() == name).unwrap_or_default())
}

fn on_off_parser() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|name| name == "on")
}

/// Places of the embedding, by name.
pub fn embedding_parser() -> impl TypedValueParser<Value = EmbeddingPlace> {
    PossibleValuesParser::new(EmbeddingPlace::ALL.map(EmbeddingPlace::name))
        .map(|name| EmbeddingPlace::ALL.into_iter().find(|place| place.name() == name).unwrap_or_default())
}

/// The numbers of a KV cache, by name.
pub fn kv_parser() -> impl TypedValueParser<Value = KvType> {
    PossibleValuesParser::new(KvType::ALL.map(KvType::name))
        .map(|name| KvType::ALL.into_iter().find(|kv| kv.name() == name).unwrap_or_default())
}

/// Activations, by name.
pub fn activations_parser() -> impl TypedValueParser<Value = Activations> {
    PossibleValuesParser::new(Activations::ALL.map(Activations::name))
        .map(|name| Activations::ALL.into_iter().find(|choice| choice.name() == name).unwrap_or_default())
}

/// A tier, by name.
pub fn tier_parser() -> impl TypedValueParser<Value = Tier> {
    PossibleValuesParser::new(Tier::ALL.map(Tier::name))
        .map(|name| Tier::ALL.into_iter().find(|tier| tier.name() == name).unwrap_or_default())
}

/// A plan, by name.
pub fn plan_parser() -> impl TypedValueParser<Value = PlanChoice> {
    PossibleValuesParser::new(PlanChoice::ALL.map(PlanChoice::name))
        .map(|name| PlanChoice::ALL.into_iter().find(|plan| plan.name() == name).unwrap_or_default())
}

/// A profile of limits, by name.
pub fn limits_parser() -> impl TypedValueParser<Value = &'static Profile> {
    let names = PossibleValuesParser::new(Profile::ALL.map(|profile| profile.name));
    names.map(|name| Profile::named(&name).expect("the names are those of profiles"))
}

/// Parses `800000000`, `512M`, `2GiB` …
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor: u64 = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return Err("expected bytes, or a number with K, M or G".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| "expected a whole number, as in 512M".to_owned())?;
    count.checked_mul(factor).ok_or_else(|| "that is more than 64 bits can count".to_owned())
}

/// The text of a file, as it is but for a byte order mark; `-` is standard input.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    let (name, bytes) = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        ("standard input".to_owned(), std::io::stdin().read_to_end(&mut bytes).map(|_| bytes))
    } else {
        (path.display().to_string(), std::fs::read(path))
    };
    let bytes = bytes.map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
    let len = bytes.len();
    let bytes = text::unmarked(&name, bytes)?;
    let mark = len - bytes.len();
    String::from_utf8(bytes).map_err(|error| {
        let at = mark + error.utf8_error().valid_up_to();
        Failure::new(format!("{name} is not UTF-8 text: byte {at} of {len} is wrong"))
    })
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        assert_eq!(size("800000000"), Ok(800_000_000));
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        for wrong in ["", "M", "2X", "-1", "1.5G", "99999999999T", "é"] {
            assert!(size(wrong).is_err(), "{wrong:?}");
        }
    }
}
