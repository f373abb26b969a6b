"""Make an environment with the programs that read our files: ``python environment.py FOLDER [REQUIREMENTS]``.

scVelo and CellRank need older libraries than this package does and so cannot be installed beside it; squidpy and
napari-spatialdata (``requirements_viewers.txt``) need newer ones than they do.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path


def main() -> None:
    folder = Path(sys.argv[1])
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    free = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    needed = Path(__file__).with_name(sys.argv[2] if len(sys.argv) > 2 else "requirements.txt")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", needed], check=True, env=free)


if __name__ == "__main__":
    main()
