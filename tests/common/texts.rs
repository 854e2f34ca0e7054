//! Texts of every kind that a tokenizer meets, the same in every run.

/// Words and signs of many scripts. A text takes stretches of them, cut anywhere between characters.
const SCRIPTS: [&str; 40] = [
    "the quick brown fox jumps over a lazy dog upon time little girl named Lily park ",
    "don't we'LL I'VE it'S you'Re I'm they'D 'tis o'clock '' 's ’s ’T ",
    "L'été à Noël, garçon; über straße naïve Łódź İstanbul ñandú việc tiếng ",
    "АБВГабвгдежзийклмнопрстуфхцчшщъыьэюя їєґ ђћљ ",
    "αβγδεζηθικλμνξοπρστυφχψω ΑΒΓ ἀγαθός ",
    "مرحبا بالعالم مَرْحَبًا پچگڤ ٠١٢٣٤ ",
    "שלום עולם שָׁלוֹם ",
    "नमस्ते दुनिया क्षत्रिय १२३ ",
    "বাংলা ভাষা ১২৩ ",
    "ਪੰਜਾਬੀ ગુજરાતી ଓଡ଼ିଆ ",
    "தமிழ் மொழி ",
    "తెలుగు ಕನ್ನಡ മലയാളം සිංහල ",
    "สวัสดีชาวโลก ๐๑๒ ",
    "ພາສາລາວ བོད་སྐད། ",
    "မြန်မာဘာသာ ភាសាខ្មែរ ",
    "ქართული ᲥᲐᲠᲗᲣᲚᲘ Հայերեն ",
    "አማርኛ ትግርኛ ",
    "ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ ᚠᚢᚦᚨᚱᚲ ᚛ᚑᚌᚐᚋ᚜ ",
    "ᠮᠣᠩᠭᠣᠯ ᜊᜌ᜔ᜊᜌᜒᜈ᜔ ⵜⴰⵎⴰⵣⵉⵖⵜ ",
    "日本語テスト漢字かなカナｶﾅ你好世界繁體字",
    "안녕하세요 세계 ㄱㄴㄷ ᄀᄁᄂ",
    "ꀀꀁꀂ 𠀀𠀁𪜀 𐌰𐌱𐌲 𒀀𒀁 𓀀𓀁 ",
    "🤖👩‍👩‍👧‍👦🏳️‍🌈😀🇫🇷👍🏽🏴\u{e0067}\u{e0062}\u{e007f}❤️☺︎1️⃣#️⃣🤷🏿‍♀️🫠",
    "🇯🇵🇧🇷🇺🇳🇪🇺🇦🇧 🏴‍☠️👨🏽‍🚀👩‍❤️‍💋‍👨 ",
    "0123456789 12 345 6789 3.14 ½ ² Ⅷ ① ⅒ ٣٤٥ ६७८ 𝟘𝟙 1e-9 0xFF 1,000,000 ",
    "!?.,;:-_()[]{}<>/\\|@#$%^&*+=~`\"'…—“”€£¥©®™°§¶ ",
    "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋ ≤ ∞ ∑∏∫√ ←→⇒ ■□▲△ ─│┌┐ ℵ₀ xⁿ ",
    " \t\n\r\u{a0}\u{3000}\u{2003}\u{b}\u{85}  \n\n\r\n \u{2028}\u{2029}\u{202f}",
    "   \n  \n\n    \t\t \r\n\r\n ",
    "e\u{301}a\u{308}n\u{303}Z\u{351}\u{36b}\u{343}a\u{321}\u{34a}lg\u{321}o\u{33d} ﬁ ﬂ \u{200d}\u{feff}\u{200b}\u{ad}",
    "\u{0}\u{1}\u{2}\u{7}\u{8}\u{1b}[0m\u{7f}\u{80}\u{9f}\u{fffd}\u{ffff}\u{10ffff}\u{e000}\u{f8ff}",
    "def f(x):\n    return {k: v**2 for k, v in x.items() if k != '__init__'}\n",
    "for (int i = 0; i < n; ++i) { a[i] = b[i] << 3; } // done\r\n\t\t",
    "let v: Vec<&'a str> = s.split(\"::\").collect()?;\n#[derive(Clone)]\n",
    "<div class=\"a b\">&nbsp;</div><!-- x --> {\"a\": [1, 2.5, null]} ",
    "https://example.org/a?b=c&d=%20#e a@b.co C:\\Users\\x.txt ~/.config $HOME ",
    "<|begin_of_text|><|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
    "</s><s><unk><0x0A><0xFF>[INST] [/INST]<<SYS>>",
    "====----____****....####////\\\\\\\\~~~~++++>>>><<<<",
    "▁▁ Ġ Ċ ĉ Ä é ▁a ",
];

/// So many texts: stretches of scripts one after the other, and now and then a long run of one character or of any that
/// Unicode has.
pub fn texts(count: usize) -> Vec<String> {
    let scripts: Vec<Vec<char>> = SCRIPTS.iter().map(|script| script.chars().collect()).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    (0..count)
        .map(|_| {
            let mut text = String::new();
            for _ in 0..=random(6) {
                let script = &scripts[random(scripts.len())];
                let start = random(script.len());
                match random(12) {
                    0 => text.extend(std::iter::repeat_n(script[start], 1 + random(200))),
                    1 => text.extend((0..1 + random(8)).filter_map(|_| char::from_u32(random(0x11_0000) as u32))),
                    _ => text.extend(script.iter().cycle().skip(start).take(1 + random(24))),
                }
            }
            text
        })
        .collect()
}
