//! Int4 checkpoints that are wrong, or merely odd, and what is said of them.

use llamita::{LoadOptions, ScaleType};
use serde_json::{Value, json};

use super::tiny_meta::*;

#[test]
fn whole_ones_are_loaded() {
    for tiny in [Tiny::spinquant(), Tiny::qlora(), Tiny::plain()] {
        let logits = tiny.logits(LoadOptions::default());
        assert!(logits.iter().all(|logit| logit.is_finite()) && logits.iter().any(|logit| *logit != logits[0]));
    }
}

#[test]
fn tensors_that_are_missing() {
    refused(
        Tiny::qlora(),
        |tiny| tiny.drop(|name| name == "layers.0.attention.wq.scales"),
        &[WEIGHTS, "1 of its tensors are missing: layers.0.attention.wq.scales"],
    );
    let all = |tiny: &mut Tiny| tiny.drop(|name| name.ends_with(".scales"));
    refused(Tiny::qlora(), all, &["9 of its tensors are missing: tok_embeddings.scales, ", ", and 1 more"]);
    refused(
        Tiny::qlora(),
        |tiny| tiny.drop(|name| name.contains("w2.adaptor.B") || name.contains("wk.adaptor.A")),
        &["2 of its tensors are missing: layers.0.attention.wk.adaptor.A.weight, \
            layers.0.feed_forward.w2.adaptor.B.weight"],
    );
    // The head of an int4 checkpoint is a tensor of its own.
    refused(
        Tiny::spinquant(),
        |tiny| tiny.drop(|name| name.starts_with("output.")),
        &["2 of its tensors are missing: output.weight, output.scales"],
    );
    let extra = |tiny: &mut Tiny| tiny.add("layers.0.attention.wq.bias", BF16, &[DIM], vec![0; 2 * DIM as usize]);
    refused(Tiny::spinquant(), extra, &["a Llama of 1 blocks has no layers.0.attention.wq.bias"]);
    let extra = |tiny: &mut Tiny| tiny.add("norm.scales", F32, &[DIM], vec![0; 4 * DIM as usize]);
    refused(Tiny::spinquant(), extra, &["a Llama of 1 blocks has no norm.scales"]);
    // Embedding and head have no adaptors.
    let extra = |tiny: &mut Tiny| tiny.add("output.adaptor.A.weight", BF16, &[RANK, DIM], vec![0; 2048]);
    refused(Tiny::qlora(), extra, &["a Llama of 1 blocks has no output.adaptor.A.weight"]);
}

#[test]
fn adaptors_and_their_arguments() {
    refused(
        Tiny::qlora(),
        |tiny| tiny.params["lora_args"] = Value::Null,
        &["it has adaptors, layers.0.attention.", ", and 6 more, and dir/params.json has no lora_args"],
    );
    refused(
        Tiny::spinquant(),
        |tiny| tiny.params["lora_args"] = json!({"rank": 16, "scale": 2.0}),
        &[WEIGHTS, "dir/params.json has lora_args", "no adaptors"],
    );
    let with = |args: Value, words: &[&str]| refused(Tiny::qlora(), |tiny| tiny.params["lora_args"] = args, words);
    with(json!({"rank": 12, "scale": 2.0}), &[PARAMS, "adaptors of rank 12; supported ranks are [8, 16, 32, 64]"]);
    with(json!({"rank": 8, "scale": 2.0}), &["wq.adaptor.A.weight has dimensions [16, 64]", "asks for [8, 64]"]);
    with(json!({"rank": 0, "scale": 2.0}), &[PARAMS, "lora_args.rank is 0; expected an integer from 1"]);
    with(json!({"rank": 16}), &[PARAMS, "lora_args.scale is missing"]);
    with(json!({"scale": 2.0}), &[PARAMS, "lora_args.rank is missing"]);
    with(json!({"rank": 16, "scale": "2"}), &[PARAMS, "lora_args.scale is \"2\"; expected a number"]);
    with(json!({"rank": 16, "scale": 1e30}), &[PARAMS, "lora_args.scale is 1e+30; expected a number"]);
    with(json!({"rank": 16, "scale": 2.0, "alpha": 32}), &[PARAMS, "lora_args has alpha of 32, which is not known"]);
    with(json!([16, 2.0]), &[PARAMS, "lora_args is [16,2.0]; expected an object"]);
    refused(
        Tiny::plain(),
        |tiny| tiny.params["lora_args"] = json!({"rank": 16, "scale": 2.0}),
        &["dir/params.json has lora_args, and none of its tensors is quantized"],
    );
}

#[test]
fn what_params_say_of_quants() {
    let with = |args: Value, words: &[&str]| {
        refused(Tiny::spinquant(), |tiny| tiny.params["quantization_args"] = args, words);
    };
    with(json!({"group_size": 64}), &["dir/params.json has groups of 64; supported are groups of 32"]);
    with(json!({"group_size": 0}), &[PARAMS, "quantization_args.group_size is 0; expected an integer from 1"]);
    with(json!({"group_size": 32, "bits": 4}), &[PARAMS, "quantization_args has bits of 4, which is not known"]);
    with(json!({"scheme": "fp8"}), &[PARAMS, "quantization_args.scheme is \"fp8\"; expected int4_weight"]);
    with(json!({"spinquant": 1}), &[PARAMS, "quantization_args.spinquant is 1; expected true or false"]);
    with(json!(32), &[PARAMS, "quantization_args is 32; expected an object"]);
    refused(
        Tiny::plain(),
        |tiny| tiny.params["quantization_args"] = json!({"group_size": 32}),
        &[WEIGHTS, "dir/params.json has quantization_args, and none of its tensors is quantized"],
    );
    // The tensors decide where the file says nothing, and it may say all that is known.
    let expected = Tiny::spinquant().logits(LoadOptions::default());
    let scheme = "int4_weight_int8_dynamic_activation";
    for args in [Value::Null, json!({}), json!({"group_size": 32, "scheme": scheme, "spinquant": true})] {
        let mut tiny = Tiny::spinquant();
        tiny.params["quantization_args"] = args;
        assert_eq!(tiny.logits(LoadOptions::default()), expected);
    }
    let mut without = Tiny::spinquant();
    without.params["quantization_args"] = json!({"spinquant": false});
    let off = LoadOptions { spinquant: Some(false), ..Default::default() };
    let unrotated = without.logits(LoadOptions::default());
    assert!(unrotated != expected && unrotated == Tiny::spinquant().logits(off));
}

#[test]
fn shapes_and_types() {
    const WQ: &str = "layers.0.attention.wq";
    let name = |part: &str| format!("{WQ}.{part}");
    let with = |part: &str, storage, dims: &[i64], bytes: i64, words: &[&str]| {
        let data = vec![0; (dims.iter().product::<i64>() * bytes) as usize];
        refused(Tiny::qlora(), |tiny| tiny.set(&name(part), storage, dims, data), words);
    };
    with("weight", I8, &[64, 32], 1, &["wq.weight has dimensions [64, 32]; dir/params.json asks for [64, 64]"]);
    with("weight", I8, &[4096], 1, &["wq.weight has dimensions [4096]", "[64, 64]"]);
    with("scales", F32, &[32, 2], 4, &["wq.scales has dimensions [32, 2]", "asks for [64, 2]"]);
    with("scales", F32, &[128], 4, &["wq.scales has dimensions [128]", "asks for [64, 2]"]);
    with("scales", F32, &[64, 1], 4, &["wq.scales has 1 scales per row of 64; supported are 2, one per group of 32"]);
    with("scales", F32, &[64, 4], 4, &["wq.scales has 4 scales per row of 64; supported are 2"]);
    with("scales", F32, &[64], 4, &["wq.scales has 1 scales per row of 64; supported are 2, one per group of 32"]);
    with("adaptor.A.weight", BF16, &[16, 32], 2, &["wq.adaptor.A.weight has dimensions [16, 32]", "[16, 64]"]);
    with("adaptor.B.weight", BF16, &[16, 64], 2, &["wq.adaptor.B.weight has dimensions [16, 64]", "[64, 16]"]);
    with("weight", "ByteStorage", &[64, 64], 1, &["wq.weight has type U8; int4 checkpoints have I8"]);
    with("weight", BF16, &[64, 64], 2, &["wq.weight has type BF16; int4 checkpoints have I8"]);
    with("weight", F32, &[64, 64], 4, &["wq.weight has type F32; int4 checkpoints have I8"]);
    with("scales", BF16, &[64, 2], 2, &["wq.scales has type BF16; supported is F32"]);
    with("scales", "DoubleStorage", &[64, 2], 8, &["wq.scales has type F64; supported is F32"]);
    with("adaptor.A.weight", F32, &[16, 64], 4, &["wq.adaptor.A.weight has type F32; supported is BF16"]);
    with("adaptor.B.weight", "HalfStorage", &[64, 16], 2, &["wq.adaptor.B.weight has type F16; supported is BF16"]);
    let norm = |tiny: &mut Tiny| tiny.set("norm.weight", "DoubleStorage", &[64], vec![0; 512]);
    refused(Tiny::qlora(), norm, &["norm.weight has type F64; supported types are F32, F16 and BF16"]);
    let embedding = |tiny: &mut Tiny| tiny.set("tok_embeddings.scales", F32, &[96, 2], vec![0; 768]);
    refused(
        Tiny::qlora(),
        embedding,
        &["tok_embeddings.scales has 2 scales per row of 64; supported are 1, one per row"],
    );
    // Norms in any type of floats, and scales of rows with and without a dimension of 1.
    let expected = Tiny::qlora().logits(LoadOptions::default());
    let mut other = Tiny::qlora();
    other.set("norm.weight", F32, &[64], f32s(&[1.0; 64]));
    other.set("layers.0.ffn_norm.weight", "HalfStorage", &[1, 64], [0, 0x3C].repeat(64));
    let (tensor, _) = other.get("tok_embeddings.scales");
    (tensor.dims, tensor.strides) = (vec![96], vec![1]);
    assert!(other.logits(LoadOptions::default()) == expected);
}

/// Rows that no group divides, in a model whose width is no multiple of 32.
#[test]
fn rows_that_no_group_divides() {
    let mut tiny = Tiny::empty();
    tiny.params["dim"] = json!(48);
    tiny.params["ffn_dim_multiplier"] = json!(0.5);
    for (name, rows, cols) in LAYER
        .map(|(name, rows, cols)| (format!("layers.0.{name}"), rows, cols))
        .into_iter()
        .chain([("tok_embeddings".to_owned(), ROWS, DIM), ("output".to_owned(), ROWS, DIM)])
    {
        let [rows, cols] = [rows, cols].map(|size| match size {
            DIM if !name.contains("feed_forward") => 48,
            KV => 24,
            size => size,
        });
        let [rows, cols] = match &name[..] {
            "layers.0.feed_forward.w2" => [48, 64],
            name if name.contains("feed_forward") => [64, 48],
            _ => [rows, cols],
        };
        tiny.add(&format!("{name}.weight"), I8, &[rows, cols], vec![1; (rows * cols) as usize]);
        tiny.add(&format!("{name}.scales"), F32, &[rows, 1], f32s(&vec![1.0; rows as usize]));
    }
    for name in ["layers.0.attention_norm", "layers.0.ffn_norm", "norm"] {
        tiny.add(&format!("{name}.weight"), BF16, &[48], bf16s(&[1.0; 48]));
    }
    refused(tiny, |_| {}, &["layers.0.attention.wq.weight has rows of 48, and its scales groups of 32"]);
}

#[test]
fn quants_and_scales_that_are_none() {
    const W2: &str = "layers.0.feed_forward.w2";
    let weight = format!("{W2}.weight");
    for (quant, at) in [(8u8, 0), (0xF7, 64 * 63 + 63), (127, 130), (0x80, 64)] {
        let (row, col) = (at / 64, at % 64);
        let words = format!("{W2}.weight, row {row}: the quant of column {col} is {}", quant as i8);
        refused(Tiny::qlora(), |tiny| tiny.get(&weight).1[at] = quant, &[WEIGHTS, &words, "from -8 to 7"]);
    }
    let scale = |name: &str, at: usize, scale: f32, words: &[&str]| {
        let number = scale.to_le_bytes();
        refused(Tiny::qlora(), |tiny| tiny.get(name).1[4 * at..][..4].copy_from_slice(&number), words);
    };
    let name = format!("{W2}.scales");
    scale(&name, 5, f32::NAN, &[WEIGHTS, &format!("{W2}.scales, row 2: scale 1 is NaN")]);
    scale(&name, 126, f32::INFINITY, &[&format!("{W2}.scales, row 63: scale 0 is inf")]);
    scale("output.scales", 95, f32::NEG_INFINITY, &["output.scales, row 95: scale 0 is -inf"]);
    scale("tok_embeddings.scales", 0, f32::NAN, &["tok_embeddings.scales, row 0: scale 0 is NaN"]);
    let adaptor = |part: &str, at: usize, bits: u16, words: &[&str]| {
        let name = format!("{W2}.adaptor.{part}.weight");
        let words = [&[WEIGHTS, &name], words].concat();
        refused(Tiny::qlora(), |tiny| tiny.get(&name).1[2 * at..][..2].copy_from_slice(&bits.to_le_bytes()), &words);
    };
    adaptor("A", 64 * 15 + 63, 0x7FC0, &["row 15: the number of column 63 is NaN"]);
    adaptor("B", 16 * 2 + 1, 0xFF80, &["row 2: the number of column 1 is -inf"]);
    // Embedding and head have eight bits, and each quant is one.
    let mut all = Tiny::qlora();
    all.get("tok_embeddings.weight").1.iter_mut().enumerate().for_each(|(i, quant)| *quant = i as u8);
    all.logits(LoadOptions::default());
}

/// f16 ends at 65504 and is subnormal below 6e-5: a power of two per row brings scales of any size to where it is exact.
#[test]
fn scales_of_any_size_are_rounded() {
    let times = |names: &[(&str, f32)]| {
        let mut tiny = Tiny::qlora();
        for (name, factor) in names {
            for scale in tiny.get(&format!("layers.0.{name}.scales")).1.as_chunks_mut().0 {
                *scale = (f32::from_le_bytes(*scale) * factor).to_le_bytes();
            }
        }
        tiny
    };
    for factors in [
        &[][..],
        &[("attention.wv", 1e6), ("attention.wk", 1e-7), ("feed_forward.w1", 3e-6)],
        &[("attention.wq", 1e-7), ("attention.wo", 1e6), ("feed_forward.w2", 1e20), ("feed_forward.w3", 1e-20)],
    ] {
        let tiny = times(factors);
        let [kept, rounded] = ScaleType::ALL.map(|to| tiny.logits(scales(to)));
        let error: f32 = kept.iter().zip(&rounded).map(|(a, b)| (a - b).powi(2)).sum();
        let nmse = error / kept.iter().map(|a| a.powi(2)).sum::<f32>();
        // As they are, the scales are powers of two.
        assert!((nmse > 0.0) != factors.is_empty() && nmse < 1e-6, "{factors:?}: an NMSE of {nmse:.1e}");
    }
    // The largest number, beside small ones of the same row; and scales of eight bits stay in f32.
    let mut largest = times(&[]);
    largest.get("layers.0.attention.wv.scales").1[4 * 7..][..4].copy_from_slice(&f32::MAX.to_le_bytes());
    largest.get("output.scales").1[..4].copy_from_slice(&1e6f32.to_le_bytes());
    largest.load(scales(ScaleType::F16)).unwrap_or_else(|error| panic!("{error}"));
    // There is nothing to round elsewhere.
    refused_with(&Tiny::plain(), scales(ScaleType::F16), &[WEIGHTS, "--scales f16", "no int4 weights"]);
}

#[test]
fn zero_points() {
    let expected = Tiny::qlora().logits(LoadOptions::default());
    let mut zeros = Tiny::qlora();
    zeros.add("layers.0.attention.wk.zeros", F32, &[KV, 2], vec![0; 4 * 2 * KV as usize]);
    zeros.add("output.zeros", I8, &[ROWS, 1], vec![0; ROWS as usize]);
    assert!(zeros.logits(LoadOptions::default()) == expected);
    let mut others = zeros.clone();
    others.get("layers.0.attention.wk.zeros").1[4 * 9..][..4].copy_from_slice(&3f32.to_le_bytes());
    refused(others, |_| {}, &["layers.0.attention.wk.zeros", "zero point 9 (row 4, column 1)", "around 0"]);
    let mut last = zeros.clone();
    last.get("output.zeros").1[95] = 0xFF;
    refused(last, |_| {}, &["output.zeros", "zero point 95"]);
    zeros.set("output.zeros", I8, &[ROWS, 2], vec![0; 2 * ROWS as usize]);
    refused(zeros, |_| {}, &["output.zeros has dimensions [96, 2]", "asks for [96, 1]"]);
}

#[test]
fn rotations() {
    let on = || LoadOptions { spinquant: Some(true), ..Default::default() };
    let off = || LoadOptions { spinquant: Some(false), ..Default::default() };
    refused_with(&Tiny::plain(), on(), &[WEIGHTS, "SpinQuant's rotation", "none of Meta's int4 checkpoints"]);
    refused_with(&Tiny::plain(), off(), &[WEIGHTS, "none of Meta's int4 checkpoints"]);
    let (spinquant, qlora) = (Tiny::spinquant(), Tiny::qlora());
    assert!(spinquant.logits(on()) == spinquant.logits(LoadOptions::default()));
    assert!(spinquant.logits(on()) != spinquant.logits(off()));
    assert!(qlora.logits(off()) == qlora.logits(LoadOptions::default()) && qlora.logits(on()) != qlora.logits(off()));
    // A layer of 96 can be no rotation's.
    let mut odd = Tiny::spinquant();
    odd.params["multiple_of"] = json!(32);
    odd.params["ffn_dim_multiplier"] = json!(0.5);
    for (name, dims) in [("w1", [96, DIM]), ("w2", [DIM, 96]), ("w3", [96, DIM])] {
        let name = format!("layers.0.feed_forward.{name}");
        odd.set(&format!("{name}.weight"), I8, &dims, vec![1; 96 * 64]);
        odd.set(&format!("{name}.scales"), F32, &[dims[0], dims[1] / 32], f32s(&[0.01; 192]));
    }
    refused_with(&odd, on(), &[WEIGHTS, "SpinQuant rotates the 96 numbers before its down projections", "64 to 65536"]);
    refused_with(&odd, LoadOptions::default(), &["SpinQuant rotates the 96 numbers", "--spinquant off"]);
    odd.logits(off());
}
