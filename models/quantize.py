#!/usr/bin/env python3
"""Writes a GGUF file with its matrices in another type, quantized by ggml's own code (needs: gguf, numpy, and libggml-base of llama.cpp).

  python quantize.py --ggml libggml-base.so --type Q4_K [--embedding Q6_K] OUT.gguf [--from llamita-stories.gguf]

Matrices of the file that are quantized are dequantized first. Norms stay F32.
"""
import argparse
import ctypes
import os

import gguf
import numpy as np
from gguf import GGMLQuantizationType as QT

HERE = os.path.dirname(os.path.abspath(__file__))


def quantizer(path):
    """ggml_quantize_chunk, without weights of importance."""
    ggml = ctypes.CDLL(path)
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]

    def quantize(x, kind):
        x = np.ascontiguousarray(x, dtype=np.float32)
        block, size = gguf.GGML_QUANT_SIZES[kind]
        rows, cols = x.shape
        assert cols % block == 0, f'{kind.name} takes rows of a multiple of {block}, and not of {cols}'
        out = np.empty((rows, cols // block * size), dtype=np.uint8)
        written = ggml.ggml_quantize_chunk(int(kind), x.ctypes.data, out.ctypes.data, 0, rows, cols, None)
        assert written == out.nbytes
        return out

    return quantize


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('out')
    ap.add_argument('--from', dest='source', default=os.path.join(HERE, 'llamita-stories.gguf'))
    ap.add_argument('--ggml', required=True)
    ap.add_argument('--type', required=True, type=QT.__getitem__)
    ap.add_argument('--embedding', type=QT.__getitem__, help='the type of the embedding, which is the head too; else as the others')
    args = ap.parse_args()
    quantize, source = quantizer(args.ggml), gguf.GGUFReader(args.source)
    out = gguf.GGUFWriter(args.out, source.fields['general.architecture'].contents())
    for name, field in source.fields.items():
        if not name.startswith('GGUF.') and name not in ('general.architecture', 'general.file_type'):
            out.add_key_value(name, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for t in source.tensors:
        numbers = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32)
        kind = (args.embedding if t.name == 'token_embd.weight' else None) or args.type
        if numbers.ndim == 1 or kind == QT.F32:
            out.add_tensor(t.name, numbers)
        else:
            out.add_tensor(t.name, quantize(numbers, kind), raw_dtype=kind)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == '__main__':
    main()
