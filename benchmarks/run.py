"""Run every benchmark, each in a process of its own, and print one line per figure."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = ("start_up.py", "responsiveness.py", "exploring.py", "diffusion.py")


def main():
    here = Path(__file__).parent
    for script in SCRIPTS:
        subprocess.run([sys.executable, here / script, *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
