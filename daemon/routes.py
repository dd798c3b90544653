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
    """Every route, in the order in which they are tried; what a bundle takes as a fallback comes last.

    Raises:
        BundleError: a bundle has no manifest of this format, or its routes are none.
    """
    manifests = {name: read_manifest(folder) for name, folder in settings.bundle_folders.items()}
    own = (_of_site(route, manifests) for route in settings.routes)
    in_turn = sorted(manifests, key=lambda name: manifests[name].fallback)
    brought = (route for name in in_turn for route in _brought(name, manifests[name]))
    return (*own, *(brought if settings.routing.defaults else ()))


def _of_site(route: Route, manifests: Mapping[str, Manifest]) -> Route:
    """A route of the site, with what the bundle that it names asks for."""
    if not route.judges:
        return route
    entry = next(iter(manifests[route.bundle].inputs.values()))
    return replace(route, phases=entry.phases)


def _brought(name: str, manifest: Manifest) -> Sequence[Route]:
    """The routes of a bundle that is configured as ``name``; what it refuses, others may judge."""
    inputs = manifest.inputs.values()
    routes = [_route(name, content) for entry in inputs for content in entry.routes]
    phases = [entry.phases for entry in inputs for _ in entry.routes]
    stated = [route if route.refuse else replace(route, bundle=name) for route in routes]
    if wrong := list(faults(stated, (name,))):
        raise BundleError(f"bundle {name}: {'; '.join(wrong)}: export the bundle again")
    return [replace(route, bundle=name, phases=one) for route, one in zip(routes, phases, strict=True)]


def _route(name: str, content: Mapping[str, Any]) -> Route:
    try:
        return structure(content, Route)
    except ConfigError as error:
        raise BundleError(f"bundle {name} has no route of {content}: {error}: export the bundle again") from error
