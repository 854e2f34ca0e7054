"""Meta's checkpoints in f64: BF16, and int4 as SpinQuant and QLoRA have it. Tensors are read by ranges of the file."""

import json
import os
import pickle
import zipfile

import numpy as np

from reference import Llama

# Meta's names of what GGUF calls otherwise.
NAMES = dict(
    token_embd="tok_embeddings",
    output_norm="norm",
    attn_norm="attention_norm",
    attn_q="attention.wq",
    attn_k="attention.wk",
    attn_v="attention.wv",
    attn_output="attention.wo",
    ffn_norm="ffn_norm",
    ffn_gate="feed_forward.w1",
    ffn_up="feed_forward.w3",
    ffn_down="feed_forward.w2",
)
STORAGES = dict(BFloat16Storage=np.uint16, FloatStorage=np.float32, CharStorage=np.int8)


class Archive:
    """The tensors of a file that torch.save wrote, as maps of it; BF16 as the integers of its bits."""

    def __init__(self, path):
        self.data = np.memmap(path, np.uint8, "r")
        with zipfile.ZipFile(path) as archive:
            self.entries = {entry.filename: entry for entry in archive.infolist()}
            (pickled,) = [name for name in self.entries if name.endswith("/data.pkl")]
            self.folder = pickled[: -len("data.pkl")]
            with archive.open(pickled) as file:
                self.tensors = Unpickler(file, self).load()

    def storage(self, kind, key):
        entry = self.entries[f"{self.folder}data/{key}"]
        header = self.data[entry.header_offset :][:30].tobytes()
        lengths = [int.from_bytes(header[at : at + 2], "little") for at in (26, 28)]
        start = entry.header_offset + 30 + sum(lengths)
        return self.data[start : start + entry.file_size].view(kind)


class Unpickler(pickle.Unpickler):
    """Knows how dictionaries of tensors are made, and nothing else."""

    def __init__(self, file, archive):
        super().__init__(file)
        self.archive = archive

    def find_class(self, module, name):
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self.tensor
        raise pickle.UnpicklingError(f"{module}.{name} is not known")

    def persistent_load(self, reference):
        _, kind, key, _, _ = reference
        return self.archive.storage(kind, key)

    @staticmethod
    def tensor(storage, offset, dims, strides, *_):
        expected = tuple(int(np.prod(dims[i + 1 :])) for i in range(len(dims)))
        if any(dim != 1 and stride != dense for dim, stride, dense in zip(dims, strides, expected)):
            raise pickle.UnpicklingError(f"{dims} has strides {strides}")
        return storage[offset : offset + int(np.prod(dims))].reshape(dims)


def hadamard(x):
    """The last axis, of a power of two, times the symmetric orthogonal matrix of Sylvester."""
    size = x.shape[-1]
    step = 1
    while step < size:
        pairs = x.reshape(-1, size // (2 * step), 2, step)
        low, high = pairs[:, :, 0], pairs[:, :, 1]
        x = np.stack([low + high, low - high], axis=2).reshape(x.shape)
        step *= 2
    return x / np.sqrt(size)


def in_int8(x, least):
    """Every row rounded to 256 steps between its ends and zero, as torchao's 8da4w does; `least` is the finest step."""
    low, high = np.minimum(x.min(-1, keepdims=True), 0.0), np.maximum(x.max(-1, keepdims=True), 0.0)
    step = np.maximum((high - low) / 255.0, least)
    zero = np.clip(-128 - np.rint(low / step), -128, 127)
    return (np.clip(np.rint(x / step) + zero, -128, 127) - zero) * step


class Meta(Llama):
    number = np.float64

    def __init__(self, folder, activations):
        (weights,) = [name for name in os.listdir(folder) if name.endswith(".pth")]
        self.tensors = Archive(os.path.join(folder, weights)).tensors
        with open(os.path.join(folder, "params.json")) as file:
            params = json.load(file)
        self.layers, self.heads, self.kv_heads = (params[key] for key in ("n_layers", "n_heads", "n_kv_heads"))
        self.head_dim = params["dim"] // self.heads
        self.eps = params["norm_eps"]
        self.quantized = "output.scales" in self.tensors
        self.adaptor_scale = params.get("lora_args", {}).get("scale")
        self.int8 = activations == "int8" and self.quantized
        plain = params["rope_theta"] ** (-2.0 * np.arange(self.head_dim // 2) / self.head_dim)
        turns = 8192 * plain / (2 * np.pi)
        # Every Llama 3.2 divides by 32, and only where the file says another number by that.
        slow = plain / params.get("rope_scale_factor", 32)
        smooth = np.clip((turns - 1) / (4 - 1), 0, 1)
        self.frequencies = smooth * plain + (1 - smooth) * slow

    def name(self, name):
        *block, stem = name.split(".")
        return ".".join((["layers", block[1]] if block else []) + [NAMES.get(stem, stem)])

    def rows(self, name):
        tensor = self.tensors.get(self.name(name) + ".weight")
        return 0 if tensor is None else len(tensor)

    def tensor(self, name, rows=slice(None)):
        return self.decoded(self.name(name), rows)

    def decoded(self, name, rows=slice(None)):
        data = self.tensors[name + ".weight"][rows]
        if data.dtype == np.uint16:
            return (data.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        scales = self.tensors.get(name + ".scales")
        if scales is None:
            return data.astype(np.float64)
        scales = scales[rows].astype(np.float64)
        groups = data.reshape(len(data), scales.shape[1], -1) * scales[:, :, None]
        return groups.reshape(data.shape)

    def product(self, x, name):
        name = self.name(name)
        added = 0.0
        if self.adaptor_scale is not None:
            a, b = (self.decoded(f"{name}.adaptor.{part}") for part in "AB")
            added = self.adaptor_scale * (x @ a.T @ b.T)
        elif self.quantized and name.endswith("feed_forward.w2"):
            x = hadamard(x)
        if self.int8:
            x = in_int8(x, 2.0**-23)
        return x @ self.decoded(name).T + added

    def head(self, n):
        return super().head(in_int8(n, 2.0**-126) if self.int8 else n)
