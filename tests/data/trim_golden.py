#!/usr/bin/env python3
"""Makes tests/data/golden, the small copy of the golden data that this tree carries, from the whole set.

    trim_golden.py SOURCE DEST

Left out: weights (the generator makes them), what no test reads yet, and, of the large cases, one of two batch entries
(nothing mixes entries) or some of many rows. Every kept value is the source's, bit for bit. Needs numpy.
"""

import json
import pathlib
import shutil
import struct
import sys

import numpy as np

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
          "U8": "u1", "BOOL": "?"}

WHOLE_FILES = [
    "containers/expected.safetensors", "containers/plain_state_dict.pt", "containers/unet_layout.pt",
    "containers/whisper_layout.pt",
    "whisper/dims.json", "whisper/manifest.json",
    "vae/config.json", "vae/manifest.json", "vae/vae_modules_small_input.safetensors",
    "unet/config.json", "unet/manifest.json", "unet/unet_b1_f1_16x16.safetensors", "unet/unet_b1_f24_8x8.safetensors",
    "unet/unet_b1_f4_12x20.safetensors", "unet/unet_b2_f5_16x16.safetensors",
    "ddim/ddim.safetensors", "ddim/scheduler_config_effective.json",
    "real/info.json", "real/unet_manifest.json", "real/vae_manifest.json", "real/whisper_manifest.json",
    "real/unet_real.safetensors",
    "mask.png", "affine/frame012.png", "affine/r256_frame012_aligned.png", "affine/r256_frame012_face.png",
]

# Files with a place in their names.
WHOLE_PATTERNS = ["affine/r256_frame012_restored_roi_*.png"]

# Tensors that are left out, by the beginning of their names.
WITHOUT = {
    "mel/mel.safetensors": ["demo2.", "syn.zeros."],
    "whisper/whisper_cases.safetensors": ["embeddings_stacked"],
    "whisper/whisper_long.safetensors": ["audio2feat_f16"],
    "taesd/taesd.safetensors": ["face_128.", "random_64x96."],
    "unet/unet_b2_f16_16x16.safetensors": ["out_t500", "out_t999"],
    "deepcache/deepcache.safetensors": ["plain.latents", "deepcache.latents"],
    "facenets/facenets.safetensors": [f"{network}.{case}" for case in ("random", "frame000_crop") for network in (
        "face_detection_short_range", "face_detection_full_range_sparse", "face_landmark")],
    "affine/affine.safetensors": ["r256.frame000.", "r512.frame012."],
    "mask/mask.safetensors": ["combined_", "decoded_", "face_u8_", "masked_pixel_values_", "pixel_values_", "mask_u8_512"],
}

# Cases of two batch entries of which the second stays: file -> file.
SECOND_ENTRY = {
    "unet/unet_b2_f16_16x24.safetensors": "unet/unet_b1_f16_16x24.safetensors",
    "unet/unet_intermediates_b2_f2_16x16.safetensors": "unet/unet_intermediates_b1_f2_16x16.safetensors",
    "unet/unet_modules_small_input.safetensors": "unet/unet_modules_small_input.safetensors",
    "vae/vae_cases.safetensors": "vae/vae_cases.safetensors",
}
NOT_BATCHED = {"timesteps", "input_scale"}

# Every third row of what is indexed by whisper.row_index.
THIRD_ROWS = {"real/vae_whisper_real.safetensors": ["whisper.row_index", "whisper.embeddings_rows",
                                                    "whisper.ln_post_rows"]}


def load(path):
    """({name: (dtype, array)}, metadata) of a safetensors file."""
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + length])
    metadata = header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(raw[8 + length + begin:8 + length + end], DTYPES[entry["dtype"]])
        tensors[name] = entry["dtype"], array.reshape(entry["shape"])
    return tensors, metadata


def save(path, tensors, metadata):
    header, data = {}, []
    if metadata:
        header["__metadata__"] = metadata
    offset = 0
    # Widest elements first, so that each tensor is aligned to its own.
    for name, (dtype, array) in sorted(tensors.items(), key=lambda t: (-t[1][1].itemsize, t[0])):
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        data.append(np.ascontiguousarray(array).tobytes())
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def second_half(array):
    return array[array.shape[0] // 2:]


def main():
    source, dest = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for name in {*WHOLE_FILES, *WITHOUT, *SECOND_ENTRY.values(), *THIRD_ROWS}:
        (dest / name).parent.mkdir(parents=True, exist_ok=True)
    found = [str(path.relative_to(source)) for pattern in WHOLE_PATTERNS for path in source.glob(pattern)]
    for name in WHOLE_FILES + found:
        shutil.copyfile(source / name, dest / name)
    for name, left_out in WITHOUT.items():
        tensors, metadata = load(source / name)
        keep = lambda entries: {k: v for k, v in entries.items() if not k.startswith(tuple(left_out))}
        save(dest / name, keep(tensors), keep(metadata or {}))
    for name, new_name in SECOND_ENTRY.items():
        tensors, metadata = load(source / name)
        save(dest / new_name, {k: (d, a if k in NOT_BATCHED else second_half(a)) for k, (d, a) in tensors.items()},
             metadata)
    for name, rows in THIRD_ROWS.items():
        tensors, metadata = load(source / name)
        save(dest / name, {k: (d, a[::3] if k in rows else a) for k, (d, a) in tensors.items()}, metadata)


if __name__ == "__main__":
    main()
