"""Judge a run of inputs in a process of its own, which may die of any of them.

``python -m fuzz.worker KIND FIRST STOP STEP SEEDS FOLDER`` writes lines to stdout: what is begun,
what is being done, and how it ended.
"""

import logging
import resource
import shutil
import signal
import sys
import traceback
import warnings
from pathlib import Path

MOST_SECONDS = 10
MOST_BYTES = 1 << 30


def main(kind: str, first: int, stop: int, step: int, seeds: Path, folder: Path) -> None:
    """Judge the inputs ``first``, ``first + step``, … before ``stop``."""
    from fuzz.judges import KINDS, Finding

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    judge = KINDS[kind](seeds)
    for number in range(first, stop, step):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _say("begin", number)
        _limit()
        try:
            outcome = judge.judge(number, folder, lambda doing: _say("doing", doing))
        except Finding as finding:
            outcome = f"FINDING {finding}"
        except MemoryError:
            outcome = f"FINDING more than {MOST_BYTES >> 20} MB"
        except Exception as error:  # noqa: BLE001 - whatever escapes is what is looked for
            last = traceback.extract_tb(error.__traceback__)[-1]
            at = f"{Path(last.filename).name}:{last.lineno}"
            outcome = (
                f"FINDING {type(error).__name__} at {at}: {' '.join(str(error).split())[:200]}"
            )
        signal.setitimer(signal.ITIMER_PROF, 0)
        _say("end", outcome)


def _limit() -> None:
    """Let the next input take so much time of a core, and so much more memory."""
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    status = Path("/proc/self/status")
    if status.exists():
        data = next(line for line in status.read_text().splitlines() if line.startswith("VmData"))
        most = int(data.split()[1]) * 1024 + MOST_BYTES
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _say(what: str, of: object) -> None:
    sys.stdout.write(f"{what} {' '.join(str(of).split())}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    name, *numbers = sys.argv[1:5]
    main(name, *map(int, numbers), *map(Path, sys.argv[5:7]))
