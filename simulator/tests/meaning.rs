//! What WGSL means: control flow, values, pointers, and counts of memory transactions that are known.

mod common;

use std::collections::BTreeMap;

use common::{run, shader};
use simulator::{LANES, Schedule, Setup};

/// Runs `body` with `i`, the invocation's index, on every size of waves, and compares `y[i]` with `expected`.
fn each(body: &str, expected: impl Fn(u32) -> u32) {
    let text = format!("@compute @workgroup_size(32) fn main(@builtin(local_invocation_index) i: u32) {{ {body} }}");
    let shader = shader(&text);
    let x: Vec<u32> = (0..32).map(|i| i * 7 + 3).collect();
    for lanes in LANES {
        let (y, outcome) = run(&shader, &x, 32, lanes);
        assert_eq!(outcome.faults, [], "{body}");
        assert_eq!(y, (0..32).map(&expected).collect::<Vec<_>>(), "{body}");
    }
}

/// The same with functions in front.
fn with(functions: &str, body: &str, expected: impl Fn(u32) -> f32) {
    let text = format!(
        "{functions} @compute @workgroup_size(32) fn main(@builtin(local_invocation_index) i: u32) {{ {body} }}"
    );
    let (y, outcome) = run(&shader(&text), &(0..32).collect::<Vec<_>>(), 32, 8);
    assert_eq!(outcome.faults, [], "{body}");
    assert_eq!(
        y.into_iter().map(f32::from_bits).collect::<Vec<_>>(),
        (0..32).map(expected).collect::<Vec<_>>(),
        "{body}"
    );
}

#[test]
fn control_flow() {
    each("if (i % 3u == 0u) { y[i] = 1u; } else if (i > 7u) { y[i] = 2u; }", |i| match i {
        i if i % 3 == 0 => 1,
        i if i > 7 => 2,
        _ => 0,
    });
    each(
        "var sum = 0u;
        for (var j = 0u; j < 20u; j++) {
            if (j == i) { continue; }
            if (j > 2u * i) { break; }
            if (j % 2u == 1u) { if (i == 9u) { y[i] = 77u; return; } }
            sum += j;
        }
        y[i] = sum;",
        |i| if i == 9 { 77 } else { (0..20).take_while(|j| *j <= 2 * i || *j == i).filter(|j| *j != i).sum() },
    );
    each(
        "var sum = 0u;
        switch (i % 5u) { case 0u, 3u: { sum = 1u; } case 1u: { if (i > 10u) { break; } sum = 2u; } default: { sum = 3u; } }
        y[i] = sum;",
        |i| match i % 5 {
            0 | 3 => 1,
            1 if i > 10 => 0,
            1 => 2,
            _ => 3,
        },
    );
    each("var n = 0u; loop { if (n * n > i) { break; } continuing { n++; break if n == 4u; } } y[i] = n;", |i| {
        (0..4).find(|n| n * n > i).unwrap_or(4)
    });
    each(
        "var n = 0u; var outer = 0u;
        while (outer < i) { var inner = 0u; while (true) { if (inner == 3u) { break; } if (inner == outer) { inner++; continue; }
        inner++; n++; } outer++; } y[i] = n;",
        |i| (0..i).map(|outer| if outer < 3 { 2 } else { 3 }).sum(),
    );
    each("y[i] = select(1u, 2u, i > 3u && x[min(i - 4u, 31u)] > 10u || i == 0u);", |i| {
        if (i > 3 && (i - 4) * 7 + 3 > 10) || i == 0 { 2 } else { 1 }
    });
}

#[test]
fn functions_and_pointers() {
    with(
        "fn early(a: f32) -> f32 { if (a > 10.0) { return 1.0; } for (var j = 0u; j < 5u; j++) { if (f32(j) > a) { return f32(j); } }
        return -a; }",
        "y[i] = bitcast<u32>(early(f32(i)));",
        |i| match i {
            11.. => 1.0,
            0..4 => (i + 1) as f32,
            _ => -(i as f32),
        },
    );
    with(
        "struct Pair { a: vec2<f32>, b: array<f32, 3> }
        fn add(to: ptr<function, Pair>, at: u32, by: f32) { (*to).b[at % 3u] += by; (*to).a.y *= 2.0; }
        fn at(p: ptr<function, array<f32, 3>>, i: u32) -> f32 { return (*p)[i]; }",
        "var p = Pair(vec2<f32>(1.0), array<f32, 3>(1.0, 2.0, 3.0)); add(&p, i, f32(i)); add(&p, i + 1u, 0.5);
        y[i] = bitcast<u32>(at(&p.b, 0u) + 10.0 * at(&p.b, 1u) + 100.0 * p.b[2] + 1000.0 * p.a.y);",
        |i| {
            let mut b = [1.0, 2.0, 3.0];
            b[i as usize % 3] += i as f32;
            b[(i as usize + 1) % 3] += 0.5;
            b[0] + 10.0 * b[1] + 100.0 * b[2] + 4000.0
        },
    );
    with(
        "var<private> kept: array<vec2<f32>, 2> = array<vec2<f32>, 2>(vec2<f32>(1.0, 2.0), vec2<f32>(3.0, 4.0));",
        "kept[i % 2u][i / 2u % 2u] += 0.25; y[i] = bitcast<u32>(kept[0].x + 2.0 * kept[0].y + 4.0 * kept[1].x + 8.0 * kept[1].y);",
        |i| 1.0 + 4.0 + 12.0 + 32.0 + 0.25 * [1.0, 4.0, 2.0, 8.0][i as usize % 4],
    );
}

#[test]
fn operators_and_functions() {
    each("y[i] = (i - 5u) / (i % 3u) + i % (i % 2u);", |i| {
        let minus = i.wrapping_sub(5);
        minus.checked_div(i % 3).unwrap_or(minus).wrapping_add(i.checked_rem(i % 2).unwrap_or(0))
    });
    each("let a = i32(i) - 16; y[i] = bitcast<u32>(a / 3 + a % 5 + (a >> 1u) + max(a, -3) + abs(a) + sign(a));", |i| {
        let a = i as i32 - 16;
        (a / 3 + a % 5 + (a >> 1) + a.max(-3) + a.abs() + a.signum()) as u32
    });
    each(
        "y[i] = dot4U8Packed(x[i] * 0x01030507u, 0x01010101u) + countOneBits(x[i]) + pack4xU8(unpack4xU8(x[i] ^ 0x80u));",
        |i| {
            let x = i * 7 + 3;
            let bytes: u32 = x.wrapping_mul(0x0103_0507).to_le_bytes().into_iter().map(u32::from).sum();
            bytes + x.count_ones() + (x ^ 0x80)
        },
    );
    each("y[i] = u32(unpack4xI8(i * 9u).x + 200) + extractBits(0xabcd1234u, i, 7u) + firstLeadingBit(i + 1u);", |i| {
        let x = (i * 9) as u8 as i8;
        (i32::from(x) + 200) as u32 + ((0xabcd_1234u32 >> i) & 127) + (i + 1).ilog2()
    });
    each(
        "let h = unpack2x16float(pack2x16float(vec2<f32>(f32(i) / 3.0, -1.5))); y[i] = bitcast<u32>(h.x) + u32(h.y + 9.0);",
        |i| half::f16::from_f32(i as f32 / 3.0).to_f32().to_bits() + 7,
    );
    with(
        "",
        "let m = mat2x3<f32>(vec3<f32>(1.0, 2.0, 3.0), vec3<f32>(4.0, 5.0, 6.0)); let v = m * vec2<f32>(f32(i), 1.0);
        let w = vec3<f32>(1.0, 0.0, 2.0) * m; y[i] = bitcast<u32>(v.x + 10.0 * v.y + 100.0 * v.z + w.x - w.y + transpose(m)[1].y);",
        |i| {
            let i = i as f32;
            (i + 4.0) + 10.0 * (2.0 * i + 5.0) + 100.0 * (3.0 * i + 6.0) + 7.0 - 16.0 + 5.0
        },
    );
    with("", "y[i] = bitcast<u32>(fma(f32(i), 0.1, 1e-9) + round(f32(i) / 2.0) + clamp(f32(i), 3.0, 4.0));", |i| {
        let i = i as f32;
        i.mul_add(0.1, 1e-9) + (i / 2.0).round_ties_even() + i.clamp(3.0, 4.0)
    });
}

#[test]
fn f16_is_rounded_after_each_operation() {
    let shader = simulator::Shader::new(
        "enable f16;
        @group(0) @binding(0) var<storage, read> x: array<vec4<f16>>;
        @group(0) @binding(1) var<storage, read_write> y: array<f16>;
        @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32) { y[i] = x[i / 4u][i % 4u] * 3.0h + 0.1h; }",
    )
    .expect("it is known");
    let halves: Vec<half::f16> = (0..8).map(|i| half::f16::from_f32(i as f32 * 0.37)).collect();
    let words = |halves: &[half::f16]| -> Vec<u32> {
        halves.chunks(2).map(|pair| u32::from(pair[0].to_bits()) | u32::from(pair[1].to_bits()) << 16).collect()
    };
    let mut buffers = BTreeMap::from([(0, words(&halves)), (1, vec![0; 4])]);
    let setup = Setup { lanes: 4, schedule: Schedule::InOrder, grid: [1; 3], workgroups: None, traffic: false };
    // Neighbours write halves of a word, which is no race.
    assert_eq!(shader.run(&mut buffers, &setup).expect("it runs").faults, []);
    let (three, tenth) = (half::f16::from_f32(3.0), half::f16::from_f32(0.1));
    assert_eq!(buffers[&1], words(&halves.iter().map(|half| *half * three + tenth).collect::<Vec<_>>()));
}

/// 64 invocations load as `INDEX` says; lines, useful bytes and distinct lines of the workgroup, worked out by hand.
#[test]
fn transactions() {
    let text = "@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
    @group(0) @binding(1) var<storage, read_write> y: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { y[i] = x[INDEX].x; }";
    let of = |index: &str, lanes| {
        let shader = simulator::Shader::new(&text.replace("INDEX", index)).expect("it is known");
        let mut buffers = BTreeMap::from([(0, vec![0; 4096]), (1, vec![0; 64])]);
        let setup = Setup { lanes, schedule: Schedule::InOrder, grid: [1; 3], workgroups: None, traffic: true };
        let traffic = shader.run(&mut buffers, &setup).expect("it runs").traffic;
        let x = traffic[0].1;
        // 256 bytes are stored side by side.
        assert_eq!((traffic[1].1.lines, traffic[1].1.coalescing()), (4, 1.0));
        (x.accesses, x.lines, x.useful_bytes, x.workgroup_lines)
    };
    // One component of a vector: four bytes of each 16.
    assert_eq!(of("i", 16), (4, 16, 256, 16));
    assert_eq!(of("i", 64), (1, 16, 256, 16));
    // Every second vector: twice as many lines.
    assert_eq!(of("2u * i", 16), (4, 32, 256, 32));
    // A line for each lane.
    assert_eq!(of("4u * i", 32), (2, 64, 256, 64));
    // The same for all: one line, four bytes, in every access.
    assert_eq!(of("5u", 16), (4, 4, 16, 1));
    assert_eq!(of("i / 64u", 16), (4, 4, 16, 1));
}
