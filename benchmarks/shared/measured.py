"""Run one command and measure it: ``python -S measured.py usage.json command ...``.

A process counts the memory of the one that started it as its own until it has more. This small script stands
between, so that the peak is that of the command. Linux and macOS.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

KIBIBYTE = 1024 if sys.platform != "darwin" else 1


def run_measured(command, usage, environment):
    """Run a command; return its wall and CPU seconds, its peak memory, its exit code and the end of what it said."""
    launcher = [sys.executable, "-S", "-E", str(Path(__file__)), str(usage), *map(str, command)]
    done = subprocess.run(launcher, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return {**json.loads(usage.read_text()), "output": done.stdout[-2000:]}


def main():
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[2:])
    _, status, used = os.wait4(process.pid, 0)
    found = {
        "wall": time.perf_counter() - start,
        "cpu": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss * KIBIBYTE / 2**20,
        "exit": os.waitstatus_to_exitcode(status),
    }
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
