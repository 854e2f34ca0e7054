#!/usr/bin/env python3
"""Tells stories with the NumPy reference (slow, for checking a model without the engine).

  python sample.py [--model llamita-stories.gguf] [--prompt 'Había una vez' | --chat 'Hola' 'Cuéntame un cuento'] [-n 1] [--temp 0.6] [--top-p 0.9] [--seed 0]
"""
import argparse
import os
import sys

import numpy as np
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'tests', 'fixtures'))
from reference import Model  # noqa: E402

from chat import render  # noqa: E402


def generate(model, ids, rng, temp=0.6, top_p=0.9, limit=600):
    model.reset()
    ends = [model.meta[f'tokenizer.ggml.{n}_token_id'] for n in ('eos', 'eot') if f'tokenizer.ggml.{n}_token_id' in model.meta]
    out, logits = [], model.forward(ids)[-1]
    while len(out) < limit:
        if temp <= 0:
            t = int(logits.argmax())
        else:
            p = np.exp((logits - logits.max()) / temp)
            p /= p.sum()
            order = np.argsort(-p)
            keep = order[:int(np.searchsorted(np.cumsum(p[order]), top_p)) + 1]
            t = int(rng.choice(keep, p=p[keep] / p[keep].sum()))
        if t in ends:
            return out, True
        out.append(t)
        logits = model.forward([t])[-1]
    return out, False


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--model', default=os.path.join(HERE, 'llamita-stories.gguf'))
    ap.add_argument('--prompt', default='')
    ap.add_argument('--chat', nargs='+', help='what the user says, turn by turn')
    ap.add_argument('-n', type=int, default=1)
    ap.add_argument('--temp', type=float, default=0.6)
    ap.add_argument('--top-p', type=float, default=0.9)
    ap.add_argument('--seed', type=int, default=0)
    a = ap.parse_args()
    tok, model = Tokenizer.from_file(os.path.join(HERE, 'tokenizer.json')), Model(a.model)
    for i in range(a.n if a.chat else 0):
        messages = []
        for text in a.chat:
            messages.append(('user', text))
            ids = tok.encode(render(messages) + '<|start_header_id|>assistant<|end_header_id|>\n\n', add_special_tokens=False).ids
            out, _ = generate(model, ids, np.random.default_rng(a.seed + i), a.temp, a.top_p)
            messages.append(('assistant', tok.decode(out)))
            print(f'> {text}\n{messages[-1][1]}\n')
    for i in range(0 if a.chat else a.n):
        ids = tok.encode(a.prompt).ids
        out, ended = generate(model, ids, np.random.default_rng(a.seed + i), a.temp, a.top_p)
        print(a.prompt + tok.decode(out), f'\n\n--- {len(out)} tokens,', 'ended' if ended else 'cut', '---\n')
