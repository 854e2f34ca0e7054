"""A second implementation of Meta's checkpoints: NumPy, float64, written from a description of the format and not from anybody's code.

It reads consolidated.00.pth by itself, and computes with float activations ('f32' of the goldens) or with the input of every linear rounded to
int8 per token ('int8': 8da4w, the head 8da8w). Its switches make the mistakes that a check must see.

  python reference.py      how far right programs are apart in int8: likelihoods of a text with noise as small as what f32 rounds (needs tokenizers)
"""
import json
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np

DTYPES = {'FloatStorage': '<f4', 'HalfStorage': '<f2', 'BFloat16Storage': '<u2', 'CharStorage': 'i1', 'DoubleStorage': '<f8', 'LongStorage': '<i8'}
LINEARS = ('attention.wq', 'attention.wk', 'attention.wv', 'attention.wo', 'feed_forward.w1', 'feed_forward.w3', 'feed_forward.w2')


def read_pth(path):
    """Name -> array, of a zip by torch.save; bf16 becomes f32. Only tensors and dictionaries are understood."""
    z = zipfile.ZipFile(path)
    root, = [n.removesuffix('data.pkl') for n in z.namelist() if n.endswith('/data.pkl')]

    def tensor(storage, offset, size, stride, *_):
        kind, data = storage
        data = np.frombuffer(data, DTYPES[kind])
        if kind == 'BFloat16Storage':
            data = (data.astype(np.uint32) << 16).view(np.float32)
        return np.lib.stride_tricks.as_strided(data[offset:], size, [s * data.itemsize for s in stride]).copy()

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            if (module, name) == ('collections', 'OrderedDict'):
                return OrderedDict
            if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
                return tensor
            assert module == 'torch' and name in DTYPES, (module, name)
            return name

        def persistent_load(self, pid):
            return pid[1], z.read(f'{root}data/{pid[2]}')

    return Reader(z.open(root + 'data.pkl')).load()


def quantize(x, eps, rule='a'):
    """Codes, scales and zero points of the rows of x, computed in f32; eps is the smallest scale."""
    f = np.float32
    x = x.astype(f)
    low, high = np.minimum(x.min(-1, keepdims=True), f(0)), np.maximum(x.max(-1, keepdims=True), f(0))
    scale = np.maximum((high - low) / f(255), f(eps))
    if rule == 'a':
        zero = np.clip(f(-128) - np.round(low / scale), f(-128), f(127))
    else:
        a, b = low / scale, high / scale
        zero = np.round(np.clip(np.where((f(-128) + a) + (f(127) + b) > 0, f(-128) - a, f(127) - b), f(-128), f(127)))
    codes = np.clip(np.round(x * (f(1) / scale)) + zero, f(-128), f(127))
    return codes.astype(np.int8), scale, zero.astype(np.int32)


def dequantize(codes, scale, zero):
    return (codes.astype(np.float64) - zero) * scale.astype(np.float64)


def hadamard(x):
    """Orthonormal, Sylvester order, along the last axis."""
    n, step, shape = x.shape[-1], 1, x.shape
    while step < n:
        x = x.reshape(*shape[:-1], -1, 2, step)
        x = np.stack([x[..., 0, :] + x[..., 1, :], x[..., 0, :] - x[..., 1, :]], -2).reshape(shape)
        step *= 2
    return x / np.sqrt(n)


class Model:
    """mode 'f32' or 'int8'. Right by itself; the other arguments are for controls:
    rotate: whether w2 gets the Hadamard (None: where there are int8 heads and no adaptors); rule: of zero points; scales: a dtype to round
    the scales of groups to; adaptors: 'right', 'rounded' (fed what the int4 product is fed); without: names of linears that lose their
    adaptor; rope_factor: scaled frequencies; late: the Hadamard after the rounding, not before. noise: what the inputs of linears are off by, of themselves,
by a generator with a seed."""

    def __init__(self, folder, mode='f32', rotate=None, rule='a', scales=None, adaptors='right', without=(), rope_factor=None, late=False, noise=(0, 0)):
        self.noise, self.random = noise[0], np.random.default_rng(noise[1])
        self.p = json.load(open(os.path.join(folder, 'params.json')))
        self.t = read_pth(os.path.join(folder, 'consolidated.00.pth'))
        self.mode, self.rule, self.adaptors, self.without, self.late = mode, rule, adaptors, set(without), late
        self.quantized, self.lora = 'output.scales' in self.t, 'lora_args' in self.p
        self.rotate = self.quantized and not self.lora if rotate is None else rotate
        p = self.p
        self.dim, self.layers, self.heads, self.kv_heads, self.eps = p['dim'], p['n_layers'], p['n_heads'], p['n_kv_heads'], p['norm_eps']
        self.head_dim = self.dim // self.heads
        ffn = int(p['ffn_dim_multiplier'] * int(2 * 4 * self.dim / 3))
        assert -(-ffn // p['multiple_of']) * p['multiple_of'] == self.t['layers.0.feed_forward.w1.weight'].shape[0]
        self.freq = p['rope_theta'] ** (-np.arange(0, self.head_dim, 2) / self.head_dim)
        factor = rope_factor or (32 if p['use_scaled_rope'] else 1)
        length = 2 * np.pi / self.freq
        smooth = np.clip((8192 / length - 1) / 3, 0, 1)
        self.freq = self.freq * ((1 - smooth) / factor + smooth)
        self.w = {}
        for name, t in self.t.items():
            if name.endswith('.weight') and t.ndim == 2 and '.adaptor.' not in name:
                stem, w = name.removesuffix('.weight'), t.astype(np.float64)
                if (s := self.t.get(stem + '.scales')) is not None:
                    s = s.reshape(t.shape[0], -1)
                    s = s.astype(scales).astype(np.float64) if scales and s.shape[1] > 1 else s.astype(np.float64)
                    w = (w.reshape(len(w), s.shape[1], -1) * s[:, :, None]).reshape(w.shape)
                self.w[stem] = w

    def linear(self, name, x):
        """The product of a linear, in int8 mode with x rounded; with its adaptor."""
        h = x = x * (1 + self.noise * self.random.uniform(-1, 1, x.shape))
        if self.mode == 'int8' and self.quantized:
            h = dequantize(*quantize(x, 2.0 ** (-126 if name == 'output' else -23), self.rule))
            if self.late and name.endswith('w2'):
                h = hadamard(h)
        y = h @ self.w[name].T
        if self.lora and name != 'output' and name not in self.without:
            a, b = (self.t[f'{name}.adaptor.{n}.weight'].astype(np.float64) for n in 'AB')
            y = y + self.p['lora_args']['scale'] * ((x if self.adaptors == 'right' else h) @ a.T @ b.T)
        return y

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + self.eps) * self.t[name + '.weight'].astype(np.float64)

    def turn(self, x):
        """Rotates neighbours; x: [T, heads, head_dim]."""
        a = (np.arange(len(x))[:, None] * self.freq)[:, None]
        y = np.empty_like(x)
        y[..., 0::2] = x[..., 0::2] * np.cos(a) - x[..., 1::2] * np.sin(a)
        y[..., 1::2] = x[..., 0::2] * np.sin(a) + x[..., 1::2] * np.cos(a)
        return y

    def forward(self, ids, seen=None):
        """Logits [T, V]; `seen` collects what each linear was fed."""
        def linear(name, x):
            if seen is not None:
                seen[name] = x
            return self.linear(name, x)

        n, g = len(ids), self.heads // self.kv_heads
        x = self.w['tok_embeddings'][ids]
        for l in range(self.layers):
            at, ff = f'layers.{l}.attention.', f'layers.{l}.feed_forward.'
            h = self.norm(x, f'layers.{l}.attention_norm')
            q = self.turn(linear(at + 'wq', h).reshape(n, self.heads, -1))
            k = self.turn(linear(at + 'wk', h).reshape(n, self.kv_heads, -1)).repeat(g, 1)
            v = linear(at + 'wv', h).reshape(n, self.kv_heads, -1).repeat(g, 1)
            a = np.einsum('thd,shd->hts', q, k) / np.sqrt(self.head_dim) + np.triu(np.full((n, n), -np.inf), 1)
            a = np.exp(a - a.max(-1, keepdims=True))
            a /= a.sum(-1, keepdims=True)
            x = x + linear(at + 'wo', np.einsum('hts,shd->thd', a, v).reshape(n, -1))
            h = self.norm(x, f'layers.{l}.ffn_norm')
            gate = linear(ff + 'w1', h)
            h = gate / (1 + np.exp(-gate)) * linear(ff + 'w3', h)
            x = x + linear(ff + 'w2', hadamard(h) if self.rotate and not self.late else h)
        return linear('output', self.norm(x, 'norm'))


def nmse(a, right):
    return float(((a - right) ** 2).sum() / (right.astype(np.float64) ** 2).sum())


def nll(logits, ids):
    """Mean over ids[1:], in nats."""
    x = logits[:len(ids) - 1].astype(np.float64)
    x = x - x.max(-1, keepdims=True)
    return float((np.log(np.exp(x).sum(-1)) - x[np.arange(len(x)), ids[1:]]).mean())


def spread(seeds=12):
    """Likelihoods of the text of the goldens in int8, by right programs that differ in what f32 rounds."""
    from tokenizers import Tokenizer
    here = os.path.dirname(os.path.abspath(__file__))
    text = open(os.path.join(here, '..', '..', 'tests', 'fixtures', 'bundled-heldout.txt')).read()
    ids = Tokenizer.from_file(os.path.join(here, 'bf16', 'tokenizer.json')).encode(text).ids
    for kind in ('spinquant', 'qlora'):
        for size in (0, 1e-7, 1e-6):
            found = [nll(Model(os.path.join(here, kind), 'int8', noise=(size, seed)).forward(ids), ids) for seed in range(seeds if size else 1)]
            print(f'{kind}, inputs off by {size:.0e}: {min(found):.5f} to {max(found):.5f}, mean {np.mean(found):.5f}, deviation {np.std(found):.5f}')


if __name__ == '__main__':
    spread()
