#!/usr/bin/env python3
"""The model card of what run.sh trained: card.py OUT COMMAND >README.md (only the standard library)."""
import collections
import json
import pathlib
import sys

GRID = """GRID: *The Grid Audio-Visual Speech Corpus (1.0)*, M. Cooke, J. Barker, S. Cunningham, X. Shao, 2006,
doi 10.5281/zenodo.3625687, **CC BY 4.0**."""
MEANING = """`rotated`: the driving audio begins in its middle, so that the shape all sentences share does not help. r_driver: correlation of
the mouth's opening with that of the video the audio comes from; r_original: with that of the face's own footage."""


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
    lines += ["Changes made: faces aligned and scaled, colours, light, geometry, loudness, speed and noise varied at random, faces mixed."]
    if "--init" in command.split():
        lines += ["It goes on from the model of `--init` (below), whose card says what that one was trained on."]
    left_out = [speakers(clips["validation"])] if clips["validation"] else []
    if clips["driver"]:
        left_out += ["the sentences of " + ", ".join(c["name"] for c in clips["driver"])]
    lines += [f"Left out of the training: {'; '.join(left_out) or 'nothing'}."]
    if clips["unseen"]:
        lines += [f"Clips without a corpus licence ({len(clips['unseen'])}) only measured with."]
    return "\n".join(lines)


def is_grid(clip):
    return clip["speaker"].startswith("grid-")


def read(path):
    return path.read_text() if path.is_file() else ""


def figures(measures):
    tests = json.loads(read(measures / "measures.json") or "{}").get("tests")
    if not tests:
        return "None: the data set has no clips that were left out to measure with."
    table, mouths = read(measures / "measures.md"), read(measures / "mouths.md")
    if mouths:
        table = "\n".join(["Mouths, as MediaPipe's FaceMesh with attention reads them:\n", mouths,
                           "Pictures, and mouths as the project's own mesh, without attention, reads them:\n", table])
    return f"{table}\n{MEANING}"


def voices(trained):
    if all(is_grid(c) for c in trained):
        return "Few voices and 51 words of English were trained on."
    count = len({c["speaker"] for c in trained})
    return "One voice was trained on." if count == 1 else f"{count} voices were trained on."


def main():
    out, command = pathlib.Path(sys.argv[1]), sys.argv[2]
    config = json.loads((out / "model" / "config.json").read_text())
    manifest = json.loads((out / "work" / "manifest.json").read_text())
    clips = {part: [c for c in manifest["clips"] if c["part"] == part] for part in ("train", "validation", "driver", "unseen")}
    size = sum(f.stat().st_size for f in (out / "model").rglob("*.safetensors")) / 1e6
    unet, whisper = config["unet"], config["whisper"]
    print(f"""# {config["name"]}

A small lip-sync model with the layer structure and names of LatentSync (bytedance/LatentSync). It shows that the pipeline
works and lets everything be tried on a CPU; it is not a quality model.

| what | |
| --- | --- |
| crop | {config["resolution"]} pixels, TAESD's latents (MIT, Copyright (c) 2023 Ollin Boer Bohan; not trained here) |
| UNet | channels {unet["block_out_channels"]}, {unet["layers_per_block"]} layer(s) a block, {unet["attention_head_dim"]} heads |
| audio encoder | Whisper's layout, {whisper["n_audio_state"]} wide, {whisper["n_audio_layer"]} layers |
| size | {size:.1f} MB |

## Data
{data(clips, command)}

## Recipe
    {command}

docs/training.md has the steps. Sampling: {config["inference_steps"]} steps (the number it was trained for: more are not better), guidance
{config["guidance_scale"]}, noise of seed 1247.

## Figures
{figures(out / "measures")}

## Intended use and limits
Frontal faces, one speaker at a time, to try and to test the software. {voices(clips["train"])} Turned
heads and covered mouths fail. Do not use it to deceive: say that a video was edited.""")


if __name__ == "__main__":
    main()
