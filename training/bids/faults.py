"""What can be wrong in a folder of people; everything that is wrong in one is said at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What is wrong, and what to do."""

    NO_PEOPLE = "no image of that kind: files are sub-XX[/ses-YY]/anat/sub-XX[_ses-YY]_KIND.nii.gz"
    ONE_PERSON = "one person only: one trains and another is held out, so give two or more"
    NO_HEART = "no short axis: files are sub-XX[/ses-YY][/anat]/sub-XX[...]_phase-ED_cine.nii.gz, and phase-ES"
    FEW_PEOPLE = "fewer people than parts: each network leaves a part of them out, so give more, or fewer --folds"
    SEVERAL_IMAGES = "several images of one phase: leave one of them in the folder"
    NO_PHASE = "no image or no labels of a phase: give phase-ED and phase-ES, _cine and _dseg of each"
    HEART_LABELS = "labels are 1 right ventricle, 2 myocardium, 3 left ventricle, each of them there, and 0"
    NO_LABELS = "no labels: put sub-XX_dseg.nii.gz below derivatives/<name>/sub-XX/anat, or beside the image"
    SEVERAL_LABELS = "several files of labels: say which with --desc"
    NO_MASK = "no lesion mask: put sub-XX_label-lesion_mask.nii.gz beside it, or below derivatives/<name>/sub-XX/anat"
    SEVERAL_MASKS = "several lesion masks: leave one of them in the folder, or say which with --desc"
    NOT_A_MASK = "no mask: write lesions as 1 and everything else as 0"
    NO_LESIONS = "no lesion in any mask: give people who have some, too"
    NO_HEAD = "no head is found in it: give the whole head, placed as its header says"
    UNKNOWN_LABELS = "unknown labels: write what each value is beside them (the same name with .tsv: index, name)"
    AFFINES_DIFFER = "labels lie on another grid: resample them to the image's (nearest neighbour)"
    NOT_3D = "not one volume: give a three-dimensional file"
    EMPTY = "nothing in it: every voxel has the same value"
    BROKEN = "cannot be read to its end: copy it again"
    TOO_LARGE = "more than 2^29 voxels: resample it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault: ``where`` in the folder, and what was found there."""

    fault: Fault
    where: str
    person: str = ""
    found: str = ""

    def __str__(self) -> str:
        return f"{self.where}{f' ({self.found})' if self.found else ''}: {self.fault}"


class BidsError(ValueError):
    """The folder cannot be trained on; ``findings`` has every reason."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        people = sorted({finding.person for finding in findings} - {""})
        lines = [str(finding) for finding in findings]
        if people:
            lines.append(f"mend them, or leave these people out: --leave-out {','.join(people)}")
        super().__init__("\n".join(lines))
