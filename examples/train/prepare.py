#!/usr/bin/env python3
"""Training clips -> aligned crops, in two steps.

    prepare.py pack CLIPS SET [--edge 256]     clips, landmarks and index.csv -> a small folder that travels (needs ffmpeg)
    prepare.py unpack SET WORK                 that folder -> one mapped file a clip for latentsync-train (needs OpenCV)

A set holds per clip NAME.mp4 (aligned crops with a margin, H.264), NAME.npz (landmarks in crop pixels, sound) and, for the
clips that are measured and not trained on, NAME-whole.mp4 (the uncropped frames); manifest.json says what is what. The
alignment is that of core/face/alignment.h. docs/training.md describes the formats.
"""
import argparse
import csv
import json
import lzma
import pathlib
import shutil
import subprocess
import sys

import numpy as np

RATE = 16000
FPS = 25
MARGIN_PARTS = 16  # the crop's edge over the margin around it, room for moving, turning and scaling
SOUND_STEP = 8     # of 16-bit samples; what is lost lies 83 dB below full scale
MOUTH_VALUES = 9   # the opening and eight principal components of the lips

# FaceMesh's numbers: what the alignment takes, and what a mouth is described by.
LEFT_BROW = [70, 63, 105, 66, 107]
RIGHT_BROW = [336, 296, 334, 293, 300]
NOSE = [195, 48, 278, 4]
UPPER_INNER, LOWER_INNER, FOREHEAD, CHIN = 13, 14, 10, 152
LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
        78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415]

TEMPLATE = np.array([[17, 20], [58, 20], [37.5, 40]])
TEMPLATE_SIZE = (75, 100)
SMOOTHING = 0.2


def fail(message):
    sys.exit(f"prepare.py: {message}")


# ---------------------------------------------------------------- alignment

def alignment_points(points):
    """[478 or 468, 2] of one frame -> brow at the left, brow at the right, nose, in whole pixels."""
    return np.stack([np.rint(np.rint(points[group]).mean(0)) for group in (LEFT_BROW, RIGHT_BROW, NOSE)])


def normalised(points):
    centred = points - points.mean(0)
    deviation = np.sqrt((centred ** 2).sum() / (centred.size - 1))
    return centred / deviation, points.mean(0), deviation


def align_clip(landmarks, edge):
    """[T, points, 2] -> [T, 2, 3] from frame pixels to crop pixels (pixel centres at whole numbers)."""
    scale = edge / 256 * 2.8
    target, target_mean, target_deviation = normalised(TEMPLATE * scale)
    size = np.array([int(TEMPLATE_SIZE[0] * scale), int(TEMPLATE_SIZE[1] * scale)])
    offset, matrices = None, []
    for points in landmarks:
        source, source_mean, source_deviation = normalised(alignment_points(points))
        cosine = (source * target).sum()
        sine = (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum()
        length = np.hypot(cosine, sine)
        a, b = target_deviation / source_deviation / length * np.array([cosine, sine])
        turn = np.array([[a, -b], [b, a]])
        now = target[2] - source[2]
        offset = now if offset is None else SMOOTHING * offset + (1 - SMOOTHING) * now
        move = target_mean - turn @ source_mean + offset
        to_crop = np.diag(edge / size)  # the aligned face is scaled to a square about its pixels' corners
        matrices.append(np.hstack([to_crop @ turn, (to_crop @ (move + 0.5) - 0.5)[:, None]]))
    return np.array(matrices)


# ---------------------------------------------------------------- media

def ffmpeg_program():
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg
        return imageio_ffmpeg.get_ffmpeg_exe()
    except ImportError:
        fail("ffmpeg is needed to pack: install it, or `pip install imageio-ffmpeg`")


def decode_frames(program, path, side):
    """RGB frames [T, side, side, 3]; the files are tagged BT.709, limited range."""
    raw = subprocess.run(
        [program, "-v", "error", "-i", str(path), "-vf",
         "scale=in_color_matrix=bt709:in_range=tv:out_range=pc:flags=accurate_rnd+full_chroma_int+full_chroma_inp",
         "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, stdout=subprocess.PIPE).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, side, side, 3)


def decode_sound(program, path):
    raw = subprocess.run([program, "-v", "error", "-i", str(path), "-vn", "-ac", "1", "-ar", str(RATE),
                          "-f", "s16le", "-"], check=True, stdout=subprocess.PIPE).stdout
    return np.frombuffer(raw, np.int16)


def encode_frames(program, path, frames, quality):
    """H.264 with BT.601's matrix: what OpenCV's reader takes for granted."""
    side = frames.shape[1]
    subprocess.run(
        [program, "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{side}x{side}", "-r", str(FPS),
         "-i", "-", "-vf", "scale=out_color_matrix=bt601:out_range=tv:flags=accurate_rnd+full_chroma_int",
         "-c:v", "libx264", "-preset", "medium", "-crf", str(quality), "-pix_fmt", "yuv420p", "-colorspace", "smpte170m",
         "-color_range", "tv", str(path)], check=True, input=np.ascontiguousarray(frames).tobytes())


def read_video(path):
    import cv2
    reader, frames = cv2.VideoCapture(str(path)), []
    while True:
        good, frame = reader.read()
        if not good:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    if not frames:
        fail(f"{path}: OpenCV cannot decode it")
    return np.stack(frames)


def crop_frames(frames, matrices, edge, margin):
    """Each frame as its aligned crop with a margin around it."""
    import cv2
    side = edge + 2 * margin
    out = np.empty((len(frames), side, side, 3), np.uint8)
    for i, (frame, matrix) in enumerate(zip(frames, matrices)):
        moved = matrix + np.array([[0, 0, margin], [0, 0, margin]])
        scale = np.sqrt(abs(np.linalg.det(moved[:, :2])))
        if scale < 0.9:  # average whole pixels before points are sampled
            frame = cv2.GaussianBlur(frame, (0, 0), 0.4 / scale)
        out[i] = cv2.warpAffine(frame, moved, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT,
                                borderValue=(127, 127, 127))
    return out


def squeeze_sound(samples):
    """Differences of 13-bit samples, high and low bytes apart, through LZMA."""
    coarse = np.rint(samples / SOUND_STEP).astype(np.int16)
    changes = np.diff(coarse, prepend=np.int16(0)).view(np.uint16)
    planes = np.concatenate([(changes >> 8).astype(np.uint8), (changes & 255).astype(np.uint8)])
    return np.frombuffer(lzma.compress(planes.tobytes(), preset=6), np.uint8)


def expand_sound(squeezed, step):
    planes = np.frombuffer(lzma.decompress(squeezed.tobytes()), np.uint8).astype(np.uint16).reshape(2, -1)
    return np.cumsum(((planes[0] << 8) | planes[1]).view(np.int16), dtype=np.int16).astype(np.float32) * step / 32768


# ---------------------------------------------------------------- pack

def landmarks_of(path):
    stored = np.load(path)
    return np.cumsum(stored["d"].astype(np.int32), axis=0) / 2.0


def part_of(row, options):
    """What a clip is for: `train`, `validation` (a speaker left out), `driver` (sentences left out), `unseen`."""
    if row["rights"] != "corpus licence":
        return "unseen"
    if row["speaker_id"] == options.validation:
        return "validation"
    if pathlib.Path(row["file"]).stem in options.drivers.split(","):
        return "driver"
    return "train"


def pack_clip(program, clips, row, options):
    name, margin = pathlib.Path(row["file"]).stem, options.edge // MARGIN_PARTS
    part = part_of(row, options)
    frames = decode_frames(program, clips / row["file"], int(row["side_px"]))
    landmarks = landmarks_of(clips / f"{name}.npz")
    count = min(len(frames), len(landmarks))
    if part == "unseen":
        count = min(count, int(options.unseen_seconds * FPS))
    frames, landmarks = frames[:count], landmarks[:count]
    matrices = align_clip(landmarks, options.edge)
    in_crop = np.einsum("tij,tpj->tpi", matrices[:, :, :2], landmarks[:, LIPS]) + matrices[:, None, :, 2]
    distance = lambda a, b: np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=1)
    opening = distance(UPPER_INNER, LOWER_INNER) / distance(FOREHEAD, CHIN)
    sound = decode_sound(program, clips / row["file"])[:count * RATE // FPS]

    folder = pathlib.Path(options.set)
    encode_frames(program, folder / f"{name}.mp4", crop_frames(frames, matrices, options.edge, margin), options.quality)
    if part != "train":
        encode_frames(program, folder / f"{name}-whole.mp4", frames, options.quality - 2)
    quarter = np.rint(in_crop * 4).astype(np.int16)
    np.savez_compressed(folder / f"{name}.npz", lips=np.diff(quarter, axis=0, prepend=np.zeros_like(quarter[:1])),
                        opening=opening.astype(np.float32), matrices=matrices.astype(np.float32),
                        sound=squeeze_sound(sound))
    return {"name": name, "speaker": row["speaker_id"], "part": part, "frames": count, "source": row["source_repo"],
            "licence": "CC BY 4.0" if row["rights"] == "corpus licence" else row["licence"]}


def pack(options):
    from concurrent.futures import ThreadPoolExecutor
    clips, program = pathlib.Path(options.clips), ffmpeg_program()
    if not (clips / "index.csv").is_file():
        fail(f"{clips / 'index.csv'} is missing: give the folder that holds the clips and their index")
    if options.edge % 64:
        fail("--edge must be a multiple of 64")
    with open(clips / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    pathlib.Path(options.set).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(options.threads) as pool:
        entries = list(pool.map(lambda row: pack_clip(program, clips, row, options), rows))
    manifest = {"edge": options.edge, "margin": options.edge // MARGIN_PARTS, "fps": FPS, "rate": RATE, "sound_step": SOUND_STEP,
                "clips": entries}
    (pathlib.Path(options.set) / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    size = sum(f.stat().st_size for f in pathlib.Path(options.set).iterdir())
    print(f"{len(entries)} clips, {sum(e['frames'] for e in entries)} frames, {size / 1e6:.1f} MB in {options.set}")


# ---------------------------------------------------------------- unpack

TYPES = {"uint8": "U8", "float32": "F32", "int64": "I64"}


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": TYPES[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).data)


def mouth_values(stored, entries):
    """Per clip [T, 9]: opening and components of the lips' shape about the speaker's mean, in units of the standard
    deviation of the opening and of the first component over the training clips."""
    shapes = {e["name"]: np.cumsum(stored[e["name"]]["lips"].astype(np.int32), 0) / 4.0 for e in entries}
    flat = {name: lips.reshape(len(lips), -1) for name, lips in shapes.items()}
    openings = {e["name"]: stored[e["name"]]["opening"] for e in entries}

    def about_speaker(values):
        result = {}
        for entry in entries:
            same = [values[e["name"]] for e in entries if e["speaker"] == entry["speaker"]]
            result[entry["name"]] = values[entry["name"]] - np.concatenate(same).mean(0)
        return result

    flat, openings = about_speaker(flat), about_speaker(openings)
    training = [e["name"] for e in entries if e["part"] == "train"] or [e["name"] for e in entries]
    sample = np.concatenate([flat[name] for name in training])
    eigenvalues, vectors = np.linalg.eigh(sample.T @ sample / len(sample))
    vectors = vectors[:, ::-1][:, :MOUTH_VALUES - 1] / np.sqrt(eigenvalues[-1])
    unit = np.concatenate([openings[name] for name in training]).std()
    return {name: np.hstack([openings[name][:, None] / unit, flat[name] @ vectors]).astype(np.float32) for name in flat}


def unpack(options):
    folder, work = pathlib.Path(options.set), pathlib.Path(options.work)
    if not (folder / "manifest.json").is_file():
        fail(f"{folder / 'manifest.json'} is missing: run `prepare.py pack` first")
    manifest = json.loads((folder / "manifest.json").read_text())
    entries, margin = manifest["clips"], manifest["margin"]
    work.mkdir(parents=True, exist_ok=True)
    stored = {e["name"]: dict(np.load(folder / f"{e['name']}.npz")) for e in entries}
    mouths = mouth_values(stored, entries)
    for entry in entries:
        name = entry["name"]
        clip = stored[name]
        tensors = {
            "crops": read_video(folder / f"{name}.mp4"),
            "lips": (np.cumsum(clip["lips"].astype(np.int32), 0) / 4.0 + margin).astype(np.float32),
            "mouth": mouths[name],
            "opening": clip["opening"],
            "sound": expand_sound(clip["sound"], manifest["sound_step"]),
        }
        whole = folder / f"{name}-whole.mp4"
        if whole.is_file():
            tensors["whole"] = read_video(whole)
        if len(tensors["crops"]) != entry["frames"]:
            fail(f"{name}.mp4 holds {len(tensors['crops'])} frames, the manifest says {entry['frames']}: pack it anew")
        write_safetensors(work / f"{name}.safetensors", tensors)
    (work / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{len(entries)} clips in {work}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("pack")
    command.add_argument("clips")
    command.add_argument("set")
    command.add_argument("--edge", type=int, default=256)
    command.add_argument("--quality", type=int, default=22, help="x264's constant rate factor")
    command.add_argument("--threads", type=int, default=2)
    command.add_argument("--validation", default="grid-drp-m", help="the speaker who is left out")
    command.add_argument("--drivers", default="clip048,clip098,clip141,clip188,clip227,clip279",
                         help="clips whose sentences are left out")
    command.add_argument("--unseen-seconds", type=float, default=5, help="how much of each clip without a corpus licence")
    command.set_defaults(run=pack)
    command = commands.add_parser("unpack")
    command.add_argument("set")
    command.add_argument("work")
    command.set_defaults(run=unpack)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
