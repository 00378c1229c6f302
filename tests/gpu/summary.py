#!/usr/bin/env python3
"""Gathers what tests/gpu/run.sh left into OUT/summary.json and, for people, OUT/summary.md.

    summary.py RESULTS_FOLDER OUT_FOLDER cpu|cuda
"""

import json
import pathlib
import statistics
import subprocess
import sys

import floor
import messages

MIB = 1 << 20
WINDOW = 16
KERNELS = 12  # of a profile's table
PLAN_SLACK = 1.15  # planned memory over used memory, at most
HOST_WAITS = 3  # of a window, at most


def gpu_name():
    try:
        query = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],
                               capture_output=True, text=True, timeout=60)
        return query.stdout.strip() if query.returncode == 0 and query.stdout.strip() else "none"
    except (OSError, subprocess.TimeoutExpired):
        return "none"


def load_json(folder, pattern):
    results = {}
    for path in sorted(folder.glob(pattern)):
        try:
            results[path.stem] = json.loads(path.read_text())
        except ValueError:
            results[path.stem] = {}  # the program ended before it had written its figures
    return results


def load_stages(folder):
    """{stage: {"seconds", "verdicts": [{verdict, what, detail}]}}"""
    stages = {}
    for path in sorted(folder.glob("*.verdicts"), key=lambda p: p.stat().st_mtime):
        seconds = path.with_suffix(".seconds")
        lines = [line.split("\t") for line in path.read_text().splitlines()]
        stages[path.stem] = {
            "seconds": int(seconds.read_text()) if seconds.exists() else None,
            "verdicts": [{"verdict": v, "what": what, "detail": detail} for v, what, detail in lines]}
    return stages


def load_plans(folder):
    return {path.stem: {"windows": list(messages.windows(path.read_text())),
                        "fits": all(plan["fits"] == "true" for plan in messages.parse(path.read_text(), "plan"))}
            for path in sorted(folder.glob("plan-*.messages"))}


def load_ahead(folder):
    """{"0": [seconds of each run], "1": …} with LATENTSYNC_PREPARE_AHEAD"""
    runs = {}
    for path in sorted(folder.glob("ahead-*.messages")):
        seconds = messages.seconds_played(path.read_text())
        if seconds is not None:
            runs.setdefault(path.stem.split("-")[1], []).append(seconds)
    return runs


def load_calls(folder):
    """Calls of the CUDA runtime by a window: the difference of two runs; {} where one is missing."""
    runs = {}
    for path in folder.glob("calls-*.calls"):
        counts = dict(line.split() for line in path.read_text().splitlines())
        runs[int(path.stem.split("-")[1])] = {name: int(count) for name, count in counts.items()}
    if len(runs) < 2:
        return {}
    short, long = min(runs), max(runs)
    count = (long - short) / WINDOW
    return {name: (runs[long][name] - runs[short][name]) / count for name in runs[long]}


def bench_results(benches):
    """(context, result) of all reports."""
    for report in benches.values():
        for result in report.get("results", []):
            yield report["context"], result


def matmul_rate(benches):
    """Of the device, in operations a second, float16; None where it was not measured."""
    rates = [r["flops"] / r["median_s"] for context, r in bench_results(benches)
             if r["stage"] == "matmul" and context["dtype"] == "float16" and context["device"] != "cpu"]
    return max(rates, default=None)


def stage_seconds(benches, edge, stage):
    times = [r["median_s"] for context, r in bench_results(benches)
             if (context["edge"], context["dtype"], context["size"], context["frames"], r["stage"]) ==
             (edge, "float16", "real", WINDOW, stage)]
    return min(times, default=None)


def frame_rates(benches, plans, edge):
    """{how it was measured: frames/s} of whole windows with the published networks, float16."""
    rates = {}
    encode, decode = (stage_seconds(benches, edge, f"vae_{part}code") for part in ("en", "de"))
    for stage in ("window", "window_plain"):
        window = stage_seconds(benches, edge, stage)
        if encode and decode and window:
            rates[stage] = WINDOW / (floor.ENCODINGS * encode + window + decode)
    whole = [w for w in plans.get(f"plan-{edge}-automatic", {}).get("windows", []) if w["frames"] == WINDOW]
    if len(whole) > 1:  # the first one chooses kernels
        rates["element"] = WINDOW / statistics.median(w["seconds"] for w in whole[1:])
    return rates


# --- tables ----------------------------------------------------------------------------------------------------------

def table(heads, rows):
    if not rows:
        return []
    return [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}",
            *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)]


def judged(met):
    return {True: "yes", False: "NO", None: "not measured"}[met]


def criteria(data):
    """(question, criterion, measured, met) of what figures decide; tests have their own table."""
    rows = []
    for edge, goal in floor.GOALS.items():
        rates = frame_rates(data["bench"], data["plans"], edge)
        best = rates.get("element", rates.get("window"))
        rows.append((f"whole window, {edge}², float16, 20 steps", f"{goal} frames/s",
                     ", ".join(f"{name} {rate:.1f}" for name, rate in rates.items()) or "-",
                     best >= goal if best else None))
    for report in data["peer"].values():
        for r in report.get("results", []):
            settings = report["settings"]
            rows.append((f"beside PyTorch eager: {r['stage']}, {settings['edge']}², {settings['dtype']}", "ratio above 1",
                         f"{r['ratio']:.3f}", r["ratio"] > 1))
    for name, plan in data["plans"].items():
        # The plan is that of a whole window with faces; the end of a clip is shorter.
        most = max((w["frames"] for w in plan["windows"]), default=0)
        whole = [w for w in plan["windows"] if w["planned"] and w["frames"] == most and w["edited"] == most]
        if whole:
            ratios = [w["planned"] / w["memory-peak"] for w in whole]
            rows.append((f"{name}: planned memory over used", f"1 to {PLAN_SLACK}",
                         f"{min(ratios):.3f} to {max(ratios):.3f}", all(1 <= r <= PLAN_SLACK for r in ratios)))
    waits = sum(count for name, count in data["calls"].items() if name.endswith("Synchronize") or name == "cudaMemcpy")
    rows.append(("host waits of a window", f"at most {HOST_WAITS}", f"{waits:.1f}" if data["calls"] else "-",
                 waits <= HOST_WAITS if data["calls"] else None))
    for kernel in ("temporal_attention", "group_norm"):
        own, aten = (stage_seconds(data["bench"], 512, kernel + end) for end in ("", "_aten"))
        rows.append((f"kernel {kernel} beside ATen's", "faster", f"{aten / own:.2f} times" if own and aten else "-",
                     own < aten if own and aten else None))
    whole, tiles = (stage_seconds(data["bench"], 512, "vae_decode" + end) for end in ("", "_tiles"))
    rows.append(("the autoencoder in tiles, decoding, 512²", "about 1.5 times the time",
                 f"{tiles / whole:.2f} times" if whole and tiles else "-", tiles / whole < 1.75 if whole and tiles else None))
    return rows


def stage_table(stages):
    rows = []
    for name, stage in stages.items():
        counts = [sum(v["verdict"] == verdict for v in stage["verdicts"]) for verdict in ("passed", "failed", "left out")]
        rows.append((name, stage["seconds"], *counts))
    return table(("stage", "seconds", "passed", "failed", "left out"), rows)


def open_table(stages):
    return table(("stage", "verdict", "what", "why"),
                 [(name, v["verdict"], v["what"], v["detail"]) for name, stage in stages.items()
                  for v in stage["verdicts"] if v["verdict"] != "passed"])


def failed_tests(report):
    return [f"{case['classname']}.{case['name']}"
            for suite in report.get("testsuites", []) for case in suite.get("testsuite", []) if case.get("failures")]


def test_table(results):
    rows = []
    for name, report in results.items():
        failed = failed_tests(report)
        rows.append((name, report.get("tests", "-"), report.get("failures", "no report"), report.get("time", "-"),
                     ", ".join(failed[:5]) + (" ..." if len(failed) > 5 else "")))
    return table(("suite", "tests", "failed", "seconds", "which failed"), rows)


def bench_table(benches, rate):
    rows = []
    for context, r in bench_results(benches):
        part = floor.share(r["stage"], context["edge"], context["frames"], r["median_s"], rate) \
            if context["size"] == "real" and context["dtype"] == "float16" else None
        rows.append((context["size"], context["dtype"], context["edge"], context["frames"], r["stage"],
                     f"{1000 * r['median_s']:.2f}", r["runs"], r["peak_device_memory_mib"], f"{part:.0%}" if part else ""))
    return table(("size", "dtype", "crop", "frames", "stage", "median, ms", "runs", "peak on the device, MiB",
                  "share of the floor"), rows)


def peer_table(results):
    rows = []
    for report in results.values():
        settings = report.get("settings", {})
        for r in report.get("results", []):
            rows.append((settings["dtype"], settings["edge"], settings["frames"], r["stage"], f"{1000 * r['ours_s']:.2f}",
                         f"{1000 * r['peer_s']:.2f}", f"{r['ours_peak_mib']:.0f} / {r['peer_peak_mib']:.0f}",
                         f"{r['ratio']:.3f}"))
    return table(("dtype", "crop", "frames", "stage", "ours, ms", "peer, ms", "peak, ours / peer, MiB", "ratio"), rows)


def plan_table(plans):
    stages = ("face", "audio", "encode", "denoise", "decode", "paste")
    rows = []
    for name, plan in plans.items():
        if not plan["windows"]:
            rows.append((name, "fits" if plan["fits"] else "does not fit", *["-"] * (4 + len(stages))))
        for w in plan["windows"]:
            rows.append((name, w["rung"], w["frames"], (w["planned"] or 0) // MIB, w["memory-peak"] // MIB, f"{w['seconds']:.3f}",
                         *(f"{w[f'seconds-{stage}']:.3f}" for stage in stages)))
    return table(("run", "rung", "frames", "planned, MiB", "peak, MiB", "seconds", *stages), rows)


def profile_tables(profiles):
    lines = []
    for context, r in bench_results(profiles):
        profile = r.get("profile", {})
        kernels = profile.get("kernels", [])
        total = sum(k["seconds"] for k in kernels)
        calls = ", ".join(f"{name} {count}" for name, count in profile.get("runtime", {}).items())
        lines += [f"{r['stage']}, {context['edge']}², {context['dtype']}: {len(kernels)} kernels, {1000 * total:.1f} ms"
                  + (f"; {calls}" if calls else ""), "",
                  *table(("kernel", "calls", "ms", "share"),
                         [(k["name"][:100].replace("|", "\\|"), k["calls"], f"{1000 * k['seconds']:.2f}",
                           f"{k['seconds'] / total:.1%}") for k in kernels[:KERNELS]]), ""]
    return lines


def render(data):
    rate = data["matmul_rate"] or floor.H200
    source = "measured" if data["matmul_rate"] else "that of an H200"
    sections = (
        ("Criteria", table(("question", "criterion", "measured", "met"),
                           [(*row, judged(met)) for *row, met in criteria(data)])),
        ("Stages of the run", stage_table(data["stages"])),
        ("Failed or left out", open_table(data["stages"])),
        ("Tests", test_table(data["tests"])),
        (f"Times. The floor is the stage's multiplications at {rate / floor.TERA:.0f} TFLOP/s ({source})",
         bench_table(data["bench"], rate)),
        ("Beside the eager peer", peer_table(data["peer"])),
        ("Windows of the element: planned and used memory, seconds", plan_table(data["plans"])),
        ("Without (0) and with (1) preparing ahead, seconds of a clip", table(
            ("LATENTSYNC_PREPARE_AHEAD", "seconds"), [(n, ", ".join(f"{s:.2f}" for s in runs)) for n, runs in data["ahead"].items()])),
        ("Calls of the CUDA runtime by a window", table(("function", "calls"), [(n, f"{c:.1f}") for n, c in data["calls"].items()])),
        ("Profile by kernel", profile_tables(data["profile"])),
    )
    lines = [f"GPU: {data['gpu']}. Run on: {data['device']}.", ""]
    for title, body in sections:
        if body:
            lines += [f"## {title}", "", *body, ""]
    return "\n".join(lines)


def collect(folder, device):
    benches = load_json(folder, "bench-*.json")
    return {"gpu": gpu_name(), "device": device, "matmul_rate": matmul_rate(benches), "stages": load_stages(folder),
            "tests": load_json(folder, "*-tests-*.json"), "bench": benches, "peer": load_json(folder, "peer-*.json"),
            "plans": load_plans(folder), "ahead": load_ahead(folder), "calls": load_calls(folder),
            "profile": load_json(folder, "profile-*.json")}


def main():
    folder, out, device = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    data = collect(folder, device)
    (out / "summary.json").write_text(json.dumps(data, indent=1) + "\n")
    text = render(data)
    (out / "summary.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
