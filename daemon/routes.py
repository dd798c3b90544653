"""All routes of an installation: the site's own, what nobody judges, and what each bundle brings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from daemon.config import Settings
from daemon.core.errors import ConfigError
from daemon.core.routing import Route, faults
from daemon.structuring import structure
from models.bundle import BundleError, Manifest, read_manifest


def all_routes(settings: Settings) -> tuple[Route, ...]:
    """Every route, in the order in which they are tried.

    Raises:
        BundleError: a bundle has no manifest of this format, or its routes are none.
    """
    folders = settings.bundle_folders if settings.routing.defaults else {}
    brought = (route for name, folder in folders.items() for route in _brought(name, read_manifest(folder)))
    return (*settings.routes, *brought)


def _brought(name: str, manifest: Manifest) -> Sequence[Route]:
    """The routes of a bundle that is configured as ``name``; what it refuses, others may judge."""
    routes = [_route(name, content) for entry in manifest.inputs.values() for content in entry.routes]
    stated = [route if route.refuse else replace(route, bundle=name) for route in routes]
    if wrong := list(faults(stated, (name,))):
        raise BundleError(f"bundle {name}: {'; '.join(wrong)}: export the bundle again")
    return [replace(route, bundle=name) for route in routes]


def _route(name: str, content: Mapping[str, Any]) -> Route:
    try:
        return structure(content, Route)
    except ConfigError as error:
        raise BundleError(f"bundle {name} has no route of {content}: {error}: export the bundle again") from error
