"""What a process asks of the kernel and of the C library for itself."""

import subprocess
import sys

#: Prints how many heaps there are once sixteen threads have allocated at one time; what is held is far below a mapping.
_ALLOCATE = """
import ctypes
import sys
import threading
from tempfile import TemporaryFile

from daemon.edge.processes import share_heaps

if "share" in sys.argv:
    share_heaps()
together = threading.Barrier(16)

def allocate():
    together.wait()
    held = [bytearray(2000) for _ in range(200)]
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
with TemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fdopen(file.fileno(), b"w"))
    libc.malloc_info(0, stream)
    libc.fflush(stream)
    file.seek(0)
    print(file.read().count(b"<heap nr"))
"""


def heaps(*words):
    command = [sys.executable, "-c", _ALLOCATE, *words]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_threads_share_two_heaps():
    assert heaps("share") <= 2
    assert heaps() > 2
