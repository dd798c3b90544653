"""The methods by the names that manifests call them, and what each of them is to the daemon."""

from collections.abc import Callable, Mapping
from typing import Protocol

from models.bundle import Bundle, BundleError
from models.findings import Findings
from models.graphs import Run
from models.methods.any_mr import AnyMr
from models.methods.brain import Brain
from models.methods.cine import CineMethod
from models.methods.lesions import Lesions
from models.subject import Subject


class Method(Protocol):
    """Examines one subject by the graphs of its bundle."""

    def examine(self, subject: Subject, graphs: Mapping[str, Run]) -> Findings:
        """What there is to find; ``graphs`` by the names of the manifest; the same subject gives the same findings.

        Raises:
            NotThis: the method cannot judge this subject.
        """


#: Method -> what makes it of a bundle; it raises a BundleError where the bundle is not its own.
METHODS: dict[str, Callable[[Bundle], Method]] = {
    "any-mr": AnyMr,
    "brain": Brain,
    "cine": CineMethod,
    "lesions": Lesions,
}


def method_of(bundle: Bundle) -> Method:
    """The method of a bundle.

    Raises:
        BundleError: this software does not know it, or the bundle is not made for it.
    """
    name = bundle.manifest.method
    if name not in METHODS:
        raise BundleError(f"bundle {bundle.manifest.name} asks for the method '{name}': update this software")
    return METHODS[name](bundle)
