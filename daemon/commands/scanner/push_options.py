"""The options of scanside push; imports nothing heavy, for every command reads them."""

import argparse
from pathlib import Path
from typing import Annotated

from daemon.commands.option import within
from daemon.core.bounds import AeTitle, Range
from daemon.core.reception.transmission import Deal, SendingOptions
from daemon.core.steps import StepState
from models.physics.artefacts import ARTEFACTS, Artefact

PUSH: str = """\
Sends as a scanner sends: folders of DICOM, byte for byte, or the golden head of the bundle. Prints how many were
sent, how they were answered and how fast; ends with 1 if anything was not accepted. The same options and seed send the
same objects in the same order. No patient data is printed.
"""

_EXAMPLES = """\
examples:
  scanside push --to 127.0.0.1:11112                          the golden head
  scanside push --artefact motion --severity 1                with motion, as strong as it gets
  scanside push series/ --new-uids --rate 10                  a folder as a new series, ten images a second
  scanside push series/ --associations 4 --deal images        spread over four associations, image by image
  scanside push series/ --late 3 --late-after 20              three slices follow after 20 seconds
  scanside push series/ --drop 1 --repeat 2 --abort 1         what goes wrong in a hospital
  scanside push series/ --mpps completed                      with its procedure step
"""


def add_push_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` every option of the command."""
    parser.description = PUSH
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "paths", type=Path, nargs="*", metavar="PATH", help="DICOM folders or files; else the golden head"
    )
    _add_peer(parser.add_argument_group("whom to send to"))
    _add_images(parser.add_argument_group("what to send"))
    _add_pace(parser.add_argument_group("how to send it"))
    _add_faults(parser.add_argument_group("what goes wrong (of every series; chosen by the seed)"))


def sending_options(options: argparse.Namespace, seed: int) -> SendingOptions:
    """How to send, as the options say."""
    return SendingOptions(
        seed=seed,
        associations=options.associations,
        deal=Deal(options.deal),
        shuffle=options.shuffle,
        rate=options.rate,
        speed=options.as_acquired,
        drop=options.drop,
        repeat=options.repeat,
        change=options.change,
        late=options.late,
        late_s=options.late_after,
        aborts=options.abort,
    )


def _add_peer(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--to", default="", metavar="HOST:PORT", help="default: this host, the port of the configuration"
    )
    group.add_argument(
        "--called", type=within(AeTitle), metavar="AE", help="called AE title; default: that of the configuration"
    )
    group.add_argument(
        "--calling", type=within(AeTitle), default="SCANSIDE_PUSH", metavar="AE", help="calling AE title (%(default)s)"
    )
    group.add_argument("--timeout", type=_positive, default=30.0, metavar="S", help="wait for an answer (%(default)g)")
    group.add_argument("--tls-ca", type=Path, metavar="PEM", help="speak TLS; trust what this authority signed")
    group.add_argument("--tls-certificate", type=Path, metavar="PEM", help="ours, where the receiver wants to know")
    group.add_argument("--tls-key", type=Path, metavar="PEM", help="its key")


def _add_images(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--artefact", type=Artefact, choices=ARTEFACTS, help="spoil every series; each must be one volume"
    )
    group.add_argument("--severity", type=_share, default=1.0, metavar="0..1", help="of the artefact (%(default)g)")
    group.add_argument("--new-uids", action="store_true", help="new series and instance UIDs, in the same study")
    group.add_argument(
        "--seed",
        type=within(Annotated[int, Range(0, 2**63)]),
        help="of everything drawn or made; drawn itself, and printed, if not given",
    )
    group.add_argument(
        "--mpps",
        choices=[state.name.lower() for state in StepState if state.final],
        help="report the procedure step: in progress before the first image, and so ended after the last on time",
    )


def _add_pace(group: argparse._ArgumentGroup) -> None:
    pace = group.add_mutually_exclusive_group()
    pace.add_argument("--rate", type=_positive, metavar="N", help="images a second in all; default: as fast as they go")
    pace.add_argument(
        "--as-acquired", type=_positive, nargs="?", const=1.0, metavar="X", help="in their own time, X times faster (1)"
    )
    group.add_argument("--associations", type=_count_from_1, default=1, metavar="N", help="in parallel (%(default)s)")
    group.add_argument(
        "--deal",
        choices=[*Deal],
        default=Deal.BLOCKS,
        help="how images get onto them: every series in consecutive blocks, whole series in turn, or image by image "
        "with the series alternating (%(default)s)",
    )
    group.add_argument("--shuffle", action="store_true", help="every series in random order, not by instance number")


def _add_faults(group: argparse._ArgumentGroup) -> None:
    for name, words in (
        ("drop", "images that are never sent"),
        ("repeat", "images sent twice"),
        ("change", "images sent again under their UID with another pixel"),
        ("late", "images held back and sent on an association of their own"),
        ("abort", "times that every association is aborted in the middle, and resumed"),
    ):
        group.add_argument(f"--{name}", type=_count, default=0, metavar="N", help=words)
    group.add_argument(
        "--late-after", type=_positive, default=5.0, metavar="S", help="how late, in seconds (%(default)g)"
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def _count_from_1(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError("must be above 0, at most 1")
    return number
