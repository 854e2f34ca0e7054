// GGUF files of any size that need no disk: a header with Llama 3's vocabulary size, and Q4_0 weights that are made
// when they are read. They load and run as any file of their shape does; what they say means nothing.

const ALIGNMENT = 32;
const Q4_0 = { id: 2, numbers: 32, bytes: 18 };
const F32 = { id: 0, numbers: 1, bytes: 4 };
const align = (n) => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

/** Llama 3's, in short. */
const TEMPLATE = '<|begin_of_text|>{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>'
  + '{{ m.content }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}'
  + '<|start_header_id|>assistant<|end_header_id|>{% endif %}';

/** Single bytes, then pairs and threes of a space and ASCII's signs with their merges, then control tokens. */
function vocabulary(count) {
  let beyond = 0x100;
  const printable = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : beyond++));
  const control = ['<|begin_of_text|>', '<|end_of_text|>', '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'];
  const plain = count - control.length;
  const tokens = [...bytes];
  const merges = [];
  const signs = bytes.slice(32, 127);
  const fronts = [...signs];
  for (let i = 0; tokens.length < plain; i += 1) {
    const [front, sign] = [fronts[Math.floor(i / signs.length)], signs[i % signs.length]];
    merges.push(`${front} ${sign}`);
    fronts.push(front + sign);
    tokens.push(front + sign);
  }
  const types = tokens.map(() => 1).concat(control.map(() => 3));
  return { tokens: tokens.concat(control), types, merges, bos: plain, eos: plain + 1 };
}

const string = (text) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
};
const u32 = (value) => { const b = Buffer.alloc(4); b.writeUInt32LE(value); return b; };
const u64 = (value) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(value)); return b; };
const f32 = (value) => { const b = Buffer.alloc(4); b.writeFloatLE(value); return b; };
const array = (kind, items) => Buffer.concat([u32(kind), u64(items.length), ...items]);

/** A shape of 76 M parameters, for speeds. */
export const MEDIUM = {
  layers: 10, dim: 768, ffn: 2048, heads: 12, kvHeads: 4, vocabulary: 16_384, context: 2304,
};

/** A content for servers, `{ size, read }`, of a shape: `layers`, `dim`, `ffn`, `heads`, `kvHeads`, `vocabulary`. */
export function llama(shape) {
  const { layers, dim, ffn, heads, kvHeads, vocabulary: count = 128_256, context = 2048 } = shape;
  const { tokens, types, merges, bos, eos } = vocabulary(count);
  const headDim = dim / heads;
  const metadata = [
    ['general.architecture', 8, string('llama')],
    ['general.name', 8, string(`synthetic ${layers} x ${dim}`)],
    ['llama.block_count', 4, u32(layers)],
    ['llama.context_length', 4, u32(context)],
    ['llama.embedding_length', 4, u32(dim)],
    ['llama.feed_forward_length', 4, u32(ffn)],
    ['llama.attention.head_count', 4, u32(heads)],
    ['llama.attention.head_count_kv', 4, u32(kvHeads)],
    ['llama.rope.freq_base', 6, f32(500_000)],
    ['llama.attention.layer_norm_rms_epsilon', 6, f32(1e-5)],
    ['llama.vocab_size', 4, u32(count)],
    ['llama.rope.dimension_count', 4, u32(headDim)],
    ['tokenizer.ggml.model', 8, string('gpt2')],
    ['tokenizer.ggml.pre', 8, string('llama-bpe')],
    ['tokenizer.ggml.tokens', 9, array(8, tokens.map(string))],
    ['tokenizer.ggml.token_type', 9, array(5, types.map(u32))],
    ['tokenizer.ggml.merges', 9, array(8, merges.map(string))],
    ['tokenizer.chat_template', 8, string(TEMPLATE)],
    ['tokenizer.ggml.bos_token_id', 4, u32(bos)],
    ['tokenizer.ggml.eos_token_id', 4, u32(eos)],
  ];
  const matrix = (name, rows, cols) => ({ name, dims: [cols, rows], type: Q4_0 });
  const vector = (name) => ({ name, dims: [dim], type: F32 });
  const block = (i) => [
    vector(`blk.${i}.attn_norm.weight`), matrix(`blk.${i}.ffn_down.weight`, dim, ffn),
    matrix(`blk.${i}.ffn_gate.weight`, ffn, dim), matrix(`blk.${i}.ffn_up.weight`, ffn, dim),
    vector(`blk.${i}.ffn_norm.weight`), matrix(`blk.${i}.attn_k.weight`, kvHeads * headDim, dim),
    matrix(`blk.${i}.attn_output.weight`, dim, dim), matrix(`blk.${i}.attn_q.weight`, dim, dim),
    matrix(`blk.${i}.attn_v.weight`, kvHeads * headDim, dim),
  ];
  // As llama.cpp orders them: the embedding first, the last norm after the blocks.
  const tensors = [
    matrix('token_embd.weight', count, dim), ...Array.from({ length: layers }, (_, i) => block(i)).flat(),
    vector('output_norm.weight'),
  ];
  let size = 0;
  for (const tensor of tensors) {
    tensor.begin = size;
    tensor.end = size + tensor.dims.reduce((a, b) => a * b) / tensor.type.numbers * tensor.type.bytes;
    size = align(tensor.end);
  }
  const described = tensors.map(({ name, dims, type, begin }) => Buffer.concat(
    [string(name), u32(dims.length), ...dims.map(u64), u32(type.id), u64(begin)],
  ));
  const entries = metadata.map(([key, kind, value]) => Buffer.concat([string(key), u32(kind), value]));
  const start = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.length)]);
  const plain = Buffer.concat([start, ...entries, ...described]);
  const header = Buffer.concat([plain, Buffer.alloc(align(plain.length) - plain.length)]);
  return { size: header.length + size, read: reader(header, tensors) };
}

/** A function that makes the bytes of a range. */
function reader(header, tensors) {
  const blocks = noiseOfBlocks(65_537);
  const ones = Buffer.concat(Array.from({ length: 4096 }, () => f32(1)));
  return async (begin, end) => {
    const bytes = Buffer.alloc(end - begin);
    if (begin < header.length) header.copy(bytes, 0, begin, Math.min(end, header.length));
    for (const tensor of tensors) {
      const [first, last] = [header.length + tensor.begin, header.length + tensor.end];
      const pattern = tensor.type === F32 ? ones : blocks;
      for (let at = Math.max(begin, first); at < Math.min(end, last);) {
        const from = (at - first) % pattern.length;
        at += pattern.copy(bytes, at - begin, from, from + Math.min(end, last) - at);
      }
    }
    return bytes;
  };
}

/** Blocks of Q4_0: a scale of 0.0044, and 32 numbers. */
function noiseOfBlocks(count) {
  const blocks = Buffer.alloc(count * Q4_0.bytes);
  let x = 7;
  for (let at = 0; at < blocks.length; at += 1) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    blocks[at] = x >>> 24;
  }
  for (let at = 0; at < blocks.length; at += Q4_0.bytes) blocks.writeUInt16LE(0x1c80, at);
  return blocks;
}
