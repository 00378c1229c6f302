#!/usr/bin/env python3
"""Writes the model card of a model that run.sh trained: card.py OUT COMMAND >README.md (standard library only)."""
import collections
import json
import pathlib
import sys

GRID = """GRID: *The Grid Audio-Visual Speech Corpus (1.0)*, M. Cooke, J. Barker, S. Cunningham, X. Shao, 2006,
doi 10.5281/zenodo.3625687, **CC BY 4.0**."""
MEANING = """`rotated`: the driving audio begins in its middle, so that the pattern common to all sentences does not help. r_driver: correlation of
the mouth's opening with that in the video of the driving audio; r_original: with that in the face's original footage."""


def speakers(clips):
    counts = collections.Counter(c["speaker"] for c in clips)
    return ", ".join(f"`{name}` {count}" for name, count in counts.most_common())


def data(clips, command):
    """What was trained on, under which licence, and what was left out."""
    trained = clips["train"]
    licences = ", ".join(sorted({c["licence"] for c in trained}))
    lines = [f"{len(trained)} clips, {sum(c['frames'] for c in trained) / 25 / 60:.1f} minutes, licence {licences}: {speakers(trained)}."]
    if any(is_grid(c) for c in trained):
        lines += [GRID]
    lines += ["Changes made: faces aligned and scaled, colours, light, geometry, loudness, speed and noise varied at random, faces morphed."]
    if "--init" in command.split():
        lines += ["Training started from the model of `--init` (below), whose card lists its own training data."]
    left_out = [speakers(clips["validation"])] if clips["validation"] else []
    if clips["driver"]:
        left_out += ["the sentences of " + ", ".join(c["name"] for c in clips["driver"])]
    lines += [f"Held out of the training: {'; '.join(left_out) or 'nothing'}."]
    if clips["unseen"]:
        lines += [f"Clips without a corpus licence ({len(clips['unseen'])}) were used for measurements only."]
    return "\n".join(lines)


def is_grid(clip):
    return clip["speaker"].startswith("grid-")


def read(path):
    return path.read_text() if path.is_file() else ""


def figures(measures):
    tests = json.loads(read(measures / "measures.json") or "{}").get("tests")
    if not tests:
        return "None: the data set has no held-out clips for measurements."
    table, mouths = read(measures / "measures.md"), read(measures / "mouths.md")
    if mouths:
        table = "\n".join(["Mouths, measured with MediaPipe's FaceMesh with attention:\n", mouths,
                           "Pictures, and mouths measured with the project's own mesh, without attention:\n", table])
    return f"{table}\n{MEANING}"


def voices(trained):
    if all(is_grid(c) for c in trained):
        return "The training data has few voices and 51 English words."
    count = len({c["speaker"] for c in trained})
    return "The training data has one voice." if count == 1 else f"The training data has {count} voices."


def main():
    out, command = pathlib.Path(sys.argv[1]), sys.argv[2]
    config = json.loads((out / "model" / "config.json").read_text())
    manifest = json.loads((out / "work" / "manifest.json").read_text())
    clips = {part: [c for c in manifest["clips"] if c["part"] == part] for part in ("train", "validation", "driver", "unseen")}
    size = sum(f.stat().st_size for f in (out / "model").rglob("*.safetensors")) / 1e6
    unet, whisper = config["unet"], config["whisper"]
    print(f"""# {config["name"]}

A small lip-sync model with the layer structure and tensor names of LatentSync (bytedance/LatentSync). It shows that the pipeline
works and makes it possible to try everything on a CPU; it is not a quality model.

| what | |
| --- | --- |
| crop | {config["resolution"]} pixels, TAESD's latents (MIT, Copyright (c) 2023 Ollin Boer Bohan; not trained here) |
| UNet | channels {unet["block_out_channels"]}, {unet["layers_per_block"]} layer(s) per block, {unet["attention_head_dim"]} heads |
| audio encoder | Whisper's layout, {whisper["n_audio_state"]} wide, {whisper["n_audio_layer"]} layers |
| size | {size:.1f} MB |

## Data
{data(clips, command)}

## Recipe
    {command}

docs/training.md describes the steps. Sampling: {config["inference_steps"]} steps (the number it was trained for: more do not improve it), guidance
{config["guidance_scale"]}, noise of seed 1247.

## Figures
{figures(out / "measures")}

## Intended use and limits
For trying and testing the software: frontal faces, one speaker at a time. {voices(clips["train"])} Turned
heads and covered mouths fail. Do not use it to deceive: state that a video was edited.""")


if __name__ == "__main__":
    main()
