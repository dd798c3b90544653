"""scanside: the command line."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from daemon.commands.parked import add_parking_options, run_parked, run_requeue
from daemon.commands.push_options import add_push_options
from daemon.config import SHIPPED, Settings, load_settings
from daemon.core.errors import ScansideError
from daemon.edge.private import begin_private
from models.bundle import BundleError

_WHERE = """\
where things lie (storage = {storage}):
  storage/spool/            received instances, append-only segments
  storage/reports/          report objects and summary pictures
  storage/scanside.sqlite   index, results and workflow state
  storage/references.json   the site's own references, written by scanside calibrate (references-NAME.json: bundle NAME)
  storage/site.key          the secret under which UIDs become tokens in logs
  bundle                    {bundle}
defaults: DICOM on port {port} as {ae_title}; live page, /metrics, /livez and /readyz on http://{web}
"""


_CALIBRATE = """\
Learns what accepted series of each scanner and protocol look like, from the newest verdict of every complete series,
and writes it to storage/references.json; a running daemon takes it up with its next series. A series is compared with
its own scanner and protocol where these hold enough series for an alarm to be possible at all, else with all of its
scanner, else with the bundle's own reference. Only scores of the configured bundle count. With rule = "iqr" under
[judgement] twelve series are enough (Tukey's fence), but the share of false alarms is then not fixed.

Series judged ACCEPT and REVIEW count, RESCAN and NOT_ASSESSED never. Leaving REVIEW out (--accepted-only) drops what
was merely unusual, which tightens the limits at every calibration: do so only after people have looked. Better leave
out what they rejected (--exclude).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it did what it was asked for, 1 with one line on stderr if it could not."""
    begin_private()
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except (ScansideError, BundleError) as error:
        print(f"scanside: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scanside", description="Judges MR series beside the scanner.")
    commands = parser.add_subparsers(dest="command", required=True)
    defaults = Settings()
    where = _WHERE.format(
        storage=defaults.storage,
        bundle=defaults.bundle,
        port=defaults.dicom.port,
        ae_title=defaults.dicom.ae_title,
        web=f"{defaults.web.host}:{defaults.web.port}",
    )
    for name, run, summary in (
        ("run", _run, "run the daemon until SIGTERM"),
        ("receive", _receive, "run the receiver alone (the daemon starts it by itself)"),
        ("work", _work, "judge and deliver only, beside other workers of the same database, until SIGTERM"),
        ("series", _series, "list the series and their verdicts"),
        ("parked", _parked, "list what could not be delivered, and why"),
        ("requeue", _requeue, "deliver what was parked once more"),
        ("assess", _assess, "judge one series on disk, without a daemon"),
        ("route", _route, "say which bundle each series of a folder would get, and why"),
        ("spool", _spool, "list, export and prune what was received"),
        (
            "batch",
            _batch,
            "judge every series below a folder; killed, it goes on; on PostgreSQL many machines share it",
        ),
        ("calibrate", _calibrate, "learn this site's own references from accepted series"),
        ("push", _push, "send series as a scanner does, to any receiver"),
        ("demo", _demo, "daemon, archive and scanner on this machine, four series, one line each"),
    ):
        command = commands.add_parser(
            name, help=summary, description=summary, epilog=where, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.set_defaults(run=run)
        command.add_argument("--config", type=Path, help="scanside.toml; the defaults without it")
    commands.choices["run"].add_argument(
        "--no-work", action="store_true", help="receive and show only: `scanside work` judges and delivers"
    )
    commands.choices["run"].add_argument(
        "--no-receive", action="store_true", help="start no receiver: `scanside receive` stands beside, and stays up"
    )
    commands.choices["work"].add_argument(
        "--metrics-port", type=int, metavar="PORT", help="serve its own /metrics there"
    )
    add_parking_options(commands.choices["parked"], commands.choices["requeue"])
    commands.choices["receive"].add_argument("--parent", type=int, help="process id: end when it does")
    commands.choices["series"].add_argument("--json", action="store_true", help="one JSON object a series")
    commands.choices["series"].add_argument("--limit", type=int, default=1000, help="the newest so many")
    assess = commands.choices["assess"]
    assess.add_argument("path", type=Path, help="DICOM folder, DICOM file or NIfTI file of one series")
    assess.add_argument("--json", action="store_true", help="everything, as JSON")
    assess.add_argument("--maps", type=Path, help="folder for labels and variances on the input's own grid")
    assess.add_argument("--scanner", default="", help="calling AE title: judge as if it had come from there")
    route = commands.choices["route"]
    route.add_argument("path", type=Path, help="DICOM folder or file")
    route.add_argument("--json", action="store_true", help="one JSON object a series")
    route.add_argument("--scanner", default="", help="calling AE title: as if it had come from there")
    _add_spool(commands.choices["spool"])
    batch = commands.choices["batch"]
    batch.add_argument("folder", type=Path, help="DICOM or NIfTI files, in any folders below")
    batch.add_argument("--out", type=Path, default=Path("batch"), help="folder for the tables, and for SQLite")
    batch.add_argument("--name", default="", help="of the cohort, by which it is resumed and joined; else the folder")
    batch.add_argument("--parquet", action="store_true", help="rows.parquet too: pip install 'scanside[parquet]'")
    batch.add_argument("--scanner", default="", help="calling AE title: judge as if all had come from there")
    learn = commands.choices["calibrate"]
    learn.description = _CALIBRATE
    learn.add_argument("--accepted-only", action="store_true", help="leave REVIEW out: tightens the limits every time")
    learn.add_argument("--exclude", type=Path, metavar="FILE", help="series UIDs that a person rejected, one a line")
    learn.add_argument("--bundle", default=SHIPPED, metavar="NAME", help="as [bundles] calls it; else the shipped one")
    learn.add_argument("--dry-run", action="store_true", help="show it, write nothing")
    learn.add_argument("--json", action="store_true", help="everything, as JSON")
    add_push_options(commands.choices["push"])
    demo = commands.choices["demo"]
    demo.add_argument("series", type=Path, nargs="?", help="folder with your own DICOM series; else the golden head")
    demo.add_argument("--folder", type=Path, default=Path("demo"), help="where the demo keeps its things")
    return parser


def _add_spool(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True)
    listed = actions.add_parser("list", help="series, state, size and age of what the spool holds")
    listed.add_argument("--json", action="store_true", help="one JSON object a series")
    export = actions.add_parser("export", help="write DICOM files, <series UID>/<instance UID>.dcm; overwrites nothing")
    export.add_argument("folder", type=Path, help="where to; made if need be")
    export.add_argument("--series", action="append", default=[], metavar="UID", help="only this one; may be repeated")
    prune = actions.add_parser("prune", help="remove what [retention] lets go, as the daemon does once a minute")
    prune.add_argument("--dry-run", action="store_true", help="show it, remove nothing")


def _run(options: argparse.Namespace) -> int:
    from daemon.app import run

    command = [sys.executable, "-m", "daemon", "receive", "--parent", str(os.getpid())]
    if options.config:
        command += ["--config", str(options.config.resolve())]
    run(load_settings(options.config), None if options.no_receive else command, works=not options.no_work)
    return 0


def _work(options: argparse.Namespace) -> int:
    from daemon.app import run_worker

    run_worker(load_settings(options.config), options.metrics_port)
    return 0


def _parked(options: argparse.Namespace) -> int:
    for line in run_parked(options, load_settings(options.config)):
        print(line)
    return 0


def _requeue(options: argparse.Namespace) -> int:
    print(run_requeue(options, load_settings(options.config)))
    return 0


def _receive(options: argparse.Namespace) -> int:
    from daemon.app import run_receiver

    run_receiver(load_settings(options.config), options.parent)
    return 0


def _series(options: argparse.Namespace) -> int:
    from daemon.commands.series import list_series

    records = list_series(load_settings(options.config), options.limit)
    for record in records:
        if options.json:
            print(json.dumps(record))
        else:
            verdict, cause = record["verdict"] or record["state"], record["cause"] or "-"
            print(f"{record['series'][-24:]:24} {record['images']:5} {verdict:12} {cause:8} {record['action'] or ''}")
            for name, reason in record["parked"].items():
                print(f"{'':24} parked for {name}: {reason}")
    return 0


def _assess(options: argparse.Namespace) -> int:
    from daemon.commands.assess import appraise, summarise, write_maps

    appraisal = appraise(options.path, load_settings(options.config), options.scanner)
    if options.maps:
        write_maps(appraisal, options.maps)
    summary = summarise(appraisal)
    if options.json:
        print(json.dumps(summary, indent=1))
    else:
        print(
            f"{summary['verdict']} {summary['cause'] or ''} uncertainty {summary['uncertainty']}: {summary['action']}"
        )
    return 0


def _route(options: argparse.Namespace) -> int:
    from daemon.commands.route import describe, explain, summarise

    for explanation in explain(options.path, load_settings(options.config), options.scanner):
        lines = [json.dumps(summarise(explanation))] if options.json else describe(explanation)
        print(*lines, sep="\n")
    return 0


def _spool(options: argparse.Namespace) -> int:
    from daemon.commands.spool import export_spool, list_spool, prune_spool

    settings = load_settings(options.config)
    if options.action == "list":
        for one in list_spool(settings):
            if options.json:
                print(json.dumps(asdict(one)))
            else:
                days = one.age_s / 86_400
                uid = one.series_instance_uid[-24:] or "-"
                print(f"{uid:24} {one.instances:6} {one.state:12} {one.size_bytes / 1e6:10.1f} MB {days:7.1f} days")
        return 0
    if options.action == "export":
        done = export_spool(settings, options.folder, frozenset(options.series))
        print(
            f"{done.written} written, {done.there} there already, {done.differing} left alone because the file there "
            f"differs, {done.damaged} damaged in the spool"
        )
        return 1 if done.differing or done.damaged else 0
    gone = prune_spool(settings, dry_run=options.dry_run)
    for stock in gone:
        print(f"{stock.name} {stock.size_bytes / 1e6:10.1f} MB")
    print(f"{'would remove' if options.dry_run else 'removed'} {len(gone)} segments")
    return 0


def _batch(options: argparse.Namespace) -> int:
    from daemon.commands.batch import run_batch

    print(run_batch(options, load_settings(options.config)))
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    from daemon.commands.calibrate import calibrate, read_rejected, summarise, tabulate
    from daemon.core.calibration import ACCEPTED, Selection
    from daemon.core.values import State

    settings = load_settings(options.config)
    states = {State.ACCEPT} if options.accepted_only else ACCEPTED
    selection = Selection(states=states, rejected=read_rejected(options.exclude))
    calibration = calibrate(settings, selection, write=not options.dry_run, bundle_name=options.bundle)
    if options.json:
        print(json.dumps(summarise(calibration, settings), indent=1))
    else:
        print(*tabulate(calibration, settings.scanners), sep="\n")
        print("written: nothing" if options.dry_run else f"written: {calibration.file}")
    return 0


def _push(options: argparse.Namespace) -> int:
    from daemon.commands.push import run_push

    return run_push(options, load_settings(options.config))


def _demo(options: argparse.Namespace) -> int:
    from daemon.commands.demo import run_demo

    return run_demo(options.folder, options.series)


if __name__ == "__main__":
    sys.exit(main())
