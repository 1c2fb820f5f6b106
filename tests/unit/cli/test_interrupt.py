"""Ctrl-C during compiled code ends the command and leaves the interpreter intact."""

import subprocess
import sys

KERNEL = """
import os, signal, threading
import numba, numpy as np
from leaven.cli.entry import raise_interrupt

@numba.njit
def busy(rounds):
    one, two = np.zeros(10), np.zeros(10)
    for nth in range(rounds):
        one[nth % 10] += np.sin(nth)
    return one[:5], two

busy(10)
for stop in (signal.SIGINT, signal.SIGTERM):
    signal.signal(stop, raise_interrupt)
    threading.Timer(0.1, os.kill, (os.getpid(), stop)).start()
    try:
        while True:
            first, second = busy(20_000_000)
            assert first.shape == (5,) and second.shape == (10,)
    except KeyboardInterrupt:
        print("stopped")
"""


def test_an_interrupt_waits_for_the_results_of_a_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", KERNEL], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("stopped\nstopped\n", 0), done.stderr
