"""scanside bundles: what is installed, what each bundle judges, and under which licence."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from daemon.config import Settings, load_settings, optional_bundles
from models.bundle import load_bundle


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("--json", action="store_true", help="one JSON object a bundle")


def run(options: argparse.Namespace) -> int:
    """Print every configured bundle, each verified, and those that a site may add; 0.

    Raises:
        BundleError: one is not whole.
    """
    for told in list_bundles(load_settings(options.config)):
        if options.json:
            print(json.dumps(told))
        else:
            print(f"{told['bundle']:16} {told['version']:8} {told['digest'][:12]}  {told['judges']}")
            how = (
                ""
                if told["judging"]
                else f'not in use; the line under [bundles]: {told["bundle"]} = "{told["folder"]}"'
            )
            print(*(f"{'':26}{x}" for x in (how, told["licence"], *told["data"], told["notice"]) if x), sep="\n")
    return 0


def list_bundles(settings: Settings) -> Iterator[dict[str, Any]]:
    """Each bundle as plain JSON values: those that judge, then those that ship beside them.

    Raises:
        BundleError: one is not whole.
    """
    used = settings.bundle_folders
    others = {name: folder for name, folder in optional_bundles().items() if folder not in used.values()}
    for name, folder in (*used.items(), *others.items()):
        bundle = load_bundle(folder)
        manifest, training = bundle.manifest, bundle.manifest.training
        yield {
            "bundle": name,
            "judging": folder not in others.values(),
            "folder": str(folder),
            "version": manifest.version,
            "digest": bundle.digest,
            "judges": f"{manifest.task} of {', '.join(manifest.structures)} in the {manifest.organ.word}",
            "licence": training.licence,
            "data": list(training.data),
            "notice": training.notice,
        }
