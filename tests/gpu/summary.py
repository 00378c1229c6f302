#!/usr/bin/env python3
"""Gathers what tests/gpu/run.sh left into OUT/summary.json and, for people, OUT/summary.md.

    summary.py RESULTS_FOLDER OUT_FOLDER cpu|cuda
"""

import json
import pathlib
import subprocess
import sys


def gpu_name():
    try:
        query = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],
                               capture_output=True, text=True, timeout=60)
        return query.stdout.strip() or "none"
    except (OSError, subprocess.TimeoutExpired):
        return "none"


def load(folder):
    results = {}
    for path in sorted(folder.glob("*.json")):
        try:
            results[path.stem] = json.loads(path.read_text())
        except ValueError:
            results[path.stem] = {}  # the program ended before it had written its figures
    return results


def failed_tests(report):
    return [f"{case['classname']}.{case['name']}"
            for suite in report.get("testsuites", []) for case in suite.get("testsuite", []) if case.get("failures")]


def test_table(results):
    lines = ["| suite | tests | failed | seconds | which failed |", "| --- | --- | --- | --- | --- |"]
    for name, report in results.items():
        failed = failed_tests(report)
        lines.append(f"| {name} | {report.get('tests', '-')} | {report.get('failures', 'no report')} | "
                     f"{report.get('time', '-')} | {', '.join(failed[:5])}{' ...' if len(failed) > 5 else ''} |")
    return lines


def bench_table(results):
    lines = ["| size | dtype | crop | frames | stage | median, ms | runs | peak on the device, MiB |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for report in results.values():
        context = report.get("context", {})
        for r in report.get("results", []):
            lines.append(f"| {context['size']} | {context['dtype']} | {context['edge']} | {context['frames']} | "
                         f"{r['stage']} | {1000 * r['median_s']:.2f} | {r['runs']} | {r['peak_device_memory_mib']} |")
    return lines


def peer_table(results):
    lines = ["| dtype | crop | frames | stage | ours, ms | peer, ms | peak, ours / peer, MiB | ratio |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for report in results.values():
        settings = report.get("settings", {})
        for r in report.get("results", []):
            lines.append(f"| {settings['dtype']} | {settings['edge']} | {settings['frames']} | {r['stage']} | "
                         f"{1000 * r['ours_s']:.2f} | {1000 * r['peer_s']:.2f} | "
                         f"{r['ours_peak_mib']:.0f} / {r['peer_peak_mib']:.0f} | {r['ratio']:.3f} |")
    return lines


def main():
    folder, out, device = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    results = load(folder)
    kinds = {kind: {n: r for n, r in results.items() if n.startswith(prefix)}
             for kind, prefix in {"bench": "bench-", "peer": "peer-"}.items()}
    kinds["tests"] = {n: r for n, r in results.items() if "-tests-" in n}
    gpu = gpu_name()
    (out / "summary.json").write_text(json.dumps({"gpu": gpu, "device": device, **kinds}, indent=1) + "\n")
    lines = [f"GPU: {gpu}. Run on: {device}.", ""]
    for title, table in (("Tests", test_table(kinds["tests"])), ("Stages", bench_table(kinds["bench"])),
                         ("Beside the eager peer", peer_table(kinds["peer"]))):
        if len(table) > 2:
            lines += [f"## {title}", "", *table, ""]
    (out / "summary.md").write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
