#!/usr/bin/env python3
"""Times latentsync-bench and the eager peer in turns and prints the ratios; see compare_peer.sh.

Both hold one network each and run one after the other, round by round, so that whatever else the machine does falls on
both. A ratio is the peer's median over ours: above 1, ours is faster.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=str(HERE.parent.parent / "build/tests/latentsync-bench"))
    parser.add_argument("--quick", action="store_true", help="the UNet alone, 3 rounds")
    parser.add_argument("--rounds", type=int, default=0, help="default 5, with --quick 3")
    parser.add_argument("--stages", default="", help="comma-separated: unet,window_plain,vae_encode,vae_decode")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--edge", type=int, default=256)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", help="the figures, into this file")
    return parser.parse_args()


class Contestant:
    """A process that evaluates one network whenever it is told to."""

    def __init__(self, name, command):
        self.name, self.seconds = name, []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts = {}

    def wait_until_ready(self):
        line = self.read()
        while line != "ready":
            self.facts.update(json.loads(line))
            line = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended early (exit status {self.process.wait()})")
        return line.strip()

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return float(self.read())

    def finish(self):
        peak = self.ask("memory")
        self.process.stdin.close()
        self.process.wait()
        return peak


def compare(stage, options):
    sizes = ["--frames", str(options.frames), "--edge", str(options.edge), "--dtype", options.dtype,
             "--device", options.device, "--threads", str(options.threads), "--stage", stage]
    ours = Contestant("latentsync-bench", [options.bench, "--serve", "--size", "real", *sizes])
    peer = Contestant("the peer", [sys.executable, str(HERE / "peer.py"), *sizes])
    for contestant in (ours, peer):  # they load at the same time
        contestant.wait_until_ready()
    for round_number in range(options.rounds):
        # Who goes first alternates: the one behind the other finds the caches the other left.
        for contestant in (ours, peer) if round_number % 2 == 0 else (peer, ours):
            contestant.seconds.append(contestant.ask("run"))
        print(f"  {stage} round {round_number + 1}: ours {ours.seconds[-1]:.3f} s, peer {peer.seconds[-1]:.3f} s",
              flush=True)
    result = {"stage": stage, "ours_s": statistics.median(ours.seconds), "peer_s": statistics.median(peer.seconds),
              "ours_all_s": ours.seconds, "peer_all_s": peer.seconds, "peer": peer.facts,
              "ours_peak_mib": ours.finish(), "peer_peak_mib": peer.finish()}
    result["ratio"] = result["peer_s"] / result["ours_s"]
    return result


def main():
    options = parse()
    options.rounds = options.rounds or (3 if options.quick else 5)
    stages = options.stages.split(",") if options.stages else ["unet"] if options.quick else \
        ["vae_encode", "vae_decode", "unet"]
    print(f"{options.edge}x{options.edge}, {options.frames} frames, {options.dtype}, {options.device}, "
          f"{options.threads} threads, {options.rounds} rounds, medians", flush=True)
    results = [compare(stage, options) for stage in stages]
    print("\n| stage | ours | peer | peak memory, ours / peer | ratio |\n| --- | --- | --- | --- | --- |")
    for r in results:
        print(f"| {r['stage']} | {r['ours_s']:.3f} s | {r['peer_s']:.3f} s | "
              f"{r['ours_peak_mib']:.0f} / {r['peer_peak_mib']:.0f} MiB | {r['ratio']:.3f} |")
    if options.json:
        settings = {k: v for k, v in vars(options).items() if k not in ("json", "bench")}
        pathlib.Path(options.json).write_text(json.dumps({"settings": settings, "results": results}, indent=2) + "\n")
    for r in results:
        if r["stage"] == "unet":
            print(f"\nratio {r['ratio']:.3f}")


if __name__ == "__main__":
    main()
