#!/usr/bin/env python3
"""Trains the bundled model on freshly generated stories and conversations, on the CPU with JAX.

  python make_tokenizer.py; python train.py [--minutes 40 | --steps N] [--seed 0] [--init model.gguf] [--out checkpoint.npz]

The learning rate follows the clock (or the step count with --steps). Matrices are trained with Muon, embeddings and
norms with Adam. What the user says counts little in the loss, what the model answers counts fully. The first part of the
run sees only the beginnings of documents, where what the request names is near the answer: copying is learned there.
Near the end every fourth batch has rows of 1,024 tokens, and the matrices are rounded to Q4_0 in the forward pass (straight-through gradients), so the exported int4 model is the one that was trained.
RoPE uses interleaved pairs (2i, 2i+1), as GGUF's llama architecture stores them.
"""
import argparse
import json
import os
import random
import time

import jax
import jax.numpy as jnp
import numpy as np
from tokenizers import Tokenizer

from chat import conversation, render
from stories import grammar, story
from stories.english import EN_BOYS, EN_GIRLS
from stories.spanish import ES_BOYS, ES_GIRLS

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = dict(dim=256, ffn=512, layers=4, heads=8, kv_heads=4, head_dim=32, vocab=2048, context=1024, theta=10000.0, eps=1e-5)
C = type('C', (), CONFIG)
GUIDED = {1: 'previous', 2: 'copy', 3: 'copy'}  # what the first group of heads of a layer learns to look at
MATRICES = ('q', 'k', 'v', 'o', 'gate', 'up', 'down')


def init(seed):
    r = np.random.default_rng(seed)
    kv = C.kv_heads * C.head_dim
    shape = dict(q=(C.dim, C.dim), k=(kv, C.dim), v=(kv, C.dim), o=(C.dim, C.dim), gate=(C.ffn, C.dim), up=(C.ffn, C.dim), down=(C.dim, C.ffn))
    p = {'embed': r.normal(0, 0.04, (C.vocab, C.dim)), 'norm': np.ones(C.dim)}
    for l in range(C.layers):
        for n, s in shape.items():
            scale = s[1] ** -0.5 * (0.3 if n in ('o', 'down') else 0.8)
            p[f'{l}.{n}'] = r.normal(0, scale, s)
        p[f'{l}.attn_norm'] = np.ones(C.dim)
        p[f'{l}.ffn_norm'] = np.ones(C.dim)
    return {k: jnp.asarray(v, jnp.float32) for k, v in p.items()}


def q4_0(w):
    """Q4_0 rounding with a straight-through gradient."""
    b = w.reshape(-1, 32)
    m = jnp.take_along_axis(b, jnp.argmax(jnp.abs(b), 1, keepdims=True), 1)
    d = m / -8
    inv = jnp.where(d == 0, 0, 1 / jnp.where(d == 0, 1, d))
    q = jnp.clip(jnp.floor(b * inv + 8.5), 0, 15) - 8
    r = (q * d.astype(jnp.float16).astype(jnp.float32)).reshape(w.shape)
    return w + jax.lax.stop_gradient(r - w)


def rms(x, w):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + C.eps) * w


def rope(x, cos, sin):
    a, b = x[..., 0::2], x[..., 1::2]
    return jnp.stack([a * cos - b * sin, a * sin + b * cos], -1).reshape(x.shape)


def forward(p, ids, quantized, copies=None):
    """Logits; with `copies` (see copy_targets) also the mean negative log of what the guided heads attend to."""
    B, T = ids.shape
    guided = []
    f = C.theta ** (-np.arange(0, C.head_dim, 2) / C.head_dim)
    ang = np.arange(T)[:, None] * f
    cos, sin = jnp.asarray(np.cos(ang)[:, None], jnp.float32), jnp.asarray(np.sin(ang)[:, None], jnp.float32)
    W = (lambda l, *n: jnp.concatenate([q4_0(p[f'{l}.{i}']) for i in n]).T) if quantized else (lambda l, *n: jnp.concatenate([p[f'{l}.{i}'] for i in n]).T)
    x = p['embed'][ids]
    g, kv, blk = C.heads // C.kv_heads, C.kv_heads * C.head_dim, 96 if T < 512 else 128
    for l in range(C.layers):
        h = rms(x, p[f'{l}.attn_norm']) @ W(l, 'q', 'k', 'v')
        q = rope(h[..., :C.dim].reshape(B, T, C.heads, C.head_dim), cos, sin) * C.head_dim ** -0.5
        k = rope(h[..., C.dim:C.dim + kv].reshape(B, T, C.kv_heads, C.head_dim), cos, sin)
        v = h[..., C.dim + kv:].reshape(B, T, C.kv_heads, C.head_dim)
        q = q.reshape(B, T, C.kv_heads, g, C.head_dim).transpose(0, 2, 3, 1, 4)
        k, v = k.transpose(0, 2, 3, 1), v.transpose(0, 2, 1, 3)
        outs = []
        for s in range(0, T, blk):  # causal blocks: keys after the block are never touched
            e = min(s + blk, T)
            qs = q[:, :, :, s:e].reshape(B, C.kv_heads, g * (e - s), C.head_dim)
            a = (qs @ k[..., :e]).reshape(B, C.kv_heads, g, e - s, e)
            a = jnp.where(np.arange(e)[None] <= np.arange(s, e)[:, None], a, -1e30)
            a = jax.nn.softmax(a, -1)
            if copies is not None and l in GUIDED:
                if GUIDED[l] == 'previous':
                    seen, w = jnp.asarray(np.arange(e)[None] == np.arange(s, e)[:, None] - 1)[None], jnp.asarray(np.arange(s, e) > 0, jnp.float32)[None]
                else:
                    seen, w = ids[:, None, :e] == copies[0][:, s:e, None], copies[1][:, s:e]
                mass = jnp.sum(a[:, 0] * seen[:, None], -1)
                guided.append((jnp.sum(-jnp.log(mass + 1e-4) * w[:, None]), jnp.sum(w[:, None] * jnp.ones_like(mass))))
            a = a.reshape(B, C.kv_heads, g * (e - s), e)
            outs.append((a @ v[:, :, :e]).reshape(B, C.kv_heads, g, e - s, C.head_dim))
        o = jnp.concatenate(outs, 3).transpose(0, 3, 1, 2, 4).reshape(B, T, C.dim)
        x = x + o @ W(l, 'o')
        h = rms(x, p[f'{l}.ffn_norm']) @ W(l, 'gate', 'up')
        x = x + (jax.nn.silu(h[..., :C.ffn]) * h[..., C.ffn:]) @ W(l, 'down')
    logits = rms(x, p['norm']) @ p['embed'].T
    return logits if copies is None else (logits, sum(n / (d + 1) for n, d in guided) * len(GUIDED) / len(guided))


def nll(logits, y, w):
    return jnp.sum((jax.nn.logsumexp(logits, -1) - jnp.take_along_axis(logits, y[..., None], -1)[..., 0]) * w) / jnp.sum(w)


def loss_fn(p, ids, weights, quantized):
    """Mean negative log-likelihood of ids[:, 1:], each weighted by weights[:, 1:]."""
    return nll(forward(p, ids[:, :-1], quantized), ids[:, 1:], weights[:, 1:])


def guided_loss(p, ids, weights, copies, guide, quantized):
    """With `guide` times how little some heads look where they should: to the token before, and to what is to be copied."""
    logits, aside = forward(p, ids[:, :-1], quantized, copies)
    loss = nll(logits, ids[:, 1:], weights[:, 1:])
    return loss + guide * aside, (loss, aside)


def orthogonal(g):
    """Newton-Schulz iteration of Muon."""
    t = g.shape[0] > g.shape[1]
    x = (g.T if t else g)
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if t else x


def update(p, s, ids, weights, copies, guide, lr, step, quantized):
    (_, loss), g = jax.value_and_grad(guided_loss, has_aux=True)(p, ids, weights, copies, guide, quantized)
    norm = jnp.sqrt(sum(jnp.sum(x * x) for x in g.values()))
    clip = jnp.minimum(1.0, 1.0 / (norm + 1e-6))
    np_, ns = {}, {}
    for n, w in p.items():
        d = g[n] * clip
        if n.split('.')[-1] in MATRICES:
            m = 0.95 * s[n][0] + d
            u = orthogonal(d + 0.95 * m) * max(1.0, w.shape[0] / w.shape[1]) ** 0.5
            np_[n] = w * (1 - 0.001 * lr) - 0.02 * lr * u
            ns[n] = (m,)
        else:
            m = 0.9 * s[n][0] + 0.1 * d
            v = 0.98 * s[n][1] + 0.02 * d * d
            u = (m / (1 - 0.9 ** step)) / (jnp.sqrt(v / (1 - 0.98 ** step)) + 1e-9)
            np_[n] = w - 4e-3 * lr * u
            ns[n] = (m, v)
    return np_, ns, loss


WIDTHS = (96, 192, 352)
ASIDE = 0.1  # how much what the user says counts in the loss
CHATS = 0.68  # the part of documents that are conversations


def documents(tok, seed, chats=None, lang=None):
    """Endless (ids, weights): BOS story EOS, or a conversation."""
    special = {n: tok.token_to_id(f'<|{n}|>') for n in ('begin_of_text', 'end_of_text', 'end_header_id', 'eot_id')}
    assistant = tok.encode('assistant', add_special_tokens=False).ids
    for c in range(10 ** 9):
        r = random.Random(f'{seed}/{c}')
        texts = [render(conversation(r, lang)) if r.random() < (CHATS if chats is None else chats) else f'<|begin_of_text|>{story(r, lang)}<|end_of_text|>' for _ in range(64)]
        for e in tok.encode_batch(texts, add_special_tokens=False):
            ids, weights = e.ids, [1.0] * len(e.ids)
            if ids[-1] == special['eot_id']:
                weight = ASIDE
                for i, t in enumerate(ids):
                    weights[i] = weight
                    if t == special['eot_id']:
                        weight = ASIDE
                    elif t == special['end_header_id'] and ids[i - len(assistant):i] == assistant:
                        weight = 1.0
                weights[1] = 0.0  # without a prompt the model tells a story
            yield ids, weights


def pad(docs, width):
    ids, weights = np.zeros((len(docs), width), np.int32), np.zeros((len(docs), width), np.float32)
    for i, (t, w) in enumerate(docs):
        n = min(len(t), width)
        ids[i, :n], weights[i, :n] = t[:n], w[:n]
    return ids, weights


def short_batches(tok, seed, tokens):
    """One document per row; a batch holds documents of similar length."""
    waiting = {w: [] for w in WIDTHS}
    for d in documents(tok, seed):
        w = next(w for w in WIDTHS if len(d[0]) <= w + 1 or w == WIDTHS[-1])
        waiting[w].append(d)
        if len(waiting[w]) == tokens // w:
            yield pad(waiting[w], w + 1)
            waiting[w] = []


def opening_batches(tok, seed, tokens, width=96):
    """Only the beginnings of documents."""
    docs = documents(tok, seed)
    while True:
        yield pad([next(docs) for _ in range(tokens // width)], width + 1)


def name_ids(tok):
    lists = EN_BOYS + EN_GIRLS + ES_BOYS + ES_GIRLS
    ids = [tok.encode(lead + n, add_special_tokens=False).ids for n in lists for lead in ('', ' ', '—')]
    return sorted({e[0] for e in ids if len(e) == 1})


def repeated(tok, batch):
    """The batch with weights for nothing but the model's repetitions of a name of the same row."""
    known, (ids, weights) = set(name_ids(tok)), batch
    again = [[t in known and t in row[:i] for i, t in enumerate(row)] for row in ids.tolist()]
    return ids, np.array(again, np.float32) * (weights == 1)


def copy_targets(common, batch):
    """The next token of each position, and 1 where it is to be copied: uncommon, the model's, and seen before in the row."""
    ids, weights = batch
    y = ids[:, 1:]
    seen = np.array([[t in row[:i + 1] for i, t in enumerate(row[1:])] for row in ids.tolist()])
    return y, (seen & ~common[y] & (weights[:, 1:] > 0)).astype(np.float32)


def long_batches(tok, seed, tokens, width=1024):
    """Several documents per row, one after the other."""
    row, rows = ([], []), []
    for ids, weights in documents(tok, seed):
        row = row[0] + ids, row[1] + weights
        if len(row[0]) > width:
            rows.append(row)
            row = ([], [])
            if len(rows) == tokens // width:
                yield pad(rows, width + 1)
                rows = []


def load(path):
    """A checkpoint: .npz of this script, or a GGUF file of export.py."""
    if not path.endswith('.gguf'):
        return {k: jnp.asarray(v) for k, v in np.load(path).items()}
    import gguf
    from export import NAMES
    names = {'token_embd': 'embed', 'output_norm': 'norm'} | {f'blk.{l}.{n}': f'{l}.{n}' for l in range(C.layers) for n in ('attn_norm', 'ffn_norm')}
    names |= {f'blk.{l}.{g}': f'{l}.{n}' for l in range(C.layers) for n, g in NAMES.items()}
    return {names[t.name.removesuffix('.weight')]: jnp.asarray(gguf.quants.dequantize(t.data, t.tensor_type), jnp.float32) for t in gguf.GGUFReader(path).tensors}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--minutes', type=float, default=40)
    ap.add_argument('--steps', type=int, default=0)
    ap.add_argument('--seed', type=int, default=0)
    ap.add_argument('--batch', type=int, default=3840, help='tokens per step')
    ap.add_argument('--init', help='a checkpoint or GGUF file to go on from')
    ap.add_argument('--int4', type=float, default=0.85, help='the part of the run after which matrices are rounded to Q4_0')
    ap.add_argument('--made-up', type=float, default=0.2, help='part of names that are invented')
    ap.add_argument('--peak', type=float, default=1.0, help='highest learning rate')
    ap.add_argument('--openings', type=float, default=0.0, help='part of the run that sees only the first 96 tokens of documents')
    ap.add_argument('--rescale', type=float, default=1.0, help='what the outputs of all layers are divided by before the run')
    ap.add_argument('--guide', type=float, default=0.3, help='weight of attention guidance at the beginning')
    ap.add_argument('--out', default=os.path.join(HERE, 'checkpoint.npz'))
    ap.add_argument('--log', default=os.path.join(HERE, 'training.log'))
    a = ap.parse_args()
    grammar.MADE_UP = a.made_up
    tok = Tokenizer.from_file(os.path.join(HERE, 'tokenizer.json'))
    p = load(a.init) if a.init else init(a.seed)
    p = {k: w / a.rescale if k.split('.')[-1] in ('o', 'down') else w for k, w in p.items()}
    s = {n: ((jnp.zeros_like(w),) if n.split('.')[-1] in MATRICES else (jnp.zeros_like(w), jnp.zeros_like(w))) for n, w in p.items()}
    upd = jax.jit(update, static_argnums=8, donate_argnums=(0, 1))
    ev = jax.jit(loss_fn, static_argnums=3)
    held = {n: documents(tok, f'validation/{n}', n == 'chat') for n in ('chat', 'story')}
    val = {n: pad([next(docs) for _ in range(16)], 385) for n, docs in held.items()}
    val |= {f'names in {n}': repeated(tok, v) for n, v in list(val.items())}
    docs = documents(tok, 'frequencies')
    counts = np.bincount(np.concatenate([next(docs)[0] for _ in range(1000)]), minlength=C.vocab)
    common = np.zeros(C.vocab, bool)
    common[np.argsort(-counts)[:150]] = True
    openings = opening_batches(tok, f'{a.seed}/openings', a.batch)
    short, long = short_batches(tok, a.seed, a.batch), long_batches(tok, f'{a.seed}/long', a.batch)
    log = open(a.log, 'w')

    def write(line):
        log.write(line + '\n')
        log.flush()
        print(line, flush=True)

    write(f'parameters {sum(w.size for w in p.values())} config {json.dumps(CONFIG)}')
    t0 = saved = told = time.time()
    step = tokens = 0
    ema = None

    def validation(quantized):
        return ' '.join(f'{n} {float(ev(p, *v, quantized)):.3f}' for n, v in val.items())

    def save():
        tmp = a.out + '.tmp.npz'
        np.savez(tmp, **{k: np.asarray(v) for k, v in p.items()})
        os.replace(tmp, a.out)

    while True:
        prog = step / a.steps if a.steps else (time.time() - t0) / (60 * a.minutes)
        if prog >= 1:
            break
        step += 1
        lr = a.peak * min(1.0, step / 15) * (1.0 if prog < 0.35 else max(0.02, 0.5 + 0.5 * np.cos(np.pi * (prog - 0.35) / 0.65)))
        fine = prog >= a.int4
        ids, weights = next(openings if prog < a.openings and step % 3 else long if prog > 0.85 and step % 4 == 0 else short)
        copies, early = copy_targets(common, (ids, weights)), max(0, 1 - prog / 0.6)
        weights[:, 1:] *= 1 + 2 * early * copies[1]
        p, s, loss = upd(p, s, ids, weights, copies, np.float32(a.guide * early), np.float32(lr), np.float32(step), fine)
        loss, aside = float(loss[0]), float(loss[1])
        tokens += int((weights > 0).sum())
        ema = loss if ema is None else 0.95 * ema + 0.05 * loss
        now = time.time()
        if now - told > 60 or step in (1, 10, 40):
            told = now
            write(f'{(now - t0) / 60:5.1f} min step {step:5d} tokens {tokens:8d} lr {lr:.3f} train {ema:.4f} guided {aside:.3f} validation: {validation(fine)}{" (Q4_0)" if fine else ""}')
        if now - saved > 60:
            saved = now
            save()
    save()
    write(f'done: {step} steps, {tokens} tokens, {(time.time() - t0) / 60:.1f} minutes; f32 {validation(False)}; Q4_0 {validation(True)}')


if __name__ == '__main__':
    main()
