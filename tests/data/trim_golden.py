#!/usr/bin/env python3
"""Makes tests/data/golden, the small copy of the golden data that this tree carries, from the whole set.

    trim_golden.py SOURCE DEST

Left out: weights (the generator makes them), what no test reads yet, and, of the large cases, one of two batch entries
(nothing mixes entries) or some of many rows; of the pipeline all but its first window. Every kept value is the
source's, bit for bit; pixels of frames that no face's crop or mask can reach are black. Needs numpy.
"""

import json
import pathlib
import shutil
import struct
import sys
import zlib

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
    "mask.png", "affine/r256_frame012_aligned.png", "affine/r256_frame012_face.png",
]

# Files with a place in their names.
WHOLE_PATTERNS = ["affine/r256_frame012_restored_roi_*.png"]

# Tensors that are left out, by the beginning of their names.
WITHOUT = {
    "mel/mel.safetensors": ["demo2.", "syn.zeros."],
    "whisper/whisper_cases.safetensors": ["embeddings_stacked"],
    "whisper/whisper_long.safetensors": ["audio2feat_f16"],
    "taesd/taesd.safetensors": ["face_128.", "random_64x96."],
    "deepcache/deepcache.safetensors": ["plain.latents", "deepcache.latents"],
    "facenets/facenets.safetensors": [f"{network}.{case}" for case in ("random", "frame000_crop") for network in (
        "face_detection_short_range", "face_detection_full_range_sparse", "face_landmark")],
    "affine/affine.safetensors": ["r256.frame000.", "r512.frame012."],
    "mask/mask.safetensors": ["combined_", "decoded_", "face_u8_", "masked_pixel_values_", "pixel_values_", "mask_u8_512"],
}

# Cases of two batch entries of which the second stays: file -> file.
SECOND_ENTRY = {
    "unet/unet_b2_f16_16x16.safetensors": "unet/unet_b1_f16_16x16.safetensors",
    "unet/unet_b2_f16_16x24.safetensors": "unet/unet_b1_f16_16x24.safetensors",
    "unet/unet_intermediates_b2_f2_16x16.safetensors": "unet/unet_intermediates_b1_f2_16x16.safetensors",
    "unet/unet_modules_small_input.safetensors": "unet/unet_modules_small_input.safetensors",
    "vae/vae_cases.safetensors": "vae/vae_cases.safetensors",
}
SECOND_ENTRY_WITHOUT = ("out_t500", "out_t999")
NOT_BATCHED = {"timesteps", "input_scale"}

# Every third row of what is indexed by whisper.row_index.
THIRD_ROWS = {"real/vae_whisper_real.safetensors": ["whisper.row_index", "whisper.embeddings_rows",
                                                    "whisper.ln_post_rows"]}


# Of the pipeline's first window: what is left out, how many of its restored frames stay, and a frame's margin around
# the places of the mesh, in parts of its size, that holds all of the crop and its mask.
PIPELINE_WITHOUT = ("window0.audio_embeds", "window0.decoded_frame0", "window0.unet_", "window0.latents_after_step0",
                    "window0.latents_after_step1.", "faces_before_restore")
RESTORED_FRAMES = 2
CROP_MARGIN = 4


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


def read_png(path):
    """An 8-bit RGB file without interlacing: uint8 [H, W, 3]."""
    raw = path.read_bytes()
    offset, data = 8, b""
    while offset < len(raw):
        length, kind = struct.unpack(">I4s", raw[offset:offset + 8])
        body = raw[offset + 8:offset + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert (depth, colour, interlaced) == (8, 2, 0), path
        elif kind == b"IDAT":
            data += body
        offset += length + 12
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + 3 * width)
    rows = np.zeros((height + 1, 3 * (width + 1)), np.int32)  # a black row above, a black pixel to the left
    for y in range(height):
        kind, line, above = lines[y, 0], lines[y, 1:].astype(np.int32), rows[y]
        row = rows[y + 1]
        if kind in (0, 2):
            row[3:] = (line + (above[3:] if kind else 0)) & 255
            continue
        for x in range(3, 3 * (width + 1)):
            left, up, corner = row[x - 3], above[x], above[x - 3]
            if kind == 1:
                predicted = left
            elif kind == 3:
                predicted = (left + up) // 2
            else:
                predicted = min((abs(up - corner), 0, left), (abs(left - corner), 1, up),
                                (abs(left + up - 2 * corner), 2, corner))[2]
            row[x] = (line[x - 3] + predicted) & 255
    return rows[1:, 3:].astype(np.uint8).reshape(height, width, 3)


def write_png(path, picture):
    """Each row with the filter whose residues are smallest, or all with the same, whichever packs best."""
    height, width, _ = picture.shape
    rows = np.zeros((height + 1, 3 * (width + 1)), np.int32)
    rows[1:, 3:] = picture.reshape(height, -1)
    now, left, up, corner = rows[1:, 3:], rows[1:, :-3], rows[:-1, 3:], rows[:-1, :-3]
    a, b, c = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, up, corner))
    residues = np.stack([(now - other) & 255 for other in (0 * now, left, up, (left + up) // 2, paeth)])
    best = np.minimum(residues, 256 - residues).sum(2).argmin(0)
    pack = lambda kinds: zlib.compress(
        b"".join(bytes([kind]) + residues[kind, y].astype(np.uint8).tobytes() for y, kind in enumerate(kinds)), 9)
    data = min([pack(best)] + [pack([kind] * height) for kind in range(5)], key=len)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks))


def crop_part(matrix, resolution, shape):
    """The slices of a frame that hold its aligned face, given the matrix that leads there."""
    ratio = resolution / 256 * 2.8
    corners = np.array([[x, y] for x in (0, int(75 * ratio)) for y in (0, int(100 * ratio))], float)
    places = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    low = np.clip(np.floor(places.min(0)).astype(int) - CROP_MARGIN, 0, None)
    high = np.ceil(places.max(0)).astype(int) + CROP_MARGIN + 1
    return slice(low[1], min(high[1], shape[0])), slice(low[0], min(high[0], shape[1]))


def copy_part(source, dest, matrix, resolution):
    picture = read_png(source)
    part = crop_part(np.asarray(matrix, float), resolution, picture.shape)
    kept = np.zeros_like(picture)
    kept[part] = picture[part]
    dest.parent.mkdir(parents=True, exist_ok=True)
    write_png(dest, kept)
    if dest.stat().st_size > source.stat().st_size:
        shutil.copyfile(source, dest)


def trim_pipeline(source, dest):
    """The first window alone."""
    dest.mkdir(parents=True, exist_ok=True)
    config = json.loads((source / "config.json").read_text())
    tensors, metadata = load(source / "pipeline.safetensors")
    frames, resolution = config["windows"][0], config["resolution"]
    config.update(windows=[frames], n_input_frames=frames, n_output_frames=frames)
    (dest / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    shutil.copyfile(source / "audio.wav", dest / "audio.wav")
    kept = {}
    for name, (dtype, array) in tensors.items():
        other_window = "window" in name and "window0." not in name
        if other_window or (name + ".").startswith(PIPELINE_WITHOUT):
            continue
        per_frame = name in ("source_frame_of_output", "landmarks3", "affine_matrices", "landmarks_478_px")
        kept[name] = dtype, array[:frames] if per_frame else array
    save(dest / "pipeline.safetensors", kept, metadata)
    matrices = tensors["affine_matrices"][1]
    for i in range(frames):
        folders = ["in", "out"] if i % (frames // RESTORED_FRAMES) == 0 else ["in"]
        for folder in folders:
            copy_part(source / folder / f"{i:03}.png", dest / folder / f"{i:03}.png", matrices[i], resolution)


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
        save(dest / new_name, {k: (d, a if k in NOT_BATCHED else second_half(a)) for k, (d, a) in tensors.items()
                               if "b2_f16_16x16." not in name or k not in SECOND_ENTRY_WITHOUT}, metadata)
    for name, rows in THIRD_ROWS.items():
        tensors, metadata = load(source / name)
        save(dest / name, {k: (d, a[::3] if k in rows else a) for k, (d, a) in tensors.items()}, metadata)
    matrices = load(source / "affine/affine.safetensors")[0]["r256.matrices"][1]
    copy_part(source / "affine/frame012.png", dest / "affine/frame012.png", matrices[12], 256)
    trim_pipeline(source / "pipeline", dest / "pipeline")


if __name__ == "__main__":
    main()
