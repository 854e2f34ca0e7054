#!/usr/bin/env python3
"""Trains the bundled model on freshly generated stories, on the CPU with JAX.

  python make_tokenizer.py; python train.py [--minutes 40 | --steps N] [--seed 0] [--out checkpoint.npz]

The learning rate follows the clock (or the step count with --steps). Matrices are trained with Muon, embeddings and
norms with Adam. Near the end every fourth batch has rows of 1,024 tokens, and the matrices are rounded to Q4_0 in the forward pass (straight-through gradients), so the exported int4 model is the one that was trained.
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

import stories
from stories import story

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = dict(dim=256, ffn=512, layers=4, heads=8, kv_heads=4, head_dim=32, vocab=2048, context=1024, theta=10000.0, eps=1e-5)
C = type('C', (), CONFIG)
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


def forward(p, ids, quantized):
    B, T = ids.shape
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
            a = jax.nn.softmax(a, -1).reshape(B, C.kv_heads, g * (e - s), e)
            outs.append((a @ v[:, :, :e]).reshape(B, C.kv_heads, g, e - s, C.head_dim))
        o = jnp.concatenate(outs, 3).transpose(0, 3, 1, 2, 4).reshape(B, T, C.dim)
        x = x + o @ W(l, 'o')
        h = rms(x, p[f'{l}.ffn_norm']) @ W(l, 'gate', 'up')
        x = x + (jax.nn.silu(h[..., :C.ffn]) * h[..., C.ffn:]) @ W(l, 'down')
    return rms(x, p['norm']) @ p['embed'].T


def loss_fn(p, ids, quantized, keep=True):
    x, y = ids[:, :-1], ids[:, 1:]
    lg = forward(p, jnp.maximum(x, 0), quantized)
    nll = jax.nn.logsumexp(lg, -1) - jnp.take_along_axis(lg, jnp.maximum(y, 0)[..., None], -1)[..., 0]
    m = (y >= 0) & keep
    return jnp.sum(nll * m) / jnp.sum(m)


def orthogonal(g):
    """Newton-Schulz iteration of Muon."""
    t = g.shape[0] > g.shape[1]
    x = (g.T if t else g)
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if t else x


def update(p, s, ids, lr, step, quantized):
    loss, g = jax.value_and_grad(loss_fn)(p, ids, quantized)
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


WIDTHS = (280, 384)


def chunks(tok, seed, size):
    """Endless chunks of tokenized stories: BOS story EOS."""
    bos, eos = tok.token_to_id('<|begin_of_text|>'), tok.token_to_id('<|end_of_text|>')
    for c in range(10 ** 9):
        r = random.Random(f'{seed}/{c}')
        yield [[bos] + e.ids + [eos] for e in tok.encode_batch([story(r) for _ in range(size)], add_special_tokens=False)]


def pad(rows, width):
    return np.array([o[:width] + [-1] * (width - len(o)) for o in rows], np.int32)


def short_batches(tok, seed, batch):
    """One story per row; a batch holds stories of similar length, padded with -1."""
    waiting = {w: [] for w in WIDTHS}
    for docs in chunks(tok, seed, 256):
        for d in docs:
            w = next(w for w in WIDTHS if len(d) <= w + 1 or w == WIDTHS[-1])
            waiting[w].append(d)
            if len(waiting[w]) == batch:
                yield pad(waiting[w], w + 1)
                waiting[w] = []


def opening_batches(tok, seed, batch, width=65):
    """Only the beginnings of stories, where the name is near its next mention: copying is learned here first."""
    for docs in chunks(tok, seed, batch):
        yield pad(docs, width)


def name_ids(tok):
    lists = stories.EN_BOYS + stories.EN_GIRLS + stories.ES_BOYS + stories.ES_GIRLS
    ids = [tok.encode(lead + n, add_special_tokens=False).ids for n in lists for lead in ('', ' ', '—')]
    return sorted({e[0] for e in ids if len(e) == 1})


def repeated(tok, ids):
    """Mask of targets that repeat a name of the same row."""
    known = set(name_ids(tok))
    return np.array([[t in known and t in row[:i + 1] for i, t in enumerate(row[1:])] for row in ids.tolist()])


def long_batches(tok, seed, batch, width=1025):
    """Several stories per row, one after the other."""
    row, rows = [], []
    for docs in chunks(tok, seed, 64):
        for d in docs:
            row += d
            if len(row) >= width:
                rows.append(row)
                row = []
                if len(rows) == batch:
                    yield pad(rows, width)
                    rows = []


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--minutes', type=float, default=40)
    ap.add_argument('--steps', type=int, default=0)
    ap.add_argument('--seed', type=int, default=0)
    ap.add_argument('--batch', type=int, default=12, help='stories per step')
    ap.add_argument('--init', help='a checkpoint to go on from')
    ap.add_argument('--int4', type=float, default=0.85, help='the part of the run after which matrices are rounded to Q4_0')
    ap.add_argument('--made-up', type=float, default=0.2, help='part of names that are invented')
    ap.add_argument('--peak', type=float, default=1.0, help='highest learning rate')
    ap.add_argument('--openings', type=float, default=0.0, help='part of the run that sees only the first 64 tokens of stories')
    ap.add_argument('--out', default=os.path.join(HERE, 'checkpoint.npz'))
    ap.add_argument('--log', default=os.path.join(HERE, 'training.log'))
    a = ap.parse_args()
    stories.MADE_UP = a.made_up
    tok = Tokenizer.from_file(os.path.join(HERE, 'tokenizer.json'))
    p = {k: jnp.asarray(v) for k, v in np.load(a.init).items()} if a.init else init(a.seed)
    s = {n: ((jnp.zeros_like(w),) if n.split('.')[-1] in MATRICES else (jnp.zeros_like(w), jnp.zeros_like(w))) for n, w in p.items()}
    upd = jax.jit(update, static_argnums=5, donate_argnums=(0, 1))
    ev = jax.jit(loss_fn, static_argnums=2)
    val = pad(next(chunks(tok, 'validation', 24)), 385)
    names = repeated(tok, val)
    openings = opening_batches(tok, f'{a.seed}/openings', 40)
    short, long = short_batches(tok, a.seed, a.batch), long_batches(tok, f'{a.seed}/long', max(1, a.batch // 4))
    log = open(a.log, 'w')

    def write(line):
        log.write(line + '\n')
        log.flush()
        print(line, flush=True)

    write(f'parameters {sum(w.size for w in p.values())} config {json.dumps(CONFIG)}')
    t0 = saved = told = time.time()
    step = tokens = 0
    ema = None

    def save():
        tmp = a.out + '.tmp.npz'
        np.savez(tmp, **{k: np.asarray(v) for k, v in p.items()})
        os.replace(tmp, a.out)

    while True:
        prog = step / a.steps if a.steps else (time.time() - t0) / (60 * a.minutes)
        if prog >= 1:
            break
        step += 1
        lr = a.peak * min(1.0, step / 40) * (1.0 if prog < 0.35 else max(0.02, 0.5 + 0.5 * np.cos(np.pi * (prog - 0.35) / 0.65)))
        fine = prog >= a.int4
        ids = next(openings if prog < a.openings else long if prog > 0.85 and step % 4 == 0 else short)
        p, s, loss = upd(p, s, ids, np.float32(lr), np.float32(step), fine)
        loss = float(loss)
        tokens += int((ids >= 0).sum())
        ema = loss if ema is None else 0.95 * ema + 0.05 * loss
        now = time.time()
        if now - told > 60 or step in (1, 10, 40):
            told = now
            write(f'{(now - t0) / 60:5.1f} min step {step:5d} tokens {tokens:8d} lr {lr:.3f} train {ema:.4f} val {float(ev(p, val, fine)):.4f} names {float(ev(p, val, fine, names)):.3f}{" (Q4_0)" if fine else ""}')
        if now - saved > 60:
            saved = now
            save()
    save()
    write(f'done: {step} steps, {tokens} tokens, {(time.time() - t0) / 60:.1f} minutes; validation f32 {float(ev(p, val, False)):.4f}, Q4_0 {float(ev(p, val, True)):.4f}')


if __name__ == '__main__':
    main()
