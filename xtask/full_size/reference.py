"""Logits of a Llama in NumPy, one layer in memory at a time, against those that `llamita logits` wrote.

usage: python reference.py MODEL POSITIONS f32|int8 LOGITS.safetensors...

MODEL is a GGUF file, decoded by the gguf package and computed in f32, or a folder of Meta's files, computed in f64.
With int8, products of Meta's int4 checkpoints read activations in int8, as these were trained for (8da4w); with f32
they do not. Every LOGITS file holds logits of the same ids, or of a prefix of them. POSITIONS, as in 0,1,127, are
compared where a file has them. Prints one JSON object per file: the largest normalized mean squared error of a
position, whether every position has the same largest logit, and how many times larger than the median the largest
channel of the residual stream became.
"""

import json
import math
import os
import sys

import numpy as np


def read_logits(path):
    """The ids and logits of a safetensors file, the logits as a map of it."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    data = np.memmap(path, np.uint8, "r", 8 + size)
    part = lambda name, kind: data[slice(*header[name]["data_offsets"])].view(kind).reshape(header[name]["shape"])
    return part("ids", np.int32), part("logits", np.float32)


class Llama:
    """The computation. Subclasses hold the numbers of the model, and have its tensors by GGUF's names: `tensor(name,
    rows)` decodes one or these rows of it, `product(x, name)` multiplies by one, and `rows(name)` counts."""

    number = np.float32
    ratio = 0.0

    def norm(self, x, name):
        scale = 1.0 / np.sqrt(np.mean(x.astype(np.float64) ** 2, axis=-1, keepdims=True) + self.eps)
        return (x * scale).astype(self.number) * self.tensor(name)

    def rotate(self, x):
        """Pairs of neighbours of `[t, heads, d]`, turned by position times frequency."""
        angle = np.arange(len(x))[:, None, None] * self.frequencies
        cos, sin = np.cos(angle).astype(self.number), np.sin(angle).astype(self.number)
        a, b = x[..., 0::2], x[..., 1::2]
        return np.stack([a * cos - b * sin, a * sin + b * cos], axis=-1).reshape(x.shape)

    def attend(self, q, k, v):
        """Causal attention; `q` is `[t, heads, d]`, `k` and `v` are `[t, kv_heads, d]`."""
        mask = np.triu(np.full((len(q), len(q)), -np.inf, self.number), 1)
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
        project = lambda stem: self.product(n, name(stem)).reshape(len(x), -1, self.head_dim)
        q, k, v = self.rotate(project("attn_q")), self.rotate(project("attn_k")), project("attn_v")
        x = x + self.product(self.attend(q, k, v), name("attn_output"))
        n = self.norm(x, name("ffn_norm"))
        gate = self.product(n, name("ffn_gate"))
        gate = gate / (1.0 + np.exp(-gate)) * self.product(n, name("ffn_up"))
        x = x + self.product(gate, name("ffn_down"))
        size = np.abs(x).max(axis=0)
        self.ratio = max(self.ratio, float(size.max() / np.median(size)))
        return x

    def head(self, n):
        name = "output" if self.rows("output") else "token_embd"
        step = 4096
        parts = [n @ self.tensor(name, slice(first, first + step)).T for first in range(0, self.rows(name), step)]
        return np.concatenate(parts, axis=1)

    def logits(self, ids, positions):
        x = self.tensor("token_embd", np.asarray(ids))
        for i in range(self.layers):
            x = self.layer(i, x)
            print(f"\rreference: layer {i + 1} of {self.layers}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return self.head(self.norm(x[positions], "output_norm"))


class Gguf(Llama):
    def __init__(self, path):
        from gguf import GGUFReader
        from gguf.quants import dequantize

        self.dequantize = dequantize
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

    def rows(self, name):
        tensor = self.tensors.get(name + ".weight")
        return 0 if tensor is None else len(tensor.data)

    def tensor(self, name, rows=None):
        tensor = self.tensors[name + ".weight"]
        data = tensor.data if rows is None else tensor.data[rows]
        return self.dequantize(data, tensor.tensor_type).astype(np.float32, copy=False)

    def product(self, x, name):
        return x @ self.tensor(name).T


def model(path, activations):
    if not os.path.isdir(path):
        return Gguf(path)
    from checkpoint import Meta

    return Meta(path, activations)


def main():
    path, positions, activations, *files = sys.argv[1:]
    positions = [int(p) for p in positions.split(",")]
    given = [read_logits(path) for path in files]
    ids = max((ids for ids, _ in given), key=len)
    llama = model(path, activations)
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


if __name__ == "__main__":
    main()
