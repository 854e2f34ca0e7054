#!/usr/bin/env python3
"""Writes golden/<kind>.safetensors and golden/golden.json: what ExecuTorch's eager models compute with the checkpoints of this folder
(needs: executorch 1.5.1, torchao 0.18, torch 2.15, numpy, gguf, tokenizers).

  python goldens.py [bf16] [spinquant] [qlora]     all three without arguments; README.md says what is written

`reference.py` is computed beside it: a second implementation that shares nothing with it.
"""
import json
import os
import random
import re
import sys
from importlib.metadata import version

import gguf
import numpy as np
import torch
import torchao.quantization.linear_quant_modules as quant_modules
import torchao.quantization.utils as quant_utils
from executorch.examples.models.llama.model import Llama2Model
from executorch.examples.models.llama.source_transformation.spin_quant import inject_fast_hadamard_transform_native_for_spin_quant
from executorch.exir.passes import _quant_patterns_and_replacements  # noqa: F401 (registers operators)
from executorch.extension.llm.custom_ops import custom_ops  # noqa: F401
from executorch.extension.llm.export.config.llm_config import LlmConfig, ModelType, PreqMode
from safetensors.numpy import save_file
from tokenizers import Tokenizer

import make
from make import HERE, LINEARS, MODELS, story
from reference import Model, hadamard, nll, nmse, quantize

GOLDEN = os.path.join(HERE, 'golden')
HELD = os.path.join(MODELS, '..', 'tests', 'fixtures', 'bundled-heldout.txt')
T, EVERY, STEPS, CANDIDATES, START = 64, 4, 200, 12, 12
PRODUCTS = {n.split('.')[-1]: f'layers.1.{n}' for n in LINEARS if n[-2:] in ('wq', 'wo', 'w1', 'w2')} | {'output': 'output'}
TOKENS = [0, 21, 42, 63]  # of `ids`, whose products are stored
tok = Tokenizer.from_file(os.path.join(MODELS, 'tokenizer.json'))
ENDS = [tok.token_to_id(f'<|{n}|>') for n in ('end_of_text', 'eot_id')]
per_token = quant_utils.per_token_dynamic_quant


class Eager:
    def __init__(self, kind):
        c = LlmConfig()
        c.base.checkpoint, c.base.params = (os.path.join(HERE, kind, n) for n in ('consolidated.00.pth', 'params.json'))
        assert not any(n in c.base.checkpoint for n in ('int8', '8da4w'))  # they would select another loader
        c.base.model_class = ModelType.llama3_2
        c.debug.generate_full_logits = True
        c.export.max_seq_length = c.export.max_context_length = 4096
        if kind != 'bf16':
            c.base.preq_mode = PreqMode.preq_8da4w_out_8da8w
        if kind == 'spinquant':
            c.quantization.use_spin_quant = 'native'
        if kind == 'qlora':
            c.quantization.use_qat, c.base.use_lora = True, 16
        self.model = Llama2Model(c).get_eager_model()
        if kind == 'spinquant':
            inject_fast_hadamard_transform_native_for_spin_quant(self.model)  # Llama2Model leaves it out
        self.model = self.model.float().eval()

    @torch.no_grad()
    def __call__(self, ids, mode):
        """Logits of ids [B, T]; mode 'f32': the rounding of activations is left out."""
        for m in (quant_modules, quant_utils):
            m.per_token_dynamic_quant = per_token if mode == 'int8' else lambda x, *_, **__: x
        out = self.model(torch.as_tensor(np.asarray(ids), dtype=torch.int64))
        return (out[0] if isinstance(out, tuple) else out).numpy()

    def module(self, name):
        m = self.model
        for part in name.split('.'):
            m = m[int(part)] if part.isdigit() else getattr(m, part)
        return m

    def fed(self, ids, names):
        """What linears are fed in int8 mode, and what they return."""
        x, y = {}, {}
        hooks = [self.module(n).register_forward_hook(lambda m, i, o, n=n: (x.update({n: i[0][0]}), y.update({n: o[0]}))[0]) for n in names]
        self([ids], 'int8')
        for h in hooks:
            h.remove()
        return x, y


def codes(x, eps):
    """What torchao rounds x to, by the functions that per_token_dynamic_quant calls."""
    kind = dict(scale_dtype=torch.float32, zero_point_dtype=torch.float32, eps=eps)
    block = quant_utils._get_per_token_block_size(x)
    scale, zero = quant_utils.choose_qparams_affine(x, quant_utils.MappingType.ASYMMETRIC, block, torch.int8, -128, 127, **kind)
    q = quant_utils.quantize_affine(x, block, scale, zero, torch.int8, -128, 127)
    again = quant_utils.dequantize_affine(q, block, scale, zero, torch.int8, -128, 127, output_dtype=x.dtype)
    assert torch.equal(again, per_token(x, **kind))
    return q.numpy(), scale.flatten().numpy(), zero.flatten().to(torch.int32).numpy()


def greedy(model, prompts, mode):
    """STEPS ids after prompts of one length, and how far the first choice was ahead of the second; the whole context is computed every time."""
    ids, margins = np.array(prompts), []
    for _ in range(STEPS):
        logits = model(ids, mode)[:, -1]
        top = np.partition(logits, -2)[:, -2:]
        margins.append(top[:, 1] - top[:, 0])
        ids = np.concatenate([ids, logits.argmax(-1)[:, None]], 1)
    return ids[:, len(prompts[0]):].tolist(), np.array(margins).T


def openings(lang, n):
    """Beginnings of stories, START ids long with BOS."""
    r, out = random.Random(f'meta/{lang}'), []
    while len(out) < n:
        ids = tok.encode(story(r, lang)).ids[:START]
        if tok.encode(tok.decode(ids)).ids == ids and ids not in out:
            out.append(ids)
    return out


def choose(model, modes):
    """An English and a Spanish prompt whose continuations are the least ambiguous in their closest step."""
    chosen = []
    for lang in ('en', 'es'):
        prompts = openings(lang, CANDIDATES)
        worst = np.min([greedy(model, prompts, m)[1].min(1) for m in modes], 0)
        chosen.append(prompts[int(worst.argmax())])
        print(lang, 'smallest margins', np.sort(worst)[::-1][:4], repr(tok.decode(chosen[-1])), flush=True)
    return chosen


def text_ids():
    r = random.Random('meta/logits')
    return tok.encode(story(r, 'en')).ids[:T]


def grammar_nll(logits):
    """Mean over 48 rows of 256 ids of new stories and answers; logits(ids [B, T]) -> tensor."""
    rows, weights = next(make.batches('evaluation', 48, 256))
    with torch.no_grad():
        return float(np.average([float(make.loss(logits(i[None, :-1]), i[None], w[None])) for i, w in zip(rows, weights)], weights=weights[:, 1:].sum(1)))


def mean_nll(logits, held):
    return dict(heldout=nll(logits(np.array([held]))[0], held), grammar=grammar_nll(lambda ids: torch.tensor(logits(ids.numpy())).double()))


def controls(kind, ids, held, right):
    """NMSE of mistakes against the right logits of the same mode, by reference.py."""
    folder, out = os.path.join(HERE, kind), {}
    run = lambda mode, **k: nmse(Model(folder, mode, **k).forward(ids), right[mode])
    for mode in right:
        c = out[mode] = {'rope factor 32': run(mode, rope_factor=32)}
        if kind == 'bf16':
            c['rope factor 32, heldout'] = nmse(Model(folder, rope_factor=32).forward(held), Model(folder).forward(held))
            continue
        tied = Model(folder, mode)
        tied.w['output'] = tied.w['tok_embeddings']
        c['head tied to the embedding'] = nmse(tied.forward(ids), right[mode])
        c['f16 scales'], c['no R4' if kind == 'spinquant' else 'R4'] = run(mode, scales=np.float16), run(mode, rotate=kind != 'spinquant')
        if mode == 'int8':
            c['zero-point rule b'], c['activations not rounded'] = run(mode, rule='b'), nmse(right['f32'], right['int8'])
            if kind == 'spinquant':
                c['R4 after the rounding'] = run(mode, late=True)
            else:
                c['adaptors fed rounded input'] = run(mode, adaptors='rounded')
        if kind == 'qlora':
            names = [f'layers.{l}.{n}' for l in range(tied.layers) for n in LINEARS]
            single = {n: run(mode, without=[n]) for n in names}
            least = min(single, key=single.get)
            half = Model(folder, mode)
            half.p['lora_args']['scale'] = 1.0
            c['adaptors times 1, not 2'] = nmse(half.forward(ids), right[mode])
            c |= {'no adaptors': run(mode, without=names), 'one adaptor removed, the least': single[least], 'the least is': least}
    return out


def product_controls(kind, x, y):
    """The largest and the least NMSE over all linears of mistakes in one product, fed the right input."""
    folder, lora = os.path.join(HERE, kind), kind == 'qlora'
    variants = {'right': {}, 'zero-point rule b': dict(rule='b'), 'f16 scales': dict(scales=np.float16)}
    variants |= {'adaptors fed rounded input': dict(adaptors='rounded')} if lora else {}
    out = {}
    for v, k in variants.items():
        m = Model(folder, 'int8', **k)
        e = [nmse(m.linear(n, x[n].numpy()), y[n].numpy()) for n in x if n != 'output' or v == 'right']
        out[v] = [min(e), max(e)]
    m = Model(folder, 'f32')
    e = [nmse(m.linear(n, x[n].numpy()), y[n].numpy()) for n in x]
    return out | {'activations not rounded': [min(e), max(e)]}


def golden(kind):
    print(kind, flush=True)
    model, folder = Eager(kind), os.path.join(HERE, kind)
    modes = ['f32'] if kind == 'bf16' else ['f32', 'int8']
    ids, held = text_ids(), tok.encode(open(HELD).read()).ids
    positions = np.arange(EVERY - 1, T, EVERY)
    tensors, out = {'ids': np.array(ids, np.int32), 'positions': positions.astype(np.int32)}, dict(text=tok.decode(ids))
    eager = {m: model([ids], m)[0] for m in modes}
    right = {m: Model(folder, m).forward(ids) for m in modes}
    for m in modes:
        tensors[f'logits.{m}'] = eager[m][positions]
    out['reference'] = {m: nmse(right[m], eager[m]) for m in modes}
    print('reference.py', out['reference'], flush=True)
    assert out['reference']['f32'] < 1e-10
    if 'int8' in modes:
        names = [f'layers.{l}.{n}' for l in range(model.model.n_layers) for n in LINEARS] + ['output']
        x, y = model.fed(ids, names)
        flips = rules = 0
        for n in names:
            eps = 2.0 ** (-126 if n == 'output' else -23)
            q, scale, zero = codes(x[n], None if n == 'output' else eps)
            mine, s, z = quantize(x[n].numpy(), eps)
            flips += int((mine != q).sum())
            rules += int((quantize(x[n].numpy(), eps, 'b')[0] != q).sum())
            assert np.array_equal(s.ravel(), scale) and np.array_equal(z.ravel(), zero), n
        out['codes'] = dict(count=sum(x[n].numel() for n in names), differ=flips, differ_by_rule_b=rules)
        out['products'] = product_controls(kind, x, y)
        assert out['products']['right'][1] < 1e-10
        tensors['product.positions'] = np.array(TOKENS, np.int32)
        for short, n in PRODUCTS.items():
            q, scale, zero = codes(x[n][TOKENS], None if n == 'output' else 2.0 ** -23)
            part = dict(x=x[n][TOKENS].numpy(), codes=q, scale=scale, zero=zero, y=y[n][TOKENS].numpy())
            tensors |= {f'product.{short}.{k}': np.ascontiguousarray(v) for k, v in part.items()}
        if kind == 'spinquant':
            gate, up = (y[f'layers.1.feed_forward.{n}'][TOKENS] for n in ('w1', 'w3'))
            before = (torch.nn.functional.silu(gate) * up).numpy()
            assert nmse(hadamard(before.astype(np.float64)), tensors['product.w2.x']) < 1e-12
            tensors['product.w2.before'] = before
        print('codes', out['codes'], 'products', out['products'], flush=True)
    out['controls'] = controls(kind, ids, held, right)
    print('controls', out['controls'], flush=True)
    if kind == 'qlora':
        assert out['controls']['f32']['one adaptor removed, the least'] > 1e-3
    out['nll'] = {m: mean_nll(lambda i, m=m: model(i, m), held) for m in modes}
    out['nll_reference'] = {m: nll(Model(folder, m).forward(held), held) for m in modes}
    print('nll', out['nll'], out['nll_reference'], flush=True)
    prompts = out['prompts'] = []
    for p in choose(model, modes):
        entry = dict(text=tok.decode(p), ids=p, greedy={}, margins={}, smallest_margin={}, end_step={}, reference_agrees={}, continuation={})
        for m in modes:
            (g,), (d,) = greedy(model, [p], m)
            assert [g] == greedy(model, [p], m)[0]
            entry['greedy'][m], entry['margins'][m], entry['smallest_margin'][m] = g, [float(f'{v:.5g}') for v in d], float(d.min())
            entry['end_step'][m] = next((i for i, t in enumerate(g) if t in ENDS), None)
            first = Model(folder, m).forward(p + g[:-1])[len(p) - 1:].argmax(-1)
            entry['reference_agrees'][m] = int((first == np.array(g)).sum())  # of STEPS, fed the same ids
            entry['continuation'][m] = tok.decode(g, skip_special_tokens=False)
        prompts.append(entry)
        print(entry['text'], entry['smallest_margin'], entry['end_step'], entry['reference_agrees'], flush=True)
    save_file(tensors, os.path.join(GOLDEN, f'{kind}.safetensors'))
    return out


def parent_nll():
    """The bundled model's matrices rounded to types of GGUF by the gguf package, activations in f64; its own file is Q4_0 with a Q8_0 embedding."""
    w, p = make.parent()
    held = torch.tensor([tok.encode(open(HELD).read()).ids])
    qt, out = gguf.GGMLQuantizationType, {}
    types = {'f32 (the file as it is)': (qt.F32, qt.F32), 'F16': (qt.F16, qt.F16), 'BF16': (qt.BF16, qt.BF16), 'Q8_0': (qt.Q8_0, qt.Q8_0),
             'Q4_0, embedding Q8_0': (qt.Q4_0, qt.Q8_0), 'Q4_0': (qt.Q4_0, qt.Q4_0)}
    rounded = lambda t, kind: torch.tensor(gguf.quants.dequantize(gguf.quants.quantize(t.numpy(), kind), kind)).double()
    for name, (matrices, embedding) in types.items():
        v = {n: t.double() if t.dim() == 1 else rounded(t, embedding if n == 'tok_embeddings' else matrices) for n, t in w.items()}
        with torch.no_grad():
            out[name] = dict(heldout=nll(make.forward(v, p, held)[0].numpy(), held[0].tolist()), grammar=grammar_nll(lambda ids: make.forward(v, p, ids)))
        print(name, out[name], flush=True)
    return out


if __name__ == '__main__':
    torch.set_num_threads(1)
    os.makedirs(GOLDEN, exist_ok=True)
    path = os.path.join(GOLDEN, 'golden.json')
    all_ = json.load(open(path)) if os.path.exists(path) else {}
    names = ', '.join(f"{n} {version(n).split('+')[0]}" for n in ('executorch', 'torchao', 'torch'))
    all_['how'] = (f"ExecuTorch's eager models ({names}); int8: 8da4w, the head 8da8w; f32: the same without rounding activations. greedy: the whole "
                   'context is computed at every step and the end token does not stop it. NMSE: sum of squares of the difference over that of what is '
                   'right. nll: nats per token')
    all_['parent_nll'] = all_.get('parent_nll') or parent_nll()
    for kind in sys.argv[1:] or ('bf16', 'spinquant', 'qlora'):
        all_[kind] = golden(kind)
        with open(path, 'w') as f:
            text = json.dumps(all_, ensure_ascii=False, indent=1)
            f.write(re.sub(r'\[[-+0-9.,e\s]*\]', lambda m: ' '.join(m[0].split()), text) + '\n')  # numbers of a list in one line
