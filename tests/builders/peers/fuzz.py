"""Seeded mutations: conversations and files in which some bytes are not what they were."""

import random
import socket

from builders.peers.peer import (
    ECHO,
    RELEASE_REQUEST,
    Peer,
    association_request,
    echo_command,
    mr_bytes,
    step_pdus,
    store_pdus,
)
from builders.peers.receiver import encoded
from daemon.dicom.protocol.mpps import begun
from daemon.dicom.protocol.pdu import encode_command

_ECHO = echo_command()
_IMAGE = mr_bytes(1, 32)
_STEP = encoded(begun("1.2.3", "MR1", "20260101120000"))


def converse(port: int, rng: random.Random) -> None:
    """A conversation in which some bytes are not what they were."""
    sent = mutated([association_request(), *messages(rng), RELEASE_REQUEST], rng)
    with Peer(port) as peer:
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            peer.send(*sent)
            peer.socket.shutdown(socket.SHUT_WR)
            while peer.socket.recv(1 << 16):
                pass
        except ConnectionError:
            pass


def messages(rng: random.Random) -> list[bytes]:
    """The PDUs of an echo, an image in one or more pieces, a thing that is none, and the report of a procedure step."""
    return [
        encode_command(ECHO, _ECHO),
        *store_pdus("1.2.3.1", _IMAGE, rng.choice((500, 16_000))),
        *store_pdus("1.2.3.2", rng.randbytes(rng.randrange(3000))),
        *step_pdus(f"1.2.3.{rng.randrange(20)}", _STEP),
    ]


def mutated(pdus: list[bytes], rng: random.Random) -> list[bytes]:
    """The same PDUs, some bytes of one, two or all of them changed, sometimes in another order."""
    victims = rng.sample(range(len(pdus)), rng.randint(1, 2)) if rng.random() < 0.8 else range(len(pdus))
    changed = [mutated_pdu(pdu, rng) if number in victims else pdu for number, pdu in enumerate(pdus)]
    if rng.random() < 0.2:
        rng.shuffle(changed)
    return changed


def mutated_pdu(pdu: bytes, rng: random.Random) -> bytes:
    """One to eight bytes or lengths changed, or a piece cut out, put in, or dropped from the end."""
    content = bytearray(pdu)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(len(content)) if rng.random() < 0.5 else rng.randrange(min(len(content), 90))
        choice = rng.randrange(6)
        if choice == 0:
            content[at] = rng.randrange(256)
        elif choice == 1:
            content[at] = rng.choice((0x00, 0x01, 0x7F, 0x80, 0xFF))
        elif choice == 2:
            del content[at : at + rng.randint(1, 30)]
        elif choice == 3:
            content[at:at] = rng.randbytes(rng.randint(1, 30))
        elif choice == 4:
            content[at : at + 4] = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF)).to_bytes(4, "big")
        else:
            del content[at:]
        content = content or bytearray(1)
    return bytes(content)


def mutated_file(content: bytes, rng: random.Random) -> bytes:
    """One to eight bytes changed, or a piece cut out, doubled or dropped from the end."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(changed))
        changed[at] = rng.choice([0, 1, 0x7F, 0xFF, rng.randrange(256)])
    cut = rng.randrange(6)
    start, stop = sorted(rng.sample(range(len(changed)), 2))
    if cut == 0:
        del changed[start:stop]
    if cut == 1:
        changed[start:start] = changed[start:stop]
    if cut == 2:
        del changed[start:]
    return bytes(changed)
