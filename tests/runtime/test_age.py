"""How long a process has been running."""

import subprocess
import sys

from slidetile.runtime import age
from slidetile.runtime.age import age_s

PROGRAM = """
import time
time.sleep(0.5)
from slidetile.runtime.age import age_s
print(age_s())
"""


def test_it_counts_from_the_start_of_the_process():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert float(done.stdout) >= 0.5
    assert age_s() > float(done.stdout)


def test_where_the_start_is_unknown_it_is_what_was_computed(monkeypatch):
    monkeypatch.setattr(age, "process_start", lambda _: "")
    assert age_s() > 0
