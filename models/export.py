#!/usr/bin/env python3
"""Writes a checkpoint of train.py as GGUF: matrices Q4_0, the tied embedding Q8_0, norms F32 (--f32: everything F32).

  python export.py [--checkpoint checkpoint.npz] [--out llamita-stories.gguf] [--f32]
"""
import argparse
import json
import os

import gguf
import numpy as np
from gguf import GGMLQuantizationType as QT

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = dict(q='attn_q', k='attn_k', v='attn_v', o='attn_output', gate='ffn_gate', up='ffn_up', down='ffn_down')
# Llama 3's format without its dated system block: a system block only where there is a system message.
TEMPLATE = """{{- bos_token }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}"""
CONFIG = dict(dim=256, ffn=512, layers=4, heads=8, kv_heads=4, head_dim=32, vocab=2048, context=1024, theta=10000.0, eps=1e-5)  # as in train.py


def export(checkpoint, out, f32=False):
    w = {k: v.astype(np.float32) for k, v in np.load(checkpoint).items()}
    t = json.load(open(os.path.join(HERE, 'tokenizer.json')))
    tokens = sorted(t['model']['vocab'], key=t['model']['vocab'].get)
    assert [a['id'] for a in t['added_tokens']] == list(range(len(tokens), CONFIG['vocab']))
    normal = len(tokens)
    tokens += [a['content'] for a in t['added_tokens']]
    g = gguf.GGUFWriter(out, 'llama')
    g.add_name('Llamita Stories')
    g.add_description('A toy story teller in English and Spanish, trained from scratch on generated stories and conversations')
    g.add_license('MIT OR Apache-2.0')
    g.add_languages(['en', 'es'])
    g.add_file_type(0 if f32 else 2)
    if not f32:
        g.add_quantization_version(2)
    g.add_vocab_size(CONFIG['vocab'])
    g.add_context_length(CONFIG['context'])
    g.add_embedding_length(CONFIG['dim'])
    g.add_block_count(CONFIG['layers'])
    g.add_feed_forward_length(CONFIG['ffn'])
    g.add_head_count(CONFIG['heads'])
    g.add_head_count_kv(CONFIG['kv_heads'])
    g.add_rope_dimension_count(CONFIG['head_dim'])
    g.add_rope_freq_base(CONFIG['theta'])
    g.add_layer_norm_rms_eps(CONFIG['eps'])
    g.add_float32('general.sampling.temp', 0.6)
    g.add_float32('general.sampling.top_p', 0.9)
    g.add_tokenizer_model('gpt2')
    g.add_tokenizer_pre('llama-bpe')
    g.add_token_list(tokens)
    g.add_token_types([1] * normal + [3] * (len(tokens) - normal))
    g.add_token_merges([m if isinstance(m, str) else ' '.join(m) for m in t['model']['merges']])
    g.add_bos_token_id(tokens.index('<|begin_of_text|>'))
    g.add_eos_token_id(tokens.index('<|end_of_text|>'))
    g.add_eot_token_id(tokens.index('<|eot_id|>'))
    g.add_add_bos_token(True)
    g.add_chat_template(TEMPLATE)

    def put(name, a, qtype):
        if f32 or qtype == QT.F32:
            g.add_tensor(name, a)
        else:
            g.add_tensor(name, gguf.quants.quantize(a, qtype), raw_dtype=qtype)

    put('token_embd.weight', w['embed'], QT.Q8_0)
    put('output_norm.weight', w['norm'], QT.F32)
    for l in range(CONFIG['layers']):
        put(f'blk.{l}.attn_norm.weight', w[f'{l}.attn_norm'], QT.F32)
        put(f'blk.{l}.ffn_norm.weight', w[f'{l}.ffn_norm'], QT.F32)
        for n, name in NAMES.items():
            put(f'blk.{l}.{name}.weight', w[f'{l}.{n}'], QT.Q4_0)
    g.write_header_to_file()
    g.write_kv_data_to_file()
    g.write_tensors_to_file()
    g.close()


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--checkpoint', default=os.path.join(HERE, 'checkpoint.npz'))
    ap.add_argument('--out', default=os.path.join(HERE, 'llamita-stories.gguf'))
    ap.add_argument('--f32', action='store_true')
    a = ap.parse_args()
    export(a.checkpoint, a.out, a.f32)
    print(a.out, os.path.getsize(a.out), 'bytes')
