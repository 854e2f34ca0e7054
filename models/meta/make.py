#!/usr/bin/env python3
"""Writes the bundled model as Meta's three kinds of checkpoint: bf16/, spinquant/ and qlora/ (needs: torch, numpy, gguf, tokenizers).

  python make.py [bf16] [spinquant] [qlora]     all three without arguments; qlora trains for some minutes
"""
import json
import math
import os
import random
import shutil
import sys
import time

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.dirname(HERE)
sys.path.insert(0, MODELS)
from chat import conversation, render  # noqa: E402
from stories import story  # noqa: E402

NAMES = {'attn_q': 'attention.wq', 'attn_k': 'attention.wk', 'attn_v': 'attention.wv', 'attn_output': 'attention.wo', 'attn_norm': 'attention_norm',
         'ffn_norm': 'ffn_norm', 'ffn_gate': 'feed_forward.w1', 'ffn_up': 'feed_forward.w3', 'ffn_down': 'feed_forward.w2',
         'token_embd': 'tok_embeddings', 'output_norm': 'norm'}
LINEARS = [n for n in NAMES.values() if '.' in n]
GROUP, RANK, SCALE = 32, 16, 2.0


def parent():
    """The bundled model in f32 under Meta's names without `.weight`, and its params.json."""
    r = gguf.GGUFReader(os.path.join(MODELS, 'llamita-stories.gguf'))
    f = {k.removeprefix('llama.'): v.contents() for k, v in r.fields.items()}
    w = {}
    for t in r.tensors:
        stem = t.name.removesuffix('.weight')
        l, name = stem.split('.')[1:] if stem.startswith('blk.') else (None, stem)
        w[NAMES[name] if l is None else f'layers.{l}.{NAMES[name]}'] = torch.tensor(gguf.quants.dequantize(t.data, t.tensor_type)).float()
    short = lambda x: float(f'{x:.7g}')  # what was meant by an f32
    p = dict(dim=f['embedding_length'], n_layers=f['block_count'], n_heads=f['attention.head_count'], n_kv_heads=f['attention.head_count_kv'],
             vocab_size=w['tok_embeddings'].shape[0], ffn_dim_multiplier=0.7, multiple_of=256, norm_eps=short(f['attention.layer_norm_rms_epsilon']),
             rope_theta=short(f['rope.freq_base']), use_scaled_rope=False)
    return w, p


def save(kind, w, p):
    folder = os.path.join(HERE, kind)
    os.makedirs(folder, exist_ok=True)
    torch.save(w, os.path.join(folder, 'consolidated.00.pth'))
    with open(os.path.join(folder, 'params.json'), 'w') as f:
        f.write(json.dumps(p, indent=2) + '\n')
    shutil.copy(os.path.join(MODELS, 'tokenizer.json'), folder)
    print(kind, os.path.getsize(os.path.join(folder, 'consolidated.00.pth')), 'bytes', len(w), 'tensors', flush=True)


def rms(x, g, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * g


def forward(w, p, ids, linear=F.linear, embed=None, rotate=lambda h: h):
    """Logits of ids [B, T]; linear(x, name) with weights of `w`, whose head is `output` or the embedding."""
    lin = (lambda x, n: F.linear(x, w[n] if n in w else w['tok_embeddings'])) if linear is F.linear else linear
    (b, t), heads, kv, eps = ids.shape, p['n_heads'], p['n_kv_heads'], p['norm_eps']
    d, x = p['dim'] // heads, F.embedding(ids, w['tok_embeddings'] if embed is None else embed)
    angle = torch.outer(torch.arange(t).double(), p['rope_theta'] ** (-torch.arange(0, d, 2).double() / d))
    cos, sin = angle.cos()[:, None].to(x.dtype), angle.sin()[:, None].to(x.dtype)
    turn = lambda x: torch.stack([x[..., 0::2] * cos - x[..., 1::2] * sin, x[..., 0::2] * sin + x[..., 1::2] * cos], -1).flatten(-2)
    for l in range(p['n_layers']):
        n = f'layers.{l}.'
        h = rms(x, w[n + 'attention_norm'], eps)
        q = turn(lin(h, n + 'attention.wq').view(b, t, heads, d)).transpose(1, 2)
        k = turn(lin(h, n + 'attention.wk').view(b, t, kv, d)).transpose(1, 2)
        v = lin(h, n + 'attention.wv').view(b, t, kv, d).transpose(1, 2)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + lin(a.transpose(1, 2).reshape(b, t, -1), n + 'attention.wo')
        h = rms(x, w[n + 'ffn_norm'], eps)
        x = x + lin(rotate(F.silu(lin(h, n + 'feed_forward.w1')) * lin(h, n + 'feed_forward.w3')), n + 'feed_forward.w2')
    return lin(rms(x, w['norm'], eps), 'output')


# ------------------------------------------------------------------------------------------------ text


def documents(seed):
    """Endless ids: BOS story EOS, or a conversation, with weights: what the user says does not count."""
    tok = Tokenizer.from_file(os.path.join(MODELS, 'tokenizer.json'))
    header, end = tok.token_to_id('<|end_header_id|>'), tok.token_to_id('<|eot_id|>')
    assistant = tok.encode('assistant', add_special_tokens=False).ids
    r = random.Random(seed)
    while True:
        chat = r.random() < 0.5
        ids = tok.encode(render(conversation(r)) if chat else f'<|begin_of_text|>{story(r)}<|end_of_text|>', add_special_tokens=False).ids
        weights, weight = [], 0.0 if chat else 1.0
        for i, t in enumerate(ids):
            weights.append(weight)
            if chat and t == end:
                weight = 0.0
            if chat and t == header and ids[i - len(assistant):i] == assistant:
                weight = 1.0
        yield ids, weights


def batches(seed, rows, width):
    """Rows that are documents one after the other, (ids, weights) [rows, width + 1]."""
    docs, row, out = documents(seed), ([], []), []
    while True:
        d = next(docs)
        row = row[0] + d[0], row[1] + d[1]
        if len(row[0]) > width:
            out.append([x[:width + 1] for x in row])
            row = ([], [])
        if len(out) == rows:
            yield torch.tensor([o[0] for o in out]), torch.tensor([o[1] for o in out])
            out = []


def loss(logits, ids, weights):
    n = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction='none')
    return (n * weights[:, 1:].flatten()).sum() / weights[:, 1:].sum()


# ------------------------------------------------------------------------------------------------ rounding


def rows_int8(w, top=127.0):
    s = w.abs().amax(1, keepdim=True) / top
    return torch.clamp((w / s).round(), -128, 127).to(torch.int8), s


def groups_int4(w):
    """int8 [O, I] in -8..7 and scales [O, I/32]: of 71 clips of a group's largest weight the one with the least error."""
    g = w.view(w.shape[0], -1, GROUP)
    best = torch.full(g.shape[:2], float('inf'))
    codes, scales = torch.zeros_like(g), torch.zeros(g.shape[:2])
    for step in range(71):
        s = (1 - step / 100) * g.abs().amax(-1) / 7
        q = torch.clamp((g / s[..., None]).round(), -8, 7)
        e = (q * s[..., None] - g).pow(2).sum(-1)
        better = e < best
        best, scales = torch.where(better, e, best), torch.where(better, s, scales)
        codes = torch.where(better[..., None], q, codes)
    return codes, scales


def gptq(w, gram):
    """As groups_int4, column after column: the error of a column is made up for by the columns after it (GPTQ)."""
    n, w = w.shape[1], w.double().clone()
    damp = 0.01 * gram.diagonal().mean()
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(gram + damp * torch.eye(n).double())), upper=True)
    codes, scales = torch.zeros_like(w), []
    for i in range(n):
        if i % GROUP == 0:
            scales.append(groups_int4(w[:, i:i + GROUP].float().contiguous())[1][:, 0])
        s = scales[-1].double()
        codes[:, i] = torch.clamp((w[:, i] / s).round(), -8, 7)
        w[:, i + 1:] -= torch.outer((w[:, i] - codes[:, i] * s) / inverse[i, i], inverse[i, i + 1:])
    return codes.view(len(w), -1, GROUP).float(), torch.stack(scales, 1)


# ------------------------------------------------------------------------------------------------ the three kinds


def bf16():
    w, p = parent()
    out = {n + '.weight': t.bfloat16() for n, t in w.items()}
    out['output.weight'] = out['tok_embeddings.weight']  # one storage: a tied head
    d = p['dim'] // p['n_heads']
    out['rope.freqs'] = (p['rope_theta'] ** (-torch.arange(0, d, 2).double() / d)).float()
    save('bf16', out, p)


def hadamard(x):
    n, step = x.shape[-1], 1
    while step < n:
        x = x.unflatten(-1, (-1, 2, step))
        x = torch.stack([x[..., 0, :] + x[..., 1, :], x[..., 0, :] - x[..., 1, :]], -2).flatten(-3)
        step *= 2
    return x / math.sqrt(n)


def rotated(w, p, seed):
    """The same function with gains of norms folded into what follows them and the residual stream, values and the input of w2 rotated. f64."""
    g = torch.Generator().manual_seed(seed)

    def orthogonal(n):
        q, r = torch.linalg.qr(torch.randn(n, n, generator=g, dtype=torch.float64))
        return q * r.diagonal().sign()

    w = {n: t.double() for n, t in w.items()}
    d, r1, out = p['dim'] // p['n_heads'], orthogonal(p['dim']), {}
    out['tok_embeddings'], out['output'] = w['tok_embeddings'] @ r1, w['tok_embeddings'] * w['norm'] @ r1
    for l in range(p['n_layers']):
        n, r2 = f'layers.{l}.', orthogonal(d)
        for m in ('attention.wq', 'attention.wk', 'attention.wv'):
            out[n + m] = w[n + m] * w[n + 'attention_norm'] @ r1
        for m in ('feed_forward.w1', 'feed_forward.w3'):
            out[n + m] = w[n + m] * w[n + 'ffn_norm'] @ r1
        out[n + 'attention.wv'] = (r2.T @ out[n + 'attention.wv'].view(-1, d, p['dim'])).flatten(0, 1)
        out[n + 'attention.wo'] = r1.T @ (w[n + 'attention.wo'].view(p['dim'], -1, d) @ r2).flatten(1)
        out[n + 'feed_forward.w2'] = hadamard(r1.T @ w[n + 'feed_forward.w2'])
    return out | {n: torch.ones_like(t) for n, t in w.items() if n.endswith('norm')}


def spinquant(seed=0):
    w, p = parent()
    r = rotated(w, p, seed)
    ids, _ = next(batches('calibration', 48, 256))
    right = forward({n: t.double() for n, t in w.items()}, p, ids[:2])
    wrong = forward(r, p, ids[:2], rotate=hadamard)
    assert (wrong - right).pow(2).sum() / right.pow(2).sum() < 1e-20
    f = {n: t.float() for n, t in r.items()}
    grams = {}

    def linear(x, n):
        h = x.flatten(0, 1).double()
        grams[n] = h.T @ h
        return F.linear(x, f[n])

    forward(f, p, ids, linear, rotate=hadamard)
    out, q = {}, dict(f)
    for n, t in r.items():
        if n.endswith('norm'):
            out[n + '.weight'] = torch.ones(p['dim'], dtype=torch.bfloat16)
            continue
        if n in ('tok_embeddings', 'output'):
            codes, scales = rows_int8(t.float())
            q[n] = codes * scales
        else:
            codes, scales = gptq(t, grams[n])
            q[n] = (codes * scales[..., None]).flatten(1)
            codes = codes.flatten(1).to(torch.int8)
        out[n + '.weight'], out[n + '.scales'] = codes, scales.float()
    held, hw = next(batches('validation', 16, 256))
    print('spinquant: loss', *(f'{float(loss(forward(x, p, held[:, :-1], rotate=r), held, hw)):.4f}' for x, r in ((w, lambda h: h), (q, hadamard))))
    save('spinquant', out, p | dict(quantization_args=dict(group_size=GROUP)))


class Through(torch.autograd.Function):
    """The first argument's gradient, the second's value."""
    @staticmethod
    def forward(ctx, x, y):
        return y

    @staticmethod
    def backward(ctx, g):
        return g, None


@torch.no_grad()
def fake_int4(w):
    """torchao's rule: scale = max|w| / 7.5. Codes, scales."""
    g = w.view(w.shape[0], -1, GROUP)
    s = (g.abs().amax(-1) / 7.5).clamp(min=1e-8)
    return torch.clamp((g / s[..., None]).round(), -8, 7), s


@torch.no_grad()
def fake_tokens(x, eps):
    low, high = x.amin(-1, keepdim=True).clamp(max=0), x.amax(-1, keepdim=True).clamp(min=0)
    s = ((high - low) / 255).clamp(min=eps)
    z = torch.clamp(-128 - (low / s).round(), -128, 127)
    return (torch.clamp((x / s).round() + z, -128, 127) - z) * s


def qlora(steps=300, rows=4, width=256):
    """Adaptors begin as the 16 principal components of each matrix and the int4 base as the rest, and all is trained with the roundings in
    place; after 60 % the base is frozen and only the adaptors go on."""
    torch.manual_seed(0)
    w, p = parent()
    w['output'] = w['tok_embeddings'].clone()
    lora = {}
    for n in [n for n in w if any(n.endswith(m) for m in LINEARS)]:
        u, s, v = torch.linalg.svd(w[n].double(), full_matrices=False)
        root = (s[:RANK] / SCALE).sqrt()
        lora[n + '.adaptor.A'], lora[n + '.adaptor.B'] = (root[:, None] * v[:RANK]).float(), (u[:, :RANK] * root).float()
        w[n] = (w[n].double() - SCALE * lora[n + '.adaptor.B'].double() @ lora[n + '.adaptor.A'].double()).float()
    base, adaptors = list(w.values()), list(lora.values())
    for t in base + adaptors:
        t.requires_grad_()
    frozen = {}

    def weight(n):
        if n in frozen:
            return frozen[n]
        if n in ('tok_embeddings', 'output'):
            with torch.no_grad():
                codes, s = rows_int8(w[n], 127.5)
                y = codes * s
        else:
            codes, s = fake_int4(w[n])
            y = (codes * s[..., None]).flatten(1)
        return Through.apply(w[n], y)

    bf = lambda n: Through.apply(lora[n], lora[n].detach().bfloat16().float())

    def linear(x, n):
        y = F.linear(Through.apply(x, fake_tokens(x, 2.0 ** (-126 if n == 'output' else -23))), weight(n))
        return y if n == 'output' else y + SCALE * F.linear(F.linear(x, bf(n + '.adaptor.A')), bf(n + '.adaptor.B'))

    run = lambda ids: forward(w, p, ids, linear, embed=weight('tok_embeddings'))
    held = next(batches('validation', 16, 256))

    def validate():
        with torch.no_grad():
            return float(loss(run(held[0][:, :-1]), *held))

    with torch.no_grad():
        original, _ = parent()
        print(f'qlora: parent {float(loss(forward(original, p, held[0][:, :-1]), *held)):.4f}, rounded {validate():.4f}', flush=True)
    opt = torch.optim.Adam([dict(params=base, lr=1), dict(params=adaptors, lr=1)], betas=(0.9, 0.98))
    train, start = batches('qlora', rows, width), time.time()
    for step in range(steps):
        rate = 4e-4 * min(1, (step + 1) / 20) * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * step / steps)))
        if step == int(0.6 * steps):
            with torch.no_grad():
                frozen.update({n: weight(n).detach() for n in w if not n.endswith('norm')})
                w = {n: t.detach().bfloat16().float() if n.endswith('norm') else t.detach() for n, t in w.items()}
            opt.param_groups[0]['params'] = []
        for group in opt.param_groups:
            group['lr'] = rate
        ids, weights = next(train)
        out = loss(run(ids[:, :-1]), ids, weights)
        opt.zero_grad()
        out.backward()
        torch.nn.utils.clip_grad_norm_(base + adaptors, 1.0)
        opt.step()
        if step % 50 == 0 or step == steps - 1:
            print(f'step {step} loss {out.item():.4f} held {validate():.4f} {time.time() - start:.0f} s', flush=True)
    out = {}
    for n, t in w.items():
        if n.endswith('norm'):
            out[n + '.weight'] = t.detach().bfloat16()
        elif n in ('tok_embeddings', 'output'):
            out[n + '.weight'], out[n + '.scales'] = rows_int8(t.detach(), 127.5)
        else:
            codes, scales = fake_int4(t.detach())
            out[n + '.weight'], out[n + '.scales'] = codes.flatten(1).to(torch.int8), scales
    out |= {n + '.weight': t.detach().bfloat16() for n, t in lora.items()}
    save('qlora', out, p | dict(quantization_args=dict(group_size=GROUP), lora_args=dict(rank=RANK, scale=SCALE)))


if __name__ == '__main__':
    torch.set_num_threads(1)
    for kind in sys.argv[1:] or ('bf16', 'spinquant', 'qlora'):
        dict(bf16=bf16, spinquant=spinquant, qlora=qlora)[kind]()
