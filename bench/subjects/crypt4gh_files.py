"""The same with the reference implementation: one task as JSON in the first argument, one answer on stdout."""

import json
import os
import resource
import sys
import time

from crypt4gh import __version__, lib, sodium

DATA = 64 * 1024 * 1024


class Source:
    """A file of `length` bytes that repeats what is in memory."""

    def __init__(self, data, length):
        self.data, self.length, self.at = memoryview(data), length, 0

    def read(self, count=-1):
        at = self.at % len(self.data)
        left = min(self.length - self.at, len(self.data) - at)
        count = left if count is None or count < 0 else min(count, left)
        self.at += count
        return bytes(self.data[at : at + count])

    def readinto(self, buffer):
        at = self.at % len(self.data)
        count = min(len(buffer), self.length - self.at, len(self.data) - at)
        buffer[:count] = self.data[at : at + count]
        self.at += count
        return count


class Sink:
    """Keeps what is written if that is wanted, and counts it."""

    def __init__(self, kept=None):
        self.length, self.kept = 0, kept

    def write(self, data):
        self.length += len(data)
        if self.kept is not None:
            self.kept += data


secret = os.urandom(32)


def encrypt(data, length, kept=None):
    sink = Sink(kept)
    lib.encrypt([(0, secret, sodium.derive_pk(secret))], Source(data, length), sink)
    return sink.length


def decrypt(message):
    sink = Sink()
    lib.decrypt([(0, secret, None)], Source(message, len(message)), sink)
    return sink.length


task = json.loads(sys.argv[1])
size = task["size"]
data = os.urandom(DATA)
if task["operation"] == "encrypt":
    encrypt(data, DATA)
    run = lambda: encrypt(data, size)
else:
    message = bytearray()
    encrypt(data, DATA, message)
    decrypt(message)
    run = lambda: sum(decrypt(message) for _ in range(-(-size // DATA)))
cpu, start = time.process_time(), time.perf_counter()
length = run()
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
assert length >= size
print(
    json.dumps(
        {
            "seconds": seconds,
            "cpuSeconds": cpu,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "version": f"crypt4gh {__version__}",
        }
    )
)
