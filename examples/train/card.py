#!/usr/bin/env python3
"""The model card of what run.sh trained: card.py OUT COMMAND >README.md (only the standard library)."""
import collections
import json
import pathlib
import sys


def speakers(clips):
    counts = collections.Counter(c["speaker"] for c in clips)
    return ", ".join(f"`{name}` {count}" for name, count in counts.most_common())


def main():
    out = pathlib.Path(sys.argv[1])
    config = json.loads((out / "model" / "config.json").read_text())
    manifest = json.loads((out / "work" / "manifest.json").read_text())
    clips = {part: [c for c in manifest["clips"] if c["part"] == part] for part in ("train", "validation", "driver", "unseen")}
    trained = clips["train"]
    size = sum(f.stat().st_size for f in (out / "model").rglob("*.safetensors")) / 1e6
    licences = sorted({c["licence"] for c in trained})
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
{len(trained)} clips, {sum(c["frames"] for c in trained) / 25 / 60:.0f} minutes, licence {", ".join(licences)}: {speakers(trained)}.
GRID: *The Grid Audio-Visual Speech Corpus (1.0)*, M. Cooke, J. Barker, S. Cunningham, X. Shao, 2006,
doi 10.5281/zenodo.3625687, **CC BY 4.0**. Changes made: faces aligned and scaled, colours, light, geometry, loudness, speed
and noise varied at random. Left out of the training: {speakers(clips["validation"])}; the sentences of
{", ".join(c["name"] for c in clips["driver"])}. Clips without a corpus licence ({len(clips["unseen"])}) only measured with.

## Recipe
    {sys.argv[2]}

docs/training.md has the steps. Sampling: {config["inference_steps"]} steps (the number it was trained for: more are not better), guidance
{config["guidance_scale"]}, noise of seed 1247.

## Figures""")
    mouths = out / "measures" / "mouths.md"
    if mouths.exists():
        print("Mouths, as MediaPipe's FaceMesh with attention reads them:\n")
        print(mouths.read_text())
        print("Pictures, and mouths as the project's own mesh, without attention, reads them:\n")
    print((out / "measures" / "measures.md").read_text())
    print("""`rotated`: the driving audio begins in its middle, so that the shape all sentences share does not help. r_driver: correlation of
the mouth's opening with that of the video the audio comes from; r_original: with that of the face's own footage.

## Intended use and limits
Frontal faces, one speaker at a time, to try and to test the software. Few voices and 51 words of English were trained on. Turned
heads and covered mouths fail. Do not use it to deceive: say that a video was edited.""")


if __name__ == "__main__":
    main()
