//! How byte-level vocabularies cut a text into words before bytes merge: one row per rule, by llama.cpp's names for it.
//!
//! Names and flags are those of `llama_vocab::impl::load`, rules those of `llm_tokenizer_bpe` (`llama-vocab.cpp`).
//! Where llama.cpp rewrote a pattern for its own regular expressions, and names the model's own beside it, the model's
//! own stands here: `(?i:'s)` for `'[sS]`, `\p{Lu}` for a look-ahead on letters that are not `a` to `z`.
//!
//! Two flags are left out: `clean_spaces` changes what `llama_detokenize` makes of a whole text, and nothing that a
//! model reads or writes, and `add_sep` is for encoders. Four names are left out, whose vocabularies are not byte-level
//! and never come with a Llama: `gemma4`, `granite-embed-multi-311m`, `sarvam-moe`, `whitespace`.

/// A rule, the flags that go with it, and the names that a file may call it by (`tokenizer.ggml.pre`).
#[derive(Clone, Copy, Debug)]
pub struct PreTokenizer {
    /// Names whose ids the tests compare with those that llama.cpp has for a vocabulary of this name.
    pub checked: &'static [&'static str],
    /// Names without such a vocabulary. The rule is checked against Hugging Face's `tokenizers`.
    pub unchecked: &'static [&'static str],
    /// Patterns, one after the other: each cuts what those before it left. Its matches are words, and so is what lies
    /// between them.
    pub split: &'static [&'static str],
    /// Whether a word that is a token as a whole becomes it, also where no merges lead there.
    pub ignore_merges: bool,
    /// Whether a text begins with the beginning-of-text token where the file does not say.
    pub add_bos: bool,
}

impl PreTokenizer {
    /// The patterns of Llama 3, whose own file (`tokenizer.model`) holds none.
    pub(super) const LLAMA_3: &'static [&'static str] = &[LLAMA_3];

    /// The patterns of Hugging Face's `ByteLevel`, and of `Digits` with and without `individual_digits`.
    pub(super) const BYTE_LEVEL: &'static str = GPT_2;
    pub(super) const NUMBER: &'static str = NUMBER;
    pub(super) const NUMBERS: &'static str = NUMBERS;

    /// All names of the rule.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.checked.iter().chain(self.unchecked).copied()
    }

    /// The rule with this name.
    pub fn of(name: &str) -> Option<&'static Self> {
        PRE_TOKENIZERS.iter().find(|row| row.names().any(|known| known == name))
    }

    /// The patterns of a rule that has exactly these, or `None` where no rule has.
    pub(super) fn split_by(patterns: &[&str]) -> Option<&'static [&'static str]> {
        PRE_TOKENIZERS.iter().map(|row| row.split).find(|split| *split == patterns)
    }
}

/// A row without flags.
const PLAIN: PreTokenizer =
    PreTokenizer { checked: &[], unchecked: &[], split: &[], ignore_merges: false, add_bos: false };

/// Every rule that is known.
pub static PRE_TOKENIZERS: [PreTokenizer; 30] = [
    PreTokenizer {
        checked: &["llama-bpe"],
        unchecked: &["llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"],
        split: &[LLAMA_3],
        ignore_merges: true,
        add_bos: true,
    },
    PreTokenizer { unchecked: &["dbrx", "smaug-bpe", "chatglm-bpe"], split: &[LLAMA_3], ..PLAIN },
    PreTokenizer { unchecked: &["glm4", "glm5"], split: &[LLAMA_3], ignore_merges: true, ..PLAIN },
    PreTokenizer { unchecked: &["tekken"], split: &[TEKKEN], ignore_merges: true, add_bos: true, ..PLAIN },
    PreTokenizer {
        checked: &["gpt-2", "mpt"],
        unchecked: &[
            "phi-2",
            "roberta-bpe",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "exaone4",
            "modern-bert",
            "jina-es",
            "jina-de",
            "jina-v1-en",
            "jina-v2-es",
            "jina-v2-de",
            "jina-v2-code",
        ],
        split: &[GPT_2],
        ..PLAIN
    },
    PreTokenizer {
        checked: &["starcoder", "refact", "command-r"],
        unchecked: &["smollm", "codeshell", "exaone", "minerva-7b", "mellum2"],
        split: &[NUMBER, GPT_2],
        ..PLAIN
    },
    PreTokenizer {
        checked: &["qwen2"],
        unchecked: &[
            "deepseek-r1-qwen",
            "megrez",
            "stablelm2",
            "hunyuan",
            "solar-open",
            "grok-2",
            "kormo",
            "f2llmv2",
            // The same in other words.
            "bailingmoe",
            "bailingmoe2",
            "llada-moe",
        ],
        split: &[QWEN_2],
        ..PLAIN
    },
    PreTokenizer { checked: &["qwen35"], split: &[QWEN_35], ..PLAIN },
    PreTokenizer { checked: &["deepseek-llm"], split: &DEEPSEEK_LLM, ..PLAIN },
    PreTokenizer {
        checked: &["deepseek-coder"],
        split: &[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK_OF_DEEPSEEK, NUMBER],
        ..PLAIN
    },
    PreTokenizer {
        unchecked: &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        split: &[UP_TO_THREE_NUMBERS, CJK_AND_KANA, DEEPSEEK_3],
        ..PLAIN
    },
    PreTokenizer { unchecked: &["default"], split: &[DEFAULT_SIGNS, GPT_2, NUMBERS, THREE_DIGITS], ..PLAIN },
    PreTokenizer { checked: &["falcon"], split: &[FALCON_SIGNS, GPT_2, THREE_DIGITS], ..PLAIN },
    PreTokenizer { unchecked: &["bloom", "poro-chat", "gpt3-finnish"], split: &[BLOOM], ..PLAIN },
    PreTokenizer { unchecked: &["viking"], split: &[BLOOM, NUMBER], ..PLAIN },
    PreTokenizer {
        unchecked: &["chameleon"],
        split: &[
            "<sentinel:[0-9]+>",
            "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
            r"([\t\n]|    |  )",
            NUMBER,
            r"[\p{P}!-/:-@\[-`{-~]",
            GPT_2,
        ],
        add_bos: true,
        ..PLAIN
    },
    PreTokenizer { unchecked: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], split: &[GPT_4O], ..PLAIN },
    PreTokenizer { unchecked: &["granite-embed-multi-97m"], split: &[GPT_4O], ignore_merges: true, ..PLAIN },
    PreTokenizer { unchecked: &["tiny_aya", "cohere2moe"], split: &[r"\d{1,3}(?=(?:\d{3})*\b)", GPT_4O], ..PLAIN },
    PreTokenizer { unchecked: &["youtu"], split: &[YOUTU_CJK, YOUTU], ignore_merges: true, ..PLAIN },
    PreTokenizer { unchecked: &["minicpm5"], split: &[UP_TO_THREE_NUMBERS, MINICPM_5], ignore_merges: true, ..PLAIN },
    PreTokenizer { unchecked: &["jais-2"], split: &[JAIS_2], ..PLAIN },
    PreTokenizer { unchecked: &["seed-coder"], split: &[SEED_CODER], ..PLAIN },
    PreTokenizer { unchecked: &["exaone-moe"], split: &[EXAONE_MOE], ..PLAIN },
    PreTokenizer { unchecked: &["ufakzeka"], split: &[UFAKZEKA], ..PLAIN },
    PreTokenizer { unchecked: &["laguna"], split: &[r"[^\n]+|[\n]+", QWEN_2], ..PLAIN },
    PreTokenizer { unchecked: &["superbpe"], split: &[NUMBERS, r"(?=(?:\d{3})+(?:\D|$))"], ..PLAIN },
    PreTokenizer { unchecked: &["kimi-k2"], split: &[KIMI_K2], ..PLAIN },
    PreTokenizer {
        unchecked: &["afmoe"],
        // In threes from the right.
        split: &[r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))", AFMOE_SCRIPTS, DEEPSEEK_3],
        ..PLAIN
    },
    PreTokenizer { unchecked: &["spark2_5"], split: &[UP_TO_THREE_NUMBERS, CJK_AND_KANA, SPARK_2_5, NUMBER], ..PLAIN },
];

/// Llama 3's splitting, from Meta's `tokenizer.py`, verbatim.
const LLAMA_3: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|",
    r"\s*[\r\n]+|\s+(?!\S)|\s+",
);

/// GPT-2's, which `ByteLevel` of Hugging Face's `tokenizers` has built in.
const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// Llama 3's with each digit on its own.
const QWEN_2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|",
    r"\s+(?!\S)|\s+",
);

/// The same, where marks count as letters.
const QWEN_35: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|",
    r"\s*[\r\n]+|\s+(?!\S)|\s+",
);

/// Llama 3's with runs of digits of any length.
const MINICPM_5: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|",
    r"\s+(?!\S)|\s+",
);

/// Llama 3's with white space in powers of two.
const JAIS_2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|",
    r"\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|",
    r"\s{1,2}(?!\S)|\s{1}",
);

const SEED_CODER: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|",
    r"\s+(?!\S)|\s+",
);

const EXAONE_MOE: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
);

/// Qwen 2's without English contractions.
const UFAKZEKA: &str = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Words end before an upper-case letter that follows a lower-case one.
const TEKKEN: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|",
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);

/// The same with contractions, and digits in threes.
const GPT_4O: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);

/// The same with each digit on its own.
const YOUTU: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);

/// Hangul; signs of Chinese; Bopomofo; Chinese characters and kana.
const YOUTU_CJK: &str = concat!(
    "[\u{ac00}-\u{d7a3}\u{3131}-\u{318e}]+|",
    "[\u{ff01}\u{2026}\u{201c}\u{201d}\u{2018}\u{2019}\u{2014}\u{ff1a}\u{ff1b}\u{ff0c}",
    "\u{3001}-\u{303f}\u{fe30}-\u{fe4f}]+|",
    "[\u{3105}-\u{312f}]+|[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+",
);

/// Chinese characters apart from all other letters, and the rest as GPT-4o has it.
const KIMI_K2: &str = concat!(
    r"[\p{Han}]+|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);

const DEEPSEEK_3: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##,
    r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);

/// DeepSeek V3's with each end of a line on its own.
const SPARK_2_5: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##,
    r" ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+",
);

const CJK_AND_KANA: &str = "[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+";

/// From U+0800 on: Chinese characters, Hangul, and scripts of South and East Asia.
const CJK_OF_DEEPSEEK: &str = "[\u{4e00}-\u{9fa5}\u{800}-\u{4e00}\u{ac00}-\u{d7ff}]+";

const AFMOE_SCRIPTS: &str = concat!(
    "[\u{4e00}-\u{9fff}\u{3400}-\u{4dbf}\u{8c48}-\u{faff}\u{3040}-\u{309f}\u{30a0}-\u{30ff}\u{ff65}-\u{ff9f}",
    "\u{2f00}-\u{2fdf}\u{e40}-\u{e7f}\u{e80}-\u{eff}\u{1780}-\u{17ff}\u{1000}-\u{109f}\u{aa60}-\u{aa7f}",
    "\u{a9e0}-\u{a9ff}\u{ac00}-\u{d7af}\u{1100}-\u{11ff}]+",
);

const BLOOM: &str = concat!(r" ?[^(\s|.,!?", "\u{2026}\u{3002}\u{ff0c}\u{3001}\u{964}\u{6d4}\u{60c}", ")]+");

const FALCON_SIGNS: &str = r"[\p{P}\$\+<=>\^~\|`]+";

/// As Falcon's, without the backtick.
const DEFAULT_SIGNS: &str = r"[\p{P}\$\+<=>\^~\|]+";

/// Any sign that Unicode counts among numbers, each on its own.
const NUMBER: &str = r"\p{N}";

const NUMBERS: &str = r"\p{N}+";

const UP_TO_THREE_NUMBERS: &str = r"\p{N}{1,3}";

const THREE_DIGITS: &str = "[0-9][0-9][0-9]";

const DEEPSEEK_LLM: [&str; 6] = [
    r"[\r\n]",
    // Letters that have cases, as DeepSeek lists them.
    concat!(
        r"\s?[",
        "A-Za-z\u{b5}\u{c0}-\u{d6}\u{d8}-\u{f6}\u{f8}-\u{1ba}\u{1bc}-\u{1bf}\u{1c4}-\u{293}\u{295}-\u{2af}\u{370}",
        "-\u{373}\u{376}\u{377}\u{37b}-\u{37d}\u{37f}\u{386}\u{388}-\u{38a}\u{38c}\u{38e}-\u{3a1}\u{3a3}-\u{3f5}",
        "\u{3f7}-\u{481}\u{48a}-\u{52f}\u{531}-\u{556}\u{10a0}-\u{10c5}\u{13a0}-\u{13f5}\u{13f8}-\u{13fd}\u{1c90}",
        "-\u{1cba}\u{1cbd}-\u{1cbf}\u{1d00}-\u{1d2b}\u{1d6b}-\u{1d77}\u{1d79}-\u{1d9a}\u{1e00}-\u{1f15}\u{1f18}-",
        "\u{1f1d}\u{1f20}-\u{1f45}\u{1f48}-\u{1f4d}\u{1f50}-\u{1f57}\u{1f59}\u{1f5b}\u{1f5d}\u{1f5f}-\u{1f7d}",
        "\u{1f80}-\u{1fb4}\u{1fb6}-\u{1fbc}\u{1fbe}\u{1fc2}-\u{1fc4}\u{1fc6}-\u{1fcc}\u{1fd0}-\u{1fd3}\u{1fd6}-",
        "\u{1fdb}\u{1fe0}-\u{1fec}\u{1ff2}-\u{1ff4}\u{1ff6}-\u{1ffc}\u{2102}\u{2107}\u{210a}-\u{2113}\u{2115}",
        "\u{2119}-\u{211d}\u{2124}\u{2126}\u{2128}\u{212a}-\u{212d}\u{212f}-\u{2134}\u{2139}\u{213c}-\u{213f}",
        "\u{2145}-\u{2149}\u{214e}\u{2183}\u{2184}\u{2c00}-\u{2c7b}\u{2c7e}-\u{2ce4}\u{2ceb}-\u{2cee}\u{2cf2}",
        "\u{2cf3}\u{a640}-\u{a66d}\u{a680}-\u{a69b}\u{a722}-\u{a76f}\u{a771}-\u{a787}\u{a78b}-\u{a78e}\u{ab70}-",
        "\u{abbf}\u{fb00}-\u{fb06}\u{fb13}-\u{fb17}\u{ff21}-\u{ff3a}\u{ff41}-\u{ff5a}\u{10400}-\u{1044f}\u{104b0}",
        "-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-",
        "\u{1e943}",
        "]+",
    ),
    concat!(r"\s?[!-/:-~", "\u{ff01}-\u{ff0f}\u{ff1a}-\u{ff5e}\u{2018}-\u{201f}\u{3000}-\u{3002}", "]+"),
    r"\s+$",
    CJK_OF_DEEPSEEK,
    // Runs of them in llama.cpp, which is the same to its vocabulary: no token has two.
    NUMBER,
];
