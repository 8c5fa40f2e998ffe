"""A process beside the one that is measured, which tells when the machine itself stood still.

A virtual machine gives freed memory back to its host, some seconds later; for 60 to 150 ms every process then
computes ten to sixty times more slowly, and its processor time says that it was working. No program can tell this
from its own slowness. The witness does the same small work again and again, has nothing to do with the program,
and writes down when the work took far more processor time than it usually does.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

_OBJECTS, _ROUND = 100_000, 1000
"""Enough memory that it is not in a cache: only who touches memory is slowed down."""
_PAUSE_S = 0.005
_ROUNDS_TO_LEARN = 100
_SLOW = 5.0
"""Of the usual processor time: other processes, which take the core or the cache, do not make it so slow."""


class Witness:
    """Watches from here to `stop`."""

    def __init__(self):
        self._moments = []
        self._rest = b""
        self._process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE)
        self._process.stdout.readline()  # it knows what is usual
        os.set_blocking(self._process.stdout.fileno(), False)

    def lost_s(self, begin, end):
        """Return how long the machine stood still between two times of `time.perf_counter` [s]."""
        self._read()
        return sum(max(0.0, min(end, last) - max(begin, first)) for first, last in self._moments)

    def _read(self):
        *lines, self._rest = (self._rest + (self._process.stdout.read() or b"")).split(b"\n")
        for line in lines:
            first, last = map(float, line.split())
            if self._moments and first - self._moments[-1][1] < 2 * _PAUSE_S:
                first = self._moments.pop()[0]
            self._moments.append((first, last))

    def stop(self):
        """Watch no longer."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


class _Thing:
    def __init__(self, number):
        self.number = number
        self.counts = {"seen": 0}


def _watch():
    things = [_Thing(number) for number in range(_OBJECTS)]
    random.Random(0).shuffle(things)
    usual = sorted(_round(things, k) for k in range(_ROUNDS_TO_LEARN))[_ROUNDS_TO_LEARN // 2]
    print("ready", flush=True)
    turn = 0
    while True:
        begin = time.perf_counter()
        if _round(things, turn) > _SLOW * usual:
            print(begin, time.perf_counter(), flush=True)
        turn += 1
        time.sleep(_PAUSE_S)


def _round(things, turn):
    """Do the work once; return the processor time that it took [s]."""
    first = turn * _ROUND % _OBJECTS
    begin = time.thread_time()
    for thing in things[first : first + _ROUND]:
        thing.counts["seen"] += thing.number
    return time.thread_time() - begin


if __name__ == "__main__":
    _watch()
