#!/usr/bin/env python3
"""Tests of run.sh's time limits and of its summary, with recorded figures and no GPU; takes seconds.

    tests/gpu/summary_test.py
"""

import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import floor  # noqa: E402
import messages  # noqa: E402
import summary  # noqa: E402

MIB = 1 << 20

# As gst-launch-1.0 -m prints them; arrays are shortened.
PLAN = ('Got message #111 from element "l" (element): latentsync-plan, device=(string)cuda:0, precision=(string)float16, '
        'resolution=(gint64)512, total=(gint64)1000, free=(gint64)900, budget=(gint64)800, fits=(boolean)true, '
        'advice=(string)"", rung=(string)%s, window-frames=(gint64)16, peak=(gint64)%d, weights=(gint64)41635432, '
        'workspaces=(gint64)663552, frames=(gint64)8466432, stages=(structure)"stages\\,\\ face\\=\\(gint64\\)5\\;", '
        'rungs=(structure)< "rung\\,\\ name\\=\\(string\\)whole\\,\\ peak\\=\\(gint64\\)7\\;" >;')
WINDOW = ('Got message #135 from element "l" (element): latentsync-window, index=(guint64)0, pts=(guint64)80000000, '
          'running-time=(gint64)0, stream-time=(gint64)0, frames=(int)16, edited=(int)16, passed=(int)0, faces=(int)16, '
          'discontinuity=(boolean)true, cached=(boolean)false, seconds=(double)%s, rung=(string)%s, memory-peak=(gint64)%d, '
          'seconds-face=(double)0.1, seconds-audio=(double)0.2, seconds-encode=(double)0.3, seconds-denoise=(double)0.4, '
          'seconds-decode=(double)0.5, seconds-paste=(double)0.6, '
          'results=(structure)< "frame\\,\\ outcome\\=\\(string\\)edited\\,\\ seconds\\=\\(double\\)9\\;" >;')


def bench(stage, seconds, edge=512, **more):
    return {"context": {"size": "real", "dtype": "float16", "edge": edge, "frames": 16, "device": "cuda:0"},
            "results": [{"stage": stage, "median_s": seconds, "runs": 5, "peak_device_memory_mib": 100, **more}]}


class Folder(unittest.TestCase):
    """With a folder of results."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def write(self, name, content):
        (self.folder / name).write_text(content if isinstance(content, str) else json.dumps(content))

    def data(self):
        return summary.collect(self.folder, "cuda")

    def criterion(self, question):
        """(measured, met) of the row that begins so."""
        rows = [row for row in summary.criteria(self.data()) if row[0].startswith(question)]
        self.assertEqual(len(rows), 1, rows)
        return rows[0][2:]


class Floor(unittest.TestCase):
    def test_goals_are_parts_of_what_the_device_can_do(self):
        """The counted operations give the floor of whole windows that the goals were derived from."""
        self.assertAlmostEqual(floor.H200 / floor.whole_window(256), 154, delta=1)
        self.assertAlmostEqual(floor.H200 / floor.whole_window(512), 35, delta=0.5)

    def test_deep_cache_saves_13_of_20_evaluations(self):
        self.assertEqual(floor.evaluations(cached=True), (14, 26))
        self.assertEqual(floor.evaluations(cached=False), (40, 0))

    def test_a_stage_at_the_devices_rate_has_the_whole_share(self):
        seconds = floor.operations("window", 512) * 16 / floor.H200
        self.assertAlmostEqual(floor.share("window", 512, 16, 2 * seconds, floor.H200), 0.5)
        self.assertIsNone(floor.share("taesd_decode", 512, 16, 1, floor.H200))


class Messages(unittest.TestCase):
    def test_windows_have_the_plan_that_was_in_force(self):
        text = "\n".join([PLAN % ("whole", 500 * MIB), WINDOW % ("2.5", "whole", 480 * MIB),
                          PLAN % ("two-passes", 300 * MIB), WINDOW % ("1e-1", "two-passes", 290 * MIB)])
        found = list(messages.windows(text))
        self.assertEqual([(w["rung"], w["planned"] // MIB, w["memory-peak"] // MIB, w["seconds"]) for w in found],
                         [("whole", 500, 480, 2.5), ("two-passes", 300, 290, 0.1)])

    def test_other_lines_are_no_messages(self):
        self.assertEqual(list(messages.windows("Setting pipeline to PAUSED ...\nERROR: from element l: latentsync-window")), [])


class Criteria(Folder):
    def test_a_plan_below_the_peak_is_not_met(self):
        self.write("plan-512-6144.messages", PLAN % ("whole", 400 * MIB) + "\n" + WINDOW % ("1", "whole", 401 * MIB))
        self.assertEqual(self.criterion("plan-512-6144")[1], False)

    def test_a_plan_of_far_too_much_is_not_met(self):
        self.write("plan-512-6144.messages", PLAN % ("whole", 400 * MIB) + "\n" + WINDOW % ("1", "whole", 300 * MIB))
        self.assertEqual(self.criterion("plan-512-6144"), ("1.333 to 1.333", False))

    def test_a_plan_that_is_kept_is_met(self):
        self.write("plan-512-6144.messages", PLAN % ("whole", 400 * MIB) + "\n" + WINDOW % ("1", "whole", 390 * MIB))
        self.assertEqual(self.criterion("plan-512-6144")[1], True)

    def test_frame_rates_are_of_whole_windows_without_the_first(self):
        lines = [PLAN % ("whole", MIB), *(WINDOW % (s, "whole", MIB) for s in ("9.0", "0.5"))]
        self.write("plan-512-automatic.messages", "\n".join(lines))
        self.assertEqual(self.criterion("whole window, 512"), ("element 32.0", True))

    def test_frame_rates_add_the_autoencoder_to_the_window(self):
        for stage, seconds in (("vae_encode", 0.1), ("vae_decode", 0.2), ("window", 0.6)):
            self.write(f"bench-{stage}.json", bench(stage, seconds))
        self.assertEqual(self.criterion("whole window, 512"), ("window 16.0", False))

    def test_host_waits_are_the_difference_of_two_runs(self):
        self.write("calls-32.calls", "__cudaLaunchKernel 1000\ncudaStreamSynchronize 10\ncudaMemcpy 1\n")
        self.write("calls-64.calls", "__cudaLaunchKernel 3000\ncudaStreamSynchronize 16\ncudaMemcpy 1\n")
        self.assertEqual(self.criterion("host waits"), ("3.0", True))
        self.assertEqual(self.data()["calls"]["__cudaLaunchKernel"], 1000)

    def test_what_was_not_measured_is_not_met(self):
        self.assertEqual(self.criterion("host waits"), ("-", None))
        self.assertEqual(self.criterion("kernel temporal_attention"), ("-", None))

    def test_the_peer_is_beaten_above_1(self):
        self.write("peer-unet.json", {"settings": {"edge": 256, "dtype": "float16", "frames": 4},
                                      "results": [{"stage": "unet", "ours_s": 2, "peer_s": 1, "ours_peak_mib": 1,
                                                   "peer_peak_mib": 1, "ratio": 0.5}]})
        self.assertEqual(self.criterion("beside PyTorch eager: unet"), ("0.500", False))


class Tables(Folder):
    def test_everything_that_failed_or_was_left_out_is_named(self):
        self.write("bench.verdicts", "passed\tbench-a\t\nleft out\tbench-b\t3 s were left\nfailed\tbench-c\t\n")
        self.write("bench.seconds", "50\n")
        self.write("kernel-tests-cuda.json", {"tests": 3, "failures": 1, "time": "1s", "testsuites": [
            {"testsuite": [{"classname": "A", "name": "B", "failures": [{}]}, {"classname": "A", "name": "C"}]}]})
        text = summary.render(self.data())
        self.assertIn("| bench | 50 | 1 | 1 | 1 |", text)
        self.assertIn("| bench | left out | bench-b | 3 s were left |", text)
        self.assertIn("| kernel-tests-cuda | 3 | 1 | 1s | A.B |", text)

    def test_shares_of_the_floor_are_at_the_measured_rate(self):
        self.write("bench-matmul.json", bench("matmul", 0.001, flops=5e11))
        self.write("bench-decode.json", bench("vae_decode", 16 * 2.51e12 / 5e14 * 4))
        self.assertEqual(self.data()["matmul_rate"], 5e14)
        self.assertIn("| 25% |", summary.render(self.data()))

    def test_profiles_have_kernels_with_their_share(self):
        profile = {"kernels": [{"name": "gemm<a|b>", "calls": 2, "seconds": 0.003}, {"name": "norm", "calls": 1, "seconds": 0.001}],
                   "runtime": {"cudaLaunchKernel": 3}}
        self.write("profile-window.json", bench("window", 0.004, profile=profile))
        text = summary.render(self.data())
        self.assertIn("| gemm<a\\|b> | 2 | 3.00 | 75.0% |", text)
        self.assertIn("cudaLaunchKernel 3", text)

    def test_a_report_that_was_cut_off_is_no_report(self):
        self.write("kernel-tests-cuda.json", '{"tests": 3,')
        self.assertIn("| kernel-tests-cuda | - | no report | - |  |", summary.render(self.data()))


class Run(Folder):
    """run.sh itself, with a Python that claims to have torch, and programs that do nothing."""

    def program(self, path, text):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run_stages(self, *stages, seconds=60, program="echo '{}'\n"):
        self.program("bin/python", 'case "$*" in\n*find_spec* | *sysconfig*) echo /nonexistent ;;\n'
                     "*compare_peer*) ;;\n*torch.cuda*) touch \"$3\"; exec sleep 60 ;;\n"
                     f'*) exec {sys.executable} "$@" ;;\nesac\n')
        self.program("build/tests/latentsync-bench", program)
        environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "PYTHON": f"{self.folder}/bin/python",
                       "LATENTSYNC_OUT": f"{self.folder}/out", "LATENTSYNC_GPU_BUILD": f"{self.folder}/build",
                       "LATENTSYNC_GPU_CARRY": f"{self.folder}/carry", "LATENTSYNC_GPU_SECONDS": str(seconds)}
        return subprocess.run([HERE / "run.sh", *stages], env=environment, capture_output=True, text=True, timeout=60)

    def verdicts(self, stage):
        return (self.folder / "build" / "results" / f"{stage}.verdicts").read_text()

    def test_an_unknown_stage_is_refused(self):
        ran = self.run_stages("bench", "nonsense")
        self.assertEqual(ran.returncode, 2, ran.stdout)
        self.assertIn("no such stage: nonsense (build goldens", ran.stdout)

    def test_shares_are_no_more_than_the_whole(self):
        text = (HERE / "run.sh").read_text()
        shares = text.split("shares='")[1].split("'")[0].split()
        self.assertLessEqual(sum(int(share) for share in shares[1::2]), 480)

    @unittest.skipIf(pathlib.Path("/dev/nvidia0").exists(), "here is a GPU")
    def test_without_a_gpu_the_status_says_so(self):
        ran = self.run_stages("sanitizer", "bench")
        self.assertEqual(ran.returncode, 77, ran.stdout + ran.stderr)
        self.assertIn("no GPU found: nothing was run on CUDA", ran.stdout)
        self.assertTrue((self.folder / "out" / "summary.json").exists())

    def simulate_gpu(self, launch):
        """A machine with a GPU and with carried binaries, none of which does anything. LAUNCH: of gst-launch-1.0, after its file was
        written."""
        self.program("bin/nvidia-smi", "echo 'GPU 0: simulated'\n")
        self.program("bin/compute-sanitizer", "exit 0\n")
        for suite in ("kernel", "golden", "device", "unit", "lipsync", "train", "real-size"):
            self.program(f"carry/binaries/tests/{suite}-tests", "exit 0\n")
        self.program("carry/binaries/tests/latentsync-bench", "echo '{}'\n")
        (self.folder / "messages").write_text(PLAN % ("whole", 500 * MIB) + "\n" + WINDOW % ("0.5", "whole", 480 * MIB) + "\n")
        self.program("carry/gstreamer/bin/gst-launch-1.0",
                     f'for word; do case $word in location=*.i420) pixels=${{word#location=}} ;; esac; done\n{launch}'
                     f"[ -z \"$LATENTSYNC_CALLS\" ] || echo 'cudaStreamSynchronize 2' >\"$LATENTSYNC_CALLS\"\ncat {self.folder}/messages\n")

    # The frames that the model on the CPU leaves alone are others.
    SAME_PIXELS = 'case "$*" in *device=cpu*) echo untouched ;; *) echo edited ;; esac >"${pixels:-/dev/null}"\n'

    def test_with_a_gpu_all_stages_run_to_their_ends(self):
        self.simulate_gpu(self.SAME_PIXELS)
        ran = self.run_stages(seconds=480)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertEqual(ran.stderr, "")
        data = json.loads((self.folder / "out" / "summary.json").read_text())
        self.assertEqual(list(data["stages"]), ["build", "goldens", "element", "bench", "peer", "plan", "profile", "sanitizer"])
        for name, stage in data["stages"].items():
            self.assertEqual({v["verdict"] for v in stage["verdicts"]}, {"passed"}, name)
        self.assertEqual(data["plans"]["plan-512-automatic"]["windows"][0]["planned"], 500 * MIB)
        self.assertEqual(set(data["calls"]), {"cudaStreamSynchronize"})

    def test_other_pixels_in_cuda_memory_are_a_failure(self):
        self.simulate_gpu('echo $$ >"${pixels:-/dev/null}"\n')
        ran = self.run_stages("build", "element", seconds=100)
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        self.assertIn("failed\tframes in CUDA memory get the pixels of frames in system memory", self.verdicts("element"))

    def test_frames_that_are_not_edited_are_a_failure(self):
        self.simulate_gpu('echo same >"${pixels:-/dev/null}"\n')
        ran = self.run_stages("build", "element", seconds=100)
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        self.assertIn("failed\tframes in CUDA memory are edited", self.verdicts("element"))

    def test_a_budget_that_is_too_small_may_be_refused(self):
        self.simulate_gpu("case \"$*\" in *vram-budget=2048*) echo 'Got message #1 from element \"l\" (element): "
                          "latentsync-plan, fits=(boolean)false;'; exit 1 ;; esac\n")
        ran = self.run_stages("build", "plan", seconds=200)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("passed\tplan-512-2048\trefused, as planned", self.verdicts("plan"))

    def test_a_program_that_fails_is_a_failure(self):
        ran = self.run_stages("bench", program="exit 1\n")
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        self.assertIn("failed\tbench-", self.verdicts("bench"))

    def test_a_stage_ends_with_its_time(self):
        self.run_stages("bench", seconds=7, program="exec sleep 30\n")
        self.assertIn("left out\tbench-demo", self.verdicts("bench"))
        self.assertIn("stopped at the end of the stage's time", self.verdicts("bench"))
        self.assertLessEqual(int((self.folder / "build" / "results" / "bench.seconds").read_text()), 7 + 5)

    def test_what_does_not_fit_is_not_begun(self):
        self.run_stages("bench", seconds=2, program="exec sleep 30\n")
        self.assertIn("were left", self.verdicts("bench"))


if __name__ == "__main__":
    unittest.main()
