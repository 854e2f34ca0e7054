"""Logits of a GGUF Llama in NumPy, one layer in memory at a time, against those that `llamita logits` wrote.

usage: python reference.py MODEL.gguf POSITIONS LOGITS.safetensors...

Every LOGITS file holds logits of the same ids, or of a prefix of them. POSITIONS, as in 0,1,127, are compared where a
file has them. Weights are decoded by the gguf package; everything is computed in f32, and the last sums in f64.
Prints one JSON object per file: the largest normalized mean squared error of a position, whether every position has the
same largest logit, and how many times larger than the median the largest channel of the residual stream became.
"""

import json
import math
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize


def read_logits(path):
    """The ids and logits of a safetensors file, the logits as a map of it."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    data = np.memmap(path, np.uint8, "r", 8 + size)
    part = lambda name, kind: data[slice(*header[name]["data_offsets"])].view(kind).reshape(header[name]["shape"])
    return part("ids", np.int32), part("logits", np.float32)


class Llama:
    def __init__(self, path):
        self.reader = GGUFReader(path)
        self.tensors = {tensor.name: tensor for tensor in self.reader.tensors}
        number = lambda key: self.reader.fields["llama." + key].contents()
        self.layers = number("block_count")
        self.heads = number("attention.head_count")
        self.kv_heads = number("attention.head_count_kv")
        self.head_dim = number("attention.key_length")
        self.eps = number("attention.layer_norm_rms_epsilon")
        pairs = np.arange(self.head_dim // 2)
        frequencies = number("rope.freq_base") ** (-2.0 * pairs / self.head_dim)
        self.frequencies = frequencies / self.tensor("rope_freqs").astype(np.float64)
        self.ratio = 0.0

    def tensor(self, name, rows=None):
        """A decoded tensor, or these rows of it."""
        tensor = self.tensors[name + ".weight"]
        data = tensor.data if rows is None else tensor.data[rows]
        return dequantize(data, tensor.tensor_type).astype(np.float32, copy=False)

    def norm(self, x, name):
        scale = 1.0 / np.sqrt(np.mean(x.astype(np.float64) ** 2, axis=-1, keepdims=True) + self.eps)
        return (x * scale).astype(np.float32) * self.tensor(name)

    def rotate(self, x):
        """Pairs of neighbours of `[t, heads, d]`, turned by position times frequency."""
        angle = np.arange(len(x))[:, None, None] * self.frequencies
        cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        a, b = x[..., 0::2], x[..., 1::2]
        return np.stack([a * cos - b * sin, a * sin + b * cos], axis=-1).reshape(x.shape)

    def attend(self, q, k, v):
        """Causal attention; `q` is `[t, heads, d]`, `k` and `v` are `[t, kv_heads, d]`."""
        mask = np.triu(np.full((len(q), len(q)), -np.inf, np.float32), 1)
        out = np.empty_like(q)
        for head in range(self.heads):
            kv = head // (self.heads // self.kv_heads)
            scores = q[:, head] @ k[:, kv].T / math.sqrt(self.head_dim) + mask
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
            out[:, head] = weights / weights.sum(axis=-1, keepdims=True) @ v[:, kv]
        return out.reshape(len(q), -1)

    def layer(self, i, x):
        name = lambda stem: f"blk.{i}.{stem}"
        n = self.norm(x, name("attn_norm"))
        project = lambda stem: (n @ self.tensor(name(stem)).T).reshape(len(x), -1, self.head_dim)
        q, k, v = self.rotate(project("attn_q")), self.rotate(project("attn_k")), project("attn_v")
        x = x + self.attend(q, k, v) @ self.tensor(name("attn_output")).T
        n = self.norm(x, name("ffn_norm"))
        gate = n @ self.tensor(name("ffn_gate")).T
        gate = gate / (1.0 + np.exp(-gate)) * (n @ self.tensor(name("ffn_up")).T)
        x = x + gate @ self.tensor(name("ffn_down")).T
        size = np.abs(x).max(axis=0)
        self.ratio = max(self.ratio, float(size.max() / np.median(size)))
        return x

    def logits(self, ids, positions):
        x = self.tensor("token_embd", np.asarray(ids))
        for i in range(self.layers):
            x = self.layer(i, x)
            print(f"\rreference: layer {i + 1} of {self.layers}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        n = self.norm(x[positions], "output_norm")
        head = "output" if "output.weight" in self.tensors else "token_embd"
        rows = len(self.tensors[head + ".weight"].data)
        step = 16_384
        parts = [n @ self.tensor(head, slice(first, first + step)).T for first in range(0, rows, step)]
        return np.concatenate(parts, axis=1)


def main():
    model, positions, files = sys.argv[1], [int(p) for p in sys.argv[2].split(",")], sys.argv[3:]
    given = [read_logits(path) for path in files]
    ids = max((ids for ids, _ in given), key=len)
    llama = Llama(model)
    wanted = llama.logits(ids, positions)
    for path, (own, logits) in zip(files, given):
        if not np.array_equal(own, ids[: len(own)]):
            sys.exit(f"{path}: its ids are no prefix of the others'")
        worst, agree, compared = 0.0, 0, 0
        for position, row in zip(positions, wanted.astype(np.float64)):
            if position >= len(own):
                continue
            found = logits[position].astype(np.float64)
            # NaN and infinity must fail: a comparison with NaN is false.
            error = np.sum((found - row) ** 2) / np.sum(row**2) if np.isfinite(found).all() else math.inf
            worst, compared = max(worst, float(error)), compared + 1
            agree += int(found.argmax() == row.argmax())
        deviation = float(wanted.std())
        result = dict(nmse=worst, positions=compared, same_largest=agree, logit_deviation=deviation, outliers=llama.ratio)
        print(json.dumps(result))


main()
