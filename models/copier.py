#!/usr/bin/env python3
"""Between the two training runs: installs a circuit that repeats names, which the second run then refines.

  python copier.py checkpoint.npz installed.npz

After the first run the stories are right but each mention of the hero is a new random name: no layer after the first can
tell which name it reads. Learning that by gradient alone takes far longer than the first run, so it is built by hand:
  - 33 of the least used neurons of the first FFN fire on names and write which name it is (32 directions of the residual
    stream that nothing else uses) and that it is a name (one more);
  - one kv head of the last two layers looks for such a token wherever a name is about to come and adds that name's logit.
"""
import os
import random
import sys

import numpy as np
from tokenizers import Tokenizer

from goldens import HERE
from reference import Model
from stories import story
from train import C, name_ids

NAMES = dict(q='attn_q', k='attn_k', v='attn_v', o='attn_output', gate='ffn_gate', up='ffn_up', down='ffn_down', attn_norm='attn_norm', ffn_norm='ffn_norm')
D, MARK, KAPPA, SHARP, GAIN = C.head_dim, 1.5, 1.0, 3.0, float(os.environ.get('GAIN', 80))


def trace(model, p, docs):
    """Inputs and outputs of every norm, for all tokens of docs."""
    model.w = {'token_embd.weight': p['embed'], 'output_norm.weight': p['norm'],
               **{f'blk.{k.split(".")[0]}.{NAMES[k.split(".")[1]]}.weight': v for k, v in p.items() if '.' in k}}
    norm, seen = model.norm, []

    def record(x, w):
        y = norm(x, w)
        seen.append((x, y))
        return y

    out = []
    for d in docs:
        seen.clear()
        model.norm = record
        model.reset()
        model.forward(d[:-1])
        model.norm = norm
        out.append([(x, y) for x, y in seen])
    return [tuple(np.concatenate([o[k][i] for o in out]) for i in (0, 1)) for k in range(len(out[0]))]


def ridge(h, target):
    return np.linalg.solve(h.T @ h + 0.3 * len(h) * np.eye(h.shape[1]), h.T @ target).T


def install(p, template):
    tok, model, rng = Tokenizer.from_file(HERE + '/tokenizer.json'), Model(template), np.random.default_rng(0)
    r = random.Random('x')
    docs = [tok.encode(story(r, lang)).ids for lang in ('en', 'es') * 28]
    known, tokens = name_ids(tok), np.concatenate([d[:-1] for d in docs])
    at = np.isin(tokens, known)
    e = p['embed'][known]
    a_name = e.mean(0) - p['embed'].mean(0)
    a_name /= np.linalg.norm(a_name)
    t = trace(model, p, docs)
    cov = sum(x.T @ x / np.sum(x * x) for x, _ in t[1:]) + p['embed'].T @ p['embed'] / np.sum(p['embed'] ** 2)
    free = np.linalg.eigh(cov)[1]  # the directions with the least in them
    mark, carry = free[:, :D], free[:, D:2 * D + 1]
    marks = {n: v / np.linalg.norm(v) for n, v in ((tok.decode([i]).strip(' —'), rng.normal(size=D)) for i in known)}
    for i in known:
        p['embed'][i] += MARK * mark @ marks[tok.decode([i]).strip(' —')]
    code = np.array([marks[tok.decode([i]).strip(' —')] for i in tokens[at]])
    t = trace(model, p, docs)
    h = t[1][1]
    gate = h @ p['0.gate'].T
    use = (gate / (1 + np.exp(-gate)) * (h @ p['0.up'].T)).std(0) * np.linalg.norm(p['0.down'], axis=0)
    is_name = a_name / p['0.ffn_norm']
    read = ridge(h[at], code)
    for j, n in enumerate(np.argsort(use)[:D + 1]):
        p['0.gate'][n] = is_name * 6 / (h[at] @ is_name).mean()
        p['0.up'][n] = read[j] * 20 if j < D else is_name
        p['0.down'][:, n] = carry[:, j] * KAPPA
    g = C.heads // C.kv_heads
    for l in range(C.layers - 2, C.layers):
        h = trace(model, p, docs)[2 * l][1][at]
        read = ridge(h, code)
        print('layer', l, 'name code: R2 %.3f' % (1 - ((h @ read.T - code) ** 2).sum() / (code ** 2).sum()))
        scale = 1 / np.linalg.norm(read, axis=1).mean()
        p[f'{l}.v'][-D:] = read * scale
        p[f'{l}.k'][-D:] = rng.normal(0, 0.02, (D, C.dim))
        p[f'{l}.k'][-2] = SHARP * carry[:, D] / p[f'{l}.attn_norm']  # the slowest RoPE pair: hardly depends on distance
        for k in range(C.heads - g, C.heads):
            p[f'{l}.q'][k * D:(k + 1) * D] = rng.normal(0, 0.02, (D, C.dim))
            p[f'{l}.q'][(k + 1) * D - 2] = SHARP * a_name / p[f'{l}.attn_norm']
            p[f'{l}.o'][:, k * D:(k + 1) * D] = mark * GAIN / scale / 2 / g
    return p


if __name__ == '__main__':
    import tempfile

    from export import export
    template = os.path.join(tempfile.mkdtemp(), 'template.gguf')
    export(sys.argv[1], template, f32=True)
    p = install({k: v.astype(np.float64) for k, v in np.load(sys.argv[1]).items()}, template)
    np.savez(sys.argv[2], **{k: v.astype(np.float32) for k, v in p.items()})
