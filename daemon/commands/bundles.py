"""scanside bundles: what is installed, what each bundle judges, and under which licence."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from daemon.config import Settings, load_settings
from models.bundle import load_bundle


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("--json", action="store_true", help="one JSON object a bundle")


def run(options: argparse.Namespace) -> int:
    """Print every configured bundle, each verified; 0.

    Raises:
        BundleError: one is not whole.
    """
    for told in list_bundles(load_settings(options.config)):
        if options.json:
            print(json.dumps(told))
        else:
            print(f"{told['bundle']:16} {told['version']:8} {told['digest'][:12]}  {told['judges']}")
            print(*(f"{'':26}{line}" for line in (told["licence"], *told["data"], told["notice"]) if line), sep="\n")
    return 0


def list_bundles(settings: Settings) -> Iterator[dict[str, Any]]:
    """Each configured bundle as plain JSON values.

    Raises:
        BundleError: one is not whole.
    """
    for name, folder in settings.bundle_folders.items():
        bundle = load_bundle(folder)
        manifest, training = bundle.manifest, bundle.manifest.training
        yield {
            "bundle": name,
            "version": manifest.version,
            "digest": bundle.digest,
            "judges": f"{manifest.task} of {', '.join(manifest.structures)} in the {manifest.organ.word}",
            "licence": training.licence,
            "data": list(training.data),
            "notice": training.notice,
        }
