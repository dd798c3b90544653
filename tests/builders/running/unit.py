"""A command under what a systemd unit forbids: its umask, its list of system calls, no memory both written and run.

As a program: ``python -P unit.py UNIT COMMAND...``. systemd itself sets the same by seccomp(2) and prctl(2); namespaces
and the view of the file system are left out, for they want a systemd that runs.
"""

import ctypes
import errno
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

ANALYZE = "/usr/bin/systemd-analyze"
NUMBERS = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
_NO_NEW_PRIVILEGES, _SECCOMP, _MDWE = 38, 22, 65  # prctl(2)
_LOAD, _JUMP_EQUAL, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06  # classic BPF
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_PROT_EXEC, _PROT_OFFSET = 4, 16 + 8 * 2  # the third argument of mprotect


def directives(unit: Path) -> list[tuple[str, str]]:
    """Name and value of each line of its [Service] section."""
    section = unit.read_text().split("[Service]")[1].split("\n[")[0]
    return [tuple(line.split("=", 1)) for line in section.splitlines() if line and not line.startswith("#")]


def _calls(group: str) -> set[str]:
    """The system calls of a group as this systemd knows it."""
    command = [ANALYZE, "--no-pager", "syscall-filter", group]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    found: set[str] = set()
    for word in (line.strip() for line in lines):
        found |= _calls(word) if word.startswith("@") else {word} - {""} if not word.startswith("#") else set()
    return found


def allowed(unit: Path) -> set[str]:
    """The system calls that the unit leaves (systemd.exec(5), SystemCallFilter=)."""
    calls: set[str] = set()
    for name, value in directives(unit):
        if name == "SystemCallFilter":
            for group in value.removeprefix("~").split():
                calls = calls - _calls(group) if value.startswith("~") else calls | _calls(group)
    return calls


def _filter(calls: set[str], *, no_code: bool) -> bytes:
    numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", NUMBERS.read_text()))
    forbidden = _ERRNO | errno.EPERM
    steps = [(_LOAD, 0, 0, 0)]
    if no_code:
        steps += [(_JUMP_EQUAL, 0, 4, int(numbers["mprotect"])), (_LOAD, 0, 0, _PROT_OFFSET)]
        steps += [(_JUMP_BITS, 0, 1, _PROT_EXEC), (_RETURN, 0, 0, forbidden), (_RETURN, 0, 0, _ALLOW)]
    for call in sorted(calls & numbers.keys()):
        steps += [(_JUMP_EQUAL, 0, 1, int(numbers[call])), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in [*steps, (_RETURN, 0, 0, forbidden)])


def confine(unit: Path) -> None:
    """Put this process, and all that it starts, under the unit's limits."""
    values = dict(directives(unit))
    os.umask(int(values["UMask"], 8))
    no_code = values.get("MemoryDenyWriteExecute") == "yes"
    program = _filter(allowed(unit), no_code=no_code)
    libc = ctypes.CDLL(None, use_errno=True)
    content = ctypes.create_string_buffer(program)
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(content)))
    wanted = [(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)]
    wanted += [(_MDWE, 1, 0, 0, 0)] if no_code else []
    for arguments in wanted:
        assert 0 == libc.prctl(*map(ctypes.c_ulong, arguments)), os.strerror(ctypes.get_errno())
    assert 0 == libc.prctl(_SECCOMP, ctypes.c_ulong(2), head, ctypes.c_ulong(0), ctypes.c_ulong(0))


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
