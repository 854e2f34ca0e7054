//! Shapes, the tensors they ask for, and rotation frequencies.

use llamita::error::Result;
use llamita::internals::arch::shape::RopePairing;
use llamita::internals::arch::tensors::Role;
use llamita::internals::format::gguf::Step;

use super::builder::{Gguf, Shape, Value};
use super::{accepted, malformed, open, refused, set, unset, unsupported};

#[test]
fn missing_and_wrong_keys_are_named() {
    for key in [
        "llama.block_count",
        "llama.embedding_length",
        "llama.feed_forward_length",
        "llama.context_length",
        "llama.attention.head_count",
        "llama.attention.layer_norm_rms_epsilon",
    ] {
        malformed(unset(key), &format!("the key {key} is missing"));
        malformed(set(key, Value::string("2")), &format!("{key} is the string \"2\"; expected"));
    }
}

#[test]
fn absurd_sizes_are_refused() {
    for (key, max) in [
        ("llama.block_count", 512),
        ("llama.embedding_length", 65_536),
        ("llama.feed_forward_length", 1 << 20),
        ("llama.context_length", 1 << 28),
        ("llama.attention.head_count", 1024),
        ("llama.attention.head_count_kv", 1024),
    ] {
        for value in [Value::U32(0), Value::U32(u32::MAX), Value::I64(-1), Value::U64(u64::MAX)] {
            malformed(set(key, value), &format!("; expected 1 to {max}"));
        }
    }
    for eps in [-1e-5, 1.5, f32::NAN, f32::INFINITY] {
        malformed(set("llama.attention.layer_norm_rms_epsilon", Value::F32(eps)), &format!("epsilon is {eps}"));
    }
    for base in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        malformed(set("llama.rope.freq_base", Value::F32(base)), &format!("freq_base is {base}"));
    }
}

#[test]
fn heads_must_fit() {
    malformed(set("llama.attention.head_count_kv", Value::U32(3)), "2 query heads cannot share 3 key/value heads");
    malformed(set("llama.attention.head_count", Value::U32(3)), "a width of 32 does not divide into 3 heads");
    let heads = |heads: u32| {
        move |gguf: &mut Gguf| {
            gguf.set("llama.attention.head_count", Value::U32(heads));
            gguf.set("llama.attention.head_count_kv", Value::U32(1));
        }
    };
    unsupported(heads(8), "a head has 4 elements; supported are multiples of 8 up to 256");
    unsupported(
        set("llama.attention.key_length", Value::U32(8)),
        "key_length is 8 and llama.attention.value_length is 16",
    );
    let lengths = |length: u32| {
        move |gguf: &mut Gguf| {
            gguf.set("llama.attention.key_length", Value::U32(length));
            gguf.set("llama.attention.value_length", Value::U32(length));
        }
    };
    unsupported(lengths(264), "a head has 264 elements");
    unsupported(lengths(12), "a head has 12 elements");
    malformed(lengths(32), "attn_q.weight has dimensions [32, 32]; expected [32, 64] (fastest first)");
    unsupported(set("llama.rope.dimension_count", Value::U32(8)), "dimension_count is 8, and a head has 16 elements");
}

#[test]
fn head_size_may_differ_from_width() {
    let checkpoint = accepted(|gguf| {
        gguf.set("llama.attention.key_length", Value::U32(32)).set("llama.attention.value_length", Value::U32(32));
        gguf.unset("llama.attention.head_count_kv");
        gguf.tensors.retain(|spec| !spec.name.starts_with(b"blk.0.attn_") || spec.name == b"blk.0.attn_norm.weight");
        for name in ["q", "k", "v"] {
            gguf.tensor(&format!("blk.0.attn_{name}.weight"), &[32, 64], 1, true);
        }
        gguf.tensor("blk.0.attn_output.weight", &[64, 32], 2, true);
    });
    let (shape, tensors) = checkpoint.model.unwrap();
    assert_eq!((shape.head_dim, shape.heads, shape.kv_heads), (32, 2, 2), "no kv count: as many as heads");
    let output = &tensors[Role::AttnOutput.in_block(0)];
    assert_eq!((output.rows, output.cols), (32, 64));
}

#[test]
fn other_computations_are_refused() {
    unsupported(set("llama.expert_count", Value::U32(8)), "llama.expert_count is 8 (mixture of experts)");
    for kind in ["yarn", "longrope", "llama3"] {
        unsupported(
            set("llama.rope.scaling.type", Value::string(kind)),
            &format!("llama.rope.scaling.type is \"{kind}\""),
        );
    }
    let linear = |gguf: &mut Gguf| {
        gguf.set("llama.rope.scaling.type", Value::string("linear"));
        gguf.set("llama.rope.scaling.factor", Value::F32(4.0));
    };
    unsupported(linear, "llama.rope.scaling.factor is 4");
    for (key, value) in [
        ("llama.rope.scaling.factor", Value::F32(2.0)),
        ("llama.rope.scale_linear", Value::F32(2.0)),
        ("llama.rope.scaling.attn_factor", Value::F32(0.5)),
        ("llama.attention.scale", Value::F32(1.0)),
        ("llama.attention.clamp_kqv", Value::F32(8.0)),
        ("llama.attn_logit_softcapping", Value::F32(50.0)),
        ("llama.logit_scale", Value::F32(8.0)),
        ("llama.embedding_scale", Value::F32(12.0)),
        ("llama.residual_scale", Value::F32(0.2)),
        ("llama.attention.sliding_window", Value::U32(63)),
        ("llama.attention.causal", Value::Bool(false)),
        ("llama.use_parallel_residual", Value::Bool(true)),
    ] {
        unsupported(set(key, value), &format!("{key} is "));
    }
    accepted(|gguf| {
        gguf.set("llama.expert_count", Value::U32(0)).set("llama.rope.scaling.type", Value::string("none"));
        gguf.set("llama.rope.scaling.factor", Value::F32(4.0));
        gguf.set("llama.attention.scale", Value::F32(0.25)).set("llama.attention.sliding_window", Value::U32(64));
    });
    accepted(set("llama.rope.scaling.type", Value::string("linear")));
}

#[test]
fn every_tensor_is_needed_and_no_other() {
    let names: Vec<String> =
        Gguf::tiny().tensors.iter().map(|spec| String::from_utf8(spec.name.clone()).unwrap()).collect();
    assert_eq!(names.len(), 11);
    for name in &names {
        let remove = |gguf: &mut Gguf| gguf.tensors.retain(|spec| spec.name != name.as_bytes());
        malformed(remove, &format!("the tensor {name} is missing"));
        let shrink = |gguf: &mut Gguf| match gguf.get(name).dims.as_mut_slice() {
            [cols] => *cols = 16,
            dims => dims[1] = 1,
        };
        malformed(shrink, &format!("{name} has "));
        unsupported(|gguf| gguf.get(name).kind = 16, &format!("tensor {name} has type IQ2_XXS"));
    }
    for name in [
        "blk.0.attn_q.bias",
        "blk.0.ffn_gate_inp.weight",
        "blk.1.attn_q.weight",
        "blk.00.attn_q.weight",
        "blk..attn_q.weight",
        "blk.0.attn_q.weight.lora_a",
        "rope_factors_long.weight",
        "output.bias",
        "x",
    ] {
        let add = |gguf: &mut Gguf| {
            gguf.tensor(name, &[32], 0, true);
        };
        unsupported(add, &format!("a Llama of 1 blocks has no tensor {name}"));
    }
    malformed(|gguf| gguf.get("blk.0.attn_k.weight").dims = vec![32, 15], "[32, 15]; expected [32, 16]");
    malformed(|gguf| gguf.get("blk.0.ffn_up.weight").dims.swap(0, 1), "[64, 32]; expected [32, 64]");
    malformed(
        |gguf| gguf.get("token_embd.weight").dims = vec![32, 6],
        "token_embd.weight has 6 rows, and the vocabulary has 7",
    );
}

/// The parser on a header alone: the file is said to be as long as it would be.
fn described(gguf: &Gguf) -> Result<Step> {
    let (header, len) = gguf.header();
    crate::parse("dir/tiny.gguf", &header, len)
}

fn frequencies(gguf: &Gguf) -> Vec<f64> {
    match described(gguf) {
        Ok(Step::Done(checkpoint)) => checkpoint.model.expect("a model").0.rope_frequencies,
        other => panic!("{other:?}"),
    }
}

const LLAMA_3_2_1B: Shape = Shape {
    layers: 16,
    dim: 2048,
    ffn: 8192,
    heads: 32,
    kv_heads: 8,
    vocabulary: 128_256,
    context: 131_072,
    base: 500_000.0,
};
const LLAMA_3_2_3B: Shape = Shape { layers: 28, dim: 3072, heads: 24, ..LLAMA_3_2_1B };
const LLAMA_3_1_8B: Shape = Shape { layers: 32, dim: 4096, ffn: 14_336, ..LLAMA_3_2_1B };

/// What each frequency of a shape was divided by.
fn divisors(shape: Shape) -> Vec<f64> {
    let head_dim = (shape.dim / shape.heads) as f64;
    let plain = |pair: usize| f64::from(shape.base).powf(-2.0 * pair as f64 / head_dim);
    let scaled = frequencies(&Gguf::llama(&shape, 2, false));
    scaled.iter().enumerate().map(|(pair, frequency)| plain(pair) / frequency).collect()
}

#[test]
fn llama_3_scaling_is_known_by_shape() {
    let close = |found: &[f64], first: usize, golden: &[f64]| {
        assert!(found[..first].iter().all(|divisor| (divisor - 1.0).abs() < 1e-12), "{found:?}");
        for (found, golden) in found[first..].iter().zip(golden) {
            assert!((found - golden).abs() < 1e-5, "{found} is not {golden}");
        }
    };
    // The values that llama.cpp's converter writes for these two models.
    close(&divisors(LLAMA_3_2_1B), 15, &[1.651329, 3.292262, 9.666729, 32.0, 32.0]);
    let three = [1.234937, 1.651329, 2.27666, 3.292262, 5.171596, 9.666729, 32.0, 32.0];
    close(&divisors(LLAMA_3_2_3B), 29, &three);
    let eight = divisors(LLAMA_3_1_8B);
    assert!((eight[63] - 8.0).abs() < 1e-9 && (eight[0] - 1.0).abs() < 1e-12);
    let one_at_8k = divisors(Shape { context: 8192, ..LLAMA_3_2_1B });
    assert!((one_at_8k[31] - 32.0).abs() < 1e-9, "a Llama 3.2 whatever context its file claims");
    for plain in [
        Shape { context: 8192, ..LLAMA_3_1_8B },
        Shape { vocabulary: 32_000, ..LLAMA_3_1_8B },
        Shape { base: 10_000.0, ..LLAMA_3_2_1B },
    ] {
        assert!(divisors(plain).iter().all(|divisor| (divisor - 1.0).abs() < 1e-12), "{plain:?}");
    }
    for unknown in [Shape { context: 16_384, ..LLAMA_3_1_8B }, Shape { layers: 6, dim: 512, heads: 8, ..LLAMA_3_2_1B }]
    {
        let error = described(&Gguf::llama(&unknown, 2, false)).unwrap_err().to_string();
        assert!(error.contains("it has no rope_freqs.weight, and whether a Llama 3"), "{error}");
    }
}

#[test]
fn whole_llama_3_2_is_described() {
    for (shape, tensors, head_dim) in [(LLAMA_3_2_1B, 147 - 1, 64), (LLAMA_3_2_3B, 255 - 1, 128)] {
        let gguf = Gguf::llama(&shape, 2, false);
        let Ok(Step::Done(checkpoint)) = described(&gguf) else { panic!("{:?}", described(&gguf)) };
        assert_eq!(checkpoint.tensors.len(), tensors, "all but rope_freqs");
        let (found, weights) = checkpoint.model.unwrap();
        assert_eq!((found.head_dim, found.kv_heads, found.vocabulary), (head_dim, 8, 128_256));
        assert_eq!(found.rope_pairing, RopePairing::Interleaved);
        assert_eq!(weights.iter().filter(|(id, _)| id.role() == Role::FfnDown).count() as u64, shape.layers);
        let embedding = &weights[Role::TokenEmbd.of_model()].bytes;
        assert_eq!(embedding.end - embedding.start, 128_256 * shape.dim / 32 * 18);
        // What is not there is refused, down to the last byte.
        let (header, len) = gguf.header();
        let error = crate::parse("x", &header, len - 32).unwrap_err().to_string();
        assert!(error.contains("output_norm.weight") && error.contains("the file ends at byte"), "{error}");
    }
}

fn with_factors(values: &[f32]) -> Gguf {
    let mut gguf = Gguf::tiny();
    gguf.tensor("rope_freqs.weight", &[values.len() as u64], 0, true);
    gguf.get("rope_freqs.weight").data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    gguf
}

#[test]
fn rope_freqs_divide() {
    let gguf = with_factors(&[1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 32.0]);
    let plain = open(&Gguf::tiny().bytes()).unwrap().model.unwrap().0.rope_frequencies;
    let divided = open(&gguf.bytes()).unwrap().model.unwrap().0.rope_frequencies;
    let ratios: Vec<f64> = plain.iter().zip(&divided).map(|(plain, divided)| plain / divided).collect();
    assert_eq!(ratios, [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 32.0]);

    // They lie behind the header, so a header alone says where.
    let Ok(Step::Factors(unscaled)) = described(&gguf) else { panic!("{:?}", described(&gguf)) };
    assert_eq!(unscaled.range().end, gguf.bytes().len() as u64);
    let error = unscaled.finish(&[0; 28]).unwrap_err().to_string();
    assert!(error.contains("rope_freqs.weight has 28 bytes; expected 32"), "{error}");

    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let file = with_factors(&[1.0, 1.0, bad, 1.0, 1.0, 1.0, 1.0, 1.0]).bytes();
        refused(&file, &format!("element 2 of rope_freqs.weight is {bad}; expected a finite number above 0"));
    }
    refused(&with_factors(&[1.0; 16]).bytes(), "rope_freqs.weight has dimensions [16]; expected [8]");
}
