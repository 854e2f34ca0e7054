#!/usr/bin/env python3
"""Mean negative log-likelihood (nats per token) and perplexity of GGUF files, with the NumPy reference.

  python evaluate.py llamita-stories.gguf stories-f32.gguf
"""
import random
import sys

import numpy as np
from tokenizers import Tokenizer

from goldens import FIXTURES, HERE, Model, nll
from stories import story

tok = Tokenizer.from_file(HERE + '/tokenizer.json')
held = tok.encode(open(FIXTURES + '/bundled-heldout.txt').read()).ids
eos = tok.token_to_id('<|end_of_text|>')
for path in sys.argv[1:]:
    model, r = Model(path), random.Random('evaluate')
    out = [('heldout text', nll(model, held))]
    for lang in ('en', 'es'):
        docs = [tok.encode(story(r, lang)).ids + [eos] for _ in range(32)]
        n = np.array([len(d) - 1 for d in docs])
        out.append((f'32 new stories ({lang})', float((n * [nll(model, d) for d in docs]).sum() / n.sum())))
    print(path + ':', ', '.join(f'{k} {v:.4f} (perplexity {np.exp(v):.3f})' for k, v in out))
