"""All routes of an installation: the site's own, what nobody judges, and what each bundle brings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from daemon.config import Settings
from daemon.core.errors import ConfigError
from daemon.core.judging.gathering import Role
from daemon.core.judging.routing import Route, faults
from daemon.structuring import structure
from models.bundle import BundleError, Manifest, read_manifest
from models.manifest import Input


def all_routes(settings: Settings) -> tuple[Route, ...]:
    """Every route, in the order in which they are tried; what a bundle takes as a fallback comes last.

    Raises:
        BundleError: a bundle has no manifest of this format, or its routes are none.
    """
    manifests = _manifests(settings)
    own = (_of_site(route, manifests) for route in settings.routes)
    in_turn = sorted(manifests, key=lambda name: manifests[name].fallback)
    leading = {name: manifests[name].inputs[manifests[name].lead] for name in in_turn}
    brought = (route for name, entry in leading.items() for route in _brought(name, entry))
    return (*own, *(brought if settings.routing.defaults else ()))


def all_roles(settings: Settings) -> tuple[Role, ...]:
    """The parts that series may play in an examination that another one leads.

    Raises:
        BundleError: a bundle has no manifest of this format, or its routes are none.
    """
    manifests = _manifests(settings)
    return tuple(
        Role(bundle=name, name=role, every=entry.every, routes=tuple(_brought(name, entry)))
        for name, manifest in manifests.items()
        for role, entry in manifest.inputs.items()
        if role != manifest.lead
    )


def own_past_bundle(settings: Settings) -> str:
    """The bundle that compares with its protocol's past what others judged; empty where there is none, or none wanted.

    Raises:
        BundleError: a bundle has no manifest of this format.
    """
    return measuring_bundle(settings) if settings.judgement.own_past else ""


def measuring_bundle(settings: Settings) -> str:
    """The bundle that measures any image, to compare it with its protocol's past; empty where there is none.

    Raises:
        BundleError: a bundle has no manifest of this format.
    """
    return next((name for name, one in _manifests(settings).items() if one.past and one.fallback), "")


def _manifests(settings: Settings) -> dict[str, Manifest]:
    """The manifest of each configured bundle, by its name."""
    return {name: read_manifest(folder) for name, folder in settings.bundle_folders.items()}


def _of_site(route: Route, manifests: Mapping[str, Manifest]) -> Route:
    """A route of the site, with what the bundle that it names asks for."""
    if not route.judges:
        return route
    manifest = manifests[route.bundle]
    return replace(route, phases=manifest.inputs[manifest.lead].phases)


def _brought(name: str, entry: Input) -> Sequence[Route]:
    """The routes of one role of a bundle that is configured as ``name``; what it refuses, others may judge."""
    routes = [_route(name, content) for content in entry.routes]
    stated = [route if route.refuse else replace(route, bundle=name) for route in routes]
    if wrong := list(faults(stated, (name,))):
        raise BundleError(f"bundle {name}: {'; '.join(wrong)}: export the bundle again")
    return [replace(route, bundle=name, phases=entry.phases) for route in routes]


def _route(name: str, content: Mapping[str, Any]) -> Route:
    try:
        return structure(content, Route)
    except ConfigError as error:
        raise BundleError(f"bundle {name} has no route of {content}: {error}: export the bundle again") from error
