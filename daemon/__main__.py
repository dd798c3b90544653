"""scanside: the command line; each command brings its options, and is imported when it is asked for."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any, Protocol

from daemon.commands.option import add_config, within
from daemon.config import Settings, load_settings
from daemon.core.bounds import FreePort
from daemon.core.errors import ScansideError
from daemon.edge.private import begin_private
from models.bundle import BundleError

_WHERE = """\
where things lie (storage = {storage}):
  storage/spool/            received instances, append-only segments
  storage/reports/          report objects and summary pictures
  storage/scanside.sqlite   index, results and workflow state
  storage/references-*.json the site's own references for each bundle, written by scanside calibrate
  storage/site.key          the secret under which UIDs become tokens in logs
  bundles                   {bundles}
defaults: DICOM on port {port} as {ae_title}; live page, /metrics, /livez and /readyz on http://{web}
"""


#: As a shell has it: 128 and the number of SIGINT.
_INTERRUPTED = 130
#: What each command does; those that stand in daemon/commands are modules by their name.
_COMMANDS = {
    "run": "run the daemon until SIGTERM: a receiver and a working half, each started again whenever it ends",
    "receive": "run the receiver alone (`scanside run` starts one by itself)",
    "work": "judge and deliver only, beside other workers of the same database, until SIGTERM",
    "check": "try the configuration and everything that it names: disk, bundle, database, every peer; a line each",
    "series": "list the series and their verdicts",
    "parked": "list what could not be delivered, and why",
    "requeue": "deliver what was parked once more",
    "assess": "judge one series on disk, without a daemon",
    "bundles": "list the bundles that judge, what each was made from, and its licence",
    "route": "say which bundle each series of a folder would get, and why",
    "spool": "list, export and prune what was received",
    "batch": "judge every series below a folder; killed, it goes on; on PostgreSQL many machines share it",
    "calibrate": "learn this site's own references from accepted series",
    "replay": "say what other thresholds would have raised, against the answers that people gave",
    "export-labels": "write verdicts and the answers to them as a table; how often each kind of rescan was right",
    "users": "list, add and remove those who may log in to the page",
    "audit": "tell who saw, answered, changed and exported what",
    "push": "send series as a scanner does, to any receiver",
    "demo": "daemon, archive and scanner on this machine, four series, one line each",
}


#: Commands that have a room of their own in daemon/commands.
_ROOMS = {"batch": "cohorts", "calibrate": "learning", "demo": "scanner", "push": "scanner"}


class _Command(Protocol):
    """What a command's module offers."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Give the parser the command's own options."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it; the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it did what it was asked for, 1 with one line on stderr if it could not."""
    begin_private()
    options = make_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ScansideError, BundleError) as error:
        print(f"scanside: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        if error.filename is None:  # not about something that a person named: a fault of ours
            raise
        print(f"scanside: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """The whole command line; ``run`` of what it parses is called with what it parsed."""
    parser = argparse.ArgumentParser(prog="scanside", description="Judges MR series beside the scanner.")
    parser.add_argument("--version", action="version", version=f"scanside {version('scanside')}")
    add_config(parser, default=None)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_CommandParser)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=_where(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.complete = partial(_complete, name)
        add_config(command)
    return parser


class _CommandParser(argparse.ArgumentParser):
    """Learns its own options when it is asked to parse: the receiver must not import what the others need."""

    complete: Callable[[argparse.ArgumentParser], None] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - argparse's own
        complete, self.complete = self.complete, None
        if complete is not None:
            complete(self)
        return super().parse_known_args(args, namespace)


def _complete(name: str, parser: argparse.ArgumentParser) -> None:
    module = ".".join(filter(None, ("daemon.commands", _ROOMS.get(name, ""), name.replace("-", "_"))))
    command: _Command = _OWN[name]() if name in _OWN else import_module(module)
    command.add_options(parser)
    parser.set_defaults(run=command.run)


def _add_parent(parser: argparse.ArgumentParser) -> None:
    """What ``scanside run`` starts its two halves with."""
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--restarts", type=int, default=0, help=argparse.SUPPRESS)


def _where() -> str:
    defaults = Settings()
    return _WHERE.format(
        storage=defaults.storage,
        bundles=", ".join(map(str, defaults.bundle_folders.values())),
        port=defaults.dicom.port,
        ae_title=defaults.dicom.ae_title,
        web=f"{defaults.web.host}:{defaults.web.port}",
    )


class _Run:
    """The daemon."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """What it is to leave to others."""
        parser.add_argument(
            "--no-work", action="store_true", help="receive and show only: `scanside work` judges and delivers"
        )
        parser.add_argument(
            "--no-receive",
            action="store_true",
            help="start no receiver: `scanside receive` stands beside, as a service of its own",
        )
        _add_parent(parser)

    def run(self, options: argparse.Namespace) -> int:
        """Until SIGTERM."""
        from daemon.starting import run_as_asked

        return run_as_asked(options)


class _Receive:
    """The receiver."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Nothing that a person gives."""
        _add_parent(parser)

    def run(self, options: argparse.Namespace) -> int:
        """Until SIGTERM."""
        from daemon.starting import receive_as_asked

        return receive_as_asked(options)


class _Work:
    """A worker."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Where to be looked at."""
        parser.add_argument(
            "--metrics-port", type=within(FreePort), metavar="PORT", help="serve its own /metrics there"
        )

    def run(self, options: argparse.Namespace) -> int:
        """Until SIGTERM."""
        from daemon.app import run_worker
        from daemon.checks import demand, own_checks
        from daemon.edge.processes import share_heaps

        share_heaps()
        settings = load_settings(options.config)
        demand(own_checks(settings))
        run_worker(settings, options.metrics_port, options.config)
        return 0


#: Only this module may import the composition root.
_OWN: dict[str, Callable[[], _Command]] = {"run": _Run, "receive": _Receive, "work": _Work}


if __name__ == "__main__":
    sys.exit(main())
