// The input of a product in a texture: row-major, TEXELS_PER_ROW quads each. Drivers on CPUs gather texels faster.

// [tokens][k], padded with zeros to a multiple of 32
@group(0) @binding(3) var x: texture_2d<u32>;

fn load_x(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(x, vec2<u32>(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW), 0));
}
