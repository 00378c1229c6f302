#!/usr/bin/env python3
"""Runs the Job of a Kubernetes manifest on this machine as a cluster would: a process for each pod, the volume's mount
is a folder, JOB_COMPLETION_INDEX, SIGTERM, grace and SIGKILL for evictions, and the Job's own rules for what becomes of
an index. Prints a line for each pod that ends; exit status 0 when the Job is complete."""

import argparse
import os
import subprocess
import sys
import time

import yaml


class Job:
    def __init__(self, manifest, arguments):
        with open(manifest, encoding="utf-8") as file:
            spec = yaml.safe_load(file)["spec"]
        pod = spec["template"]["spec"]
        self.container = pod["containers"][0]
        self.completions = spec.get("completions", 1)
        self.parallelism = spec.get("parallelism", 1)
        self.indexed = spec.get("completionMode") == "Indexed"
        self.limit = spec.get("backoffLimitPerIndex", spec.get("backoffLimit", 6))
        self.rules = spec["podFailurePolicy"]["rules"]
        self.grace = arguments.grace
        self.arguments = arguments
        self.failures = {}

    def start(self, index):
        replaced = {"/data": self.arguments.data}
        command = self.container.get("command", [self.arguments.program]) + self.container.get("args", [])
        for mount, folder in replaced.items():
            command = [word.replace(mount, folder) for word in command]
        environment = dict(os.environ)
        if self.indexed:
            environment["JOB_COMPLETION_INDEX"] = str(index)
        log = open(os.path.join(self.arguments.data, f"pod-{index}.log"), "a", encoding="utf-8")
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def action(self, status, evicted):
        for rule in self.rules:
            if evicted and any(one["type"] == "DisruptionTarget" for one in rule.get("onPodConditions", [])):
                return rule["action"]
            codes = rule.get("onExitCodes")
            if codes and codes["containerName"] == self.container["name"] and status in codes["values"]:
                return rule["action"]
        return "Count"

    def evict(self, index, pod):
        if index in self.arguments.lose:
            pod.kill()
            pod.wait()
            return
        pod.terminate()
        try:
            pod.wait(self.grace)
        except subprocess.TimeoutExpired:
            pod.kill()

    def run(self):
        waiting = list(range(self.completions))
        doubled = list(self.arguments.twice)
        to_evict = self.arguments.evict + self.arguments.lose
        running = []
        while waiting or running:
            while waiting and len(running) < self.parallelism:
                index = waiting.pop(0)
                running.append((index, self.start(index), time.monotonic()))
                if index in doubled:
                    doubled.remove(index)
                    running.append((index, self.start(index), time.monotonic()))
            time.sleep(0.05)
            for pod in list(running):
                index, process, begun = pod
                evicted = index in to_evict and time.monotonic() - begun > self.arguments.after
                if evicted and process.poll() is None:
                    to_evict.remove(index)
                    self.evict(index, process)
                else:
                    evicted = False
                status = process.poll()
                if status is None:
                    continue
                running.remove(pod)
                status = 128 - status if status < 0 else status
                action = "Complete" if status == 0 else self.action(status, evicted)
                print(f"index {index}: {status} {action}{' evicted' if evicted else ''}", flush=True)
                if action in ("FailIndex", "FailJob"):
                    return 1
                if action == "Count":
                    self.failures[index] = self.failures.get(index, 0) + 1
                    if self.failures[index] > self.limit:
                        return 1
                if action != "Complete" and index not in [one[0] for one in running]:
                    waiting.append(index)
        return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest")
    parser.add_argument("--data", required=True, help="what is mounted at /data")
    parser.add_argument("--program", required=True, help="the image's entry point")
    parser.add_argument("--evict", type=int, action="append", default=[], help="an index")
    parser.add_argument("--lose", type=int, action="append", default=[], help="an index whose node is lost: SIGKILL")
    parser.add_argument("--after", type=float, default=0.5, help="seconds, until it is evicted")
    parser.add_argument("--grace", type=float, default=5, help="seconds")
    parser.add_argument("--twice", type=int, action="append", default=[], help="an index that has two pods")
    arguments = parser.parse_args()
    return Job(arguments.manifest, arguments).run()


if __name__ == "__main__":
    sys.exit(main())
