#!/usr/bin/env python3
"""Reference outputs of the bundled model -> ../tests/fixtures/bundled-{golden.json,golden.safetensors,heldout.txt}

Computed by tests/fixtures/reference.py: NumPy, float64 activations, weights dequantized from the GGUF.
"""
import json
import os
import random
import sys

import numpy as np
from tokenizers import Tokenizer

from stories import story

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, '..', 'tests', 'fixtures')
sys.path.insert(0, FIXTURES)
from reference import Model, log_softmax, save_safetensors  # noqa: E402

GREEDY = 24
PROBES = ['Once upon a time', 'Había una vez, en un pueblo junto al mar', ' leading space', 'two  spaces', 'trailing ', 'a\n\nb\r\n c\t', "Don't! I'LL go, it's 12345 o'clock.",
          '¿Qué? —¡Sí! —dijo él.', 'naïve café “quotes” — €5', '你好 🦙', '', 'x', '   ', 'snake_case(42) == "ok"']


def greedy(model, ids, n):
    model.reset()
    out, margin, logits = [], float('inf'), model.forward(ids)[-1]
    for _ in range(n):
        top = np.partition(logits, -2)[-2:]
        margin = min(margin, float(top[1] - top[0]))
        out.append(int(logits.argmax()))
        logits = model.forward(out[-1:])[-1]
    return out, margin


def nll(model, ids):
    """Mean over ids[1:], each predicted from all before it."""
    model.reset()
    lp = log_softmax(model.forward(ids[:-1]))
    return float(-lp[np.arange(len(ids) - 1), ids[1:]].mean())


def choose(model, tok, candidates):
    """The prompt whose greedy continuation is the least ambiguous: a wrong engine then differs, a right one does not."""
    best = None
    for text in candidates:
        ids = tok.encode(text).ids
        out, margin = greedy(model, ids, GREEDY)
        if tok.token_to_id('<|end_of_text|>') in out:
            continue
        if best is None or margin > best[2]:
            best = (text, out, margin)
    return best


def openings(tok, lang, n):
    """Beginnings of unseen stories, 12 to 24 tokens long with BOS, cut at a token boundary."""
    r = random.Random('openings')
    while n:
        ids = tok.encode(story(r, lang)).ids[:r.randrange(12, 25)]
        text = tok.decode(ids)
        if tok.encode(text).ids == ids:
            yield text
            n -= 1


def main():
    path = os.path.join(HERE, 'llamita-stories.gguf')
    tok, model = Tokenizer.from_file(os.path.join(HERE, 'tokenizer.json')), Model(path)
    held = os.path.join(FIXTURES, 'bundled-heldout.txt')
    if not os.path.exists(held):
        r = random.Random('heldout')
        with open(held, 'w') as f:
            f.write('\n\n'.join([story(r, 'en'), story(r, 'es')]) + '\n')
    singles = [tok.decode([i]) for i in range(256, 2037)]
    singles = [s for s in singles if s[0].isupper() and len(tok.encode(s).ids) == 2][:80]
    chosen = [choose(model, tok, openings(tok, 'en', 100)), choose(model, tok, openings(tok, 'es', 100)), choose(model, tok, singles), choose(model, tok, [''])]
    tensors, prompts = {}, []
    for i, (text, out, margin) in enumerate(chosen):
        ids = tok.encode(text).ids
        model.reset()
        tensors[f'p{i}.ids'] = np.array(ids, np.int32)
        tensors[f'p{i}.logits'] = model.forward(ids).astype(np.float32)
        prompts.append(dict(text=text, ids=ids, greedy_ids=out, greedy_text=tok.decode(out, skip_special_tokens=False), greedy_margin=round(margin, 4)))
        print(len(ids), repr(text), '->', repr(tok.decode(out)), 'margin', round(margin, 3))
    text = open(held).read()
    ids = tok.encode(text).ids
    save_safetensors(os.path.join(FIXTURES, 'bundled-golden.safetensors'), tensors)
    golden = dict(how='NumPy, float64 activations, weights dequantized from models/llamita-stories.gguf; ids begin with BOS; greedy_margin is the smallest '
                      'difference of the two highest logits along greedy_ids; heldout is BOS + bundled-heldout.txt, mean NLL in nats over all ids after BOS',
                  prompts=prompts, heldout=dict(file='bundled-heldout.txt', ids=len(ids), mean_nll=nll(model, ids)),
                  tokenizer_probes=[dict(text=p, ids=tok.encode(p).ids) for p in PROBES])
    with open(os.path.join(FIXTURES, 'bundled-golden.json'), 'w') as f:
        json.dump(golden, f, ensure_ascii=False, indent=1)
        f.write('\n')
    print('heldout', golden['heldout'])


if __name__ == '__main__':
    main()
