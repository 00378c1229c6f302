#!/usr/bin/env python3
"""Writes a model folder with the tensors of the published checkpoint, but without their contents.

The files are sparse: they have the length of real ones and need a few hundred kilobytes on the disk.
They are for the memory plan (latentsync-transcode --plan), which reads headers only; rendered with,
they give nothing useful, because every weight is 0.

    tests/support/published_sizes.py FOLDER
"""

import json
import pathlib
import struct
import sys

SHAPES = pathlib.Path(__file__).resolve().parent.parent / "data" / "golden" / "real"
FILES = {
    "latentsync_unet.safetensors": "unet",
    "vae/sd-vae-ft-mse.safetensors": "vae",
    "whisper/tiny.safetensors": "whisper",
}
BYTES = 4  # float32, as published


def read_shapes(network):
    """Names and shapes of a network's tensors, in the order of its file."""
    manifest = json.loads((SHAPES / f"{network}_manifest.json").read_text())
    params = manifest["params"]
    pairs = params.items() if isinstance(params, dict) else ((p["name"], p["shape"]) for p in params)
    return [(name, list(shape)) for name, shape in pairs]


def write_sparse(path, tensors):
    header, end = {}, 0
    for name, shape in tensors:
        size = BYTES
        for length in shape:
            size *= length
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        file.truncate(8 + len(text) + end)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    for name, network in FILES.items():
        write_sparse(folder / name, read_shapes(network))


if __name__ == "__main__":
    main()
