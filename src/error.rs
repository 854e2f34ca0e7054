//! One error type. Every message carries the numbers that decided.

/// An error, in words that a person can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading a source failed.
    #[error("cannot read {name}: {reason}")]
    Read {
        /// The file or address.
        name: String,
        /// The system's own words.
        reason: String,
    },
    /// The bytes are not a valid checkpoint.
    #[error("{name} is not a valid {format} file: {reason}")]
    Malformed {
        /// The file or address.
        name: String,
        /// `GGUF`, `safetensors` …
        format: &'static str,
        /// The value that was found, its place, and the expected one.
        reason: String,
    },
    /// The checkpoint is valid, and asks for something this engine does not do.
    #[error("{name} is not supported: {reason}")]
    Unsupported {
        /// The file or address.
        name: String,
        /// The feature that it asks for, and those that are supported.
        reason: String,
    },
    /// The tokenizer could not be built or run.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The prompt and the tokens asked for do not fit.
    #[error("the prompt has {prompt} tokens, and the context holds {context}")]
    ContextFull {
        /// Tokens of the prompt, the beginning-of-text token included.
        prompt: usize,
        /// Tokens that the session holds.
        context: usize,
    },
    /// A token id outside the vocabulary.
    #[error("token id {id} is outside the vocabulary of {vocabulary}")]
    TokenId {
        /// The id that was given.
        id: u32,
        /// Ids run from 0 to this number, exclusive.
        vocabulary: usize,
    },
    /// A setting outside its range.
    #[error("{name} = {value} is invalid: {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The value that was given.
        value: String,
        /// The values that are accepted.
        expected: &'static str,
    },
    /// More memory would be needed than there is.
    #[error(
        "{needed} bytes are needed on the device ({weights} weights, {kv} KV cache for a context of {context}, \
         {scratch} scratch), and the budget is {budget}; {advice}"
    )]
    Memory {
        /// Bytes in all.
        needed: u64,
        /// Bytes of packed weights.
        weights: u64,
        /// Bytes of the KV cache.
        kv: u64,
        /// Bytes of activations, staging and parameters.
        scratch: u64,
        /// The context that was asked for, in tokens.
        context: usize,
        /// Bytes allowed.
        budget: u64,
        /// A context that would fit, or other advice.
        advice: String,
    },
    /// A buffer was refused, by the device or by the limit that it was given. What there was before stays usable.
    #[error("no room for {bytes} bytes of {what} beside the {in_use} bytes in use: {reason}")]
    OutOfMemory {
        /// The buffer, or what it is for.
        what: String,
        /// Bytes that were asked for.
        bytes: u64,
        /// Bytes of this program on the device.
        in_use: u64,
        /// Who refused.
        reason: String,
    },
    /// A chat template is no Jinja, failed while it ran, or refused the conversation.
    #[error("the chat template fails in line {line}, at {excerpt:?}: {reason}")]
    Template {
        /// The line, from 1.
        line: usize,
        /// The text there.
        excerpt: String,
        /// The template's own words where it raised, else what went wrong.
        reason: String,
    },
    /// A chat template takes longer, or makes more, than a template may for this conversation.
    #[error(
        "the chat template takes more than {limit}, in line {line}, at {excerpt:?}: a shorter conversation takes less"
    )]
    TemplateTooCostly {
        /// The time, or the steps, which stand for memory too.
        limit: String,
        /// The line, from 1.
        line: usize,
        /// The text there.
        excerpt: String,
    },
    /// A chat was asked for, and nothing says how messages are written.
    #[error(
        "the file has no chat template, and its vocabulary lacks {missing} for Llama 3's own: it can continue a text \
         (llamita generate), and chat with the template that it was trained with (--template FILE)"
    )]
    NoChatTemplate {
        /// A token that Llama 3's format needs.
        missing: &'static str,
    },
    /// The newest turn of a conversation is too long, even without all others.
    #[error("the system prompt and the newest turn have {tokens} tokens, and the context holds {context}")]
    TurnTooLong {
        /// Tokens of both, up to where the answer begins.
        tokens: usize,
        /// Tokens that the session holds.
        context: usize,
    },
    /// The logits are NaN or infinite where a token is to follow.
    #[error(
        "no logit is a number at position {position}: the model's weights hold NaN or infinities, or this device \
         computes wrongly"
    )]
    NotFinite {
        /// The position in the context of the token that was to follow.
        position: usize,
    },
    /// No adapter fits what was asked for.
    #[error("no GPU: {0}")]
    NoDevice(String),
    /// The device refused a kernel.
    #[error("the kernel {kernel} does not compile on this device: {reason}")]
    Kernel {
        /// The kernel's label.
        kernel: String,
        /// The digest of its text.
        digest: String,
        /// The compiler's own words.
        reason: String,
    },
    /// Everything that the device could run needs a kernel that failed there.
    #[error("{device} does not run this model: {reason}; {advice}")]
    Quarantined {
        /// The adapter's name.
        device: String,
        /// The plans and tiers that were considered, with the kernels that failed.
        reason: String,
        /// What helps.
        advice: String,
    },
    /// The device went away or ran out of memory while it worked.
    #[error("the device was lost: {0}")]
    DeviceLost(String),
    /// A kernel or a plan broke its own contract: a bug of this project.
    #[error("internal error, please report it: {0}")]
    Internal(String),
}

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A text of a file as it may be printed, in one line: without what a terminal would obey, or what turns the direction
/// of writing, and cut after `most` characters.
pub fn printable(text: &str, most: usize) -> String {
    let mut line = String::new();
    for (i, letter) in text.chars().enumerate() {
        if i == most {
            line.push('…');
            break;
        }
        match letter {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => line.extend(letter.escape_unicode()),
            _ if letter.is_control() => line.extend(letter.escape_default()),
            _ => line.push(letter),
        }
    }
    line
}
