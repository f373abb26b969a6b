"""Settings of the training that the runners of STEER share, and a clock for their epochs."""

import itertools
import json
import time
from pathlib import Path

PHASES = ("auto-encoder", "clusters", "clock", "velocity, warm-up", "velocity")
EPOCHS = ("AUTOENCODER", "CLUSTERS", "TIME", "WARM_UP", "VELOCITY")


def add_training_options(parser):
    """Add the schedule to the arguments of a runner; None leaves the runner's own."""
    parser.add_argument("--epochs", type=int, nargs=5, metavar=EPOCHS)
    parser.add_argument("--patience", type=int, help="the last phase ends after so many epochs without improvement")
    parser.add_argument("--velocity-batch", type=int, help="cells of a velocity step, 0 for all")
    parser.add_argument("--expert-size", choices=("slim", "original"))
    parser.add_argument("--epoch-times", type=Path, help="write CPU seconds of every epoch of the last stage here")


class EpochClock:
    """Notes the CPU time of the process after every step of a torch optimizer."""

    def __init__(self):
        from torch.optim.optimizer import register_optimizer_step_post_hook

        self.times = []
        register_optimizer_step_post_hook(lambda *_: self.times.append(time.process_time()))

    def write(self, path, phases):
        """Write the seconds of every epoch of the last stage; ``phases`` has the number of epochs by name."""
        seconds = seconds_per_epoch(self.times, phases.values())
        path.write_text(json.dumps(dict(zip(phases, seconds, strict=True))))


def seconds_per_epoch(times, epochs):
    """Return the seconds of the epochs of each phase; ``times`` are those of all steps, the last stage at the end.

    The first epoch of a phase is left out: it may prepare what the others use.
    """
    seconds, end = [], len(times) - sum(epochs)
    for count in epochs:
        start, end = end, end + count
        seconds.append([after - before for before, after in itertools.pairwise(times[start:end])])
    return seconds
