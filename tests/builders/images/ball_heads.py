"""A folder of training data in the size of a test: heads that are balls, a template, and lesion masks on it."""

import nibabel as nib
import numpy as np

SIDE = 96
#: Where the balls' lesions are, in mm from the centre.
LESION_MM = (16.0, 8.0, 12.0)
_LABELS = (0, 24, 2, 3, 4, 507, 10, 16, 17)


def write_ball_heads(folder, heads=6, masks=9):
    """labelmaps/, templates/mni152-2mm/ and lesions/gold-masks/ below ``folder``."""
    maps, template, gold = folder / "labelmaps", folder / "templates" / "mni152-2mm", folder / "lesions" / "gold-masks"
    for one in (maps, template, gold):
        one.mkdir(parents=True)
    classes = {0: 0, 24: 1, 2: 2, 3: 3, 4: 1, 507: 16, 10: 6, 16: 13, 17: 3}
    np.save(maps / "generation_labels.npy", np.array(_LABELS))
    np.save(maps / "generation_classes_contrast_specific.npy", np.array([classes[label] for label in _LABELS]))
    for name in ("prior_means_t1", "prior_stds_t1"):
        np.save(maps / f"{name}.npy", np.tile(np.linspace(10, 150, max(classes.values()) + 1), (2, 1)))
    for number in range(heads):
        nib.Nifti1Image(_ball(SIDE, 1.0, number).astype(np.uint16), np.eye(4)).to_filename(
            maps / f"training_seg_{number + 1:02d}.nii.gz"
        )
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -47
    labels = _ball(SIDE // 2, 2.0, 0)
    for number, members in enumerate(((4, 24), (3,), (2,))):
        share = np.isin(labels, members).astype(np.float32)
        nib.Nifti1Image(share, affine).to_filename(template / f"MNI152_T1_2mm_Brain_FAST_pve_{number}.nii.gz")
    distance = _distance(SIDE // 2, 2.0, LESION_MM)
    for number in (*range(1, masks), 26):
        mask = nib.Nifti1Image((distance < 5).astype(np.uint8), affine)
        mask.to_filename(gold / f"ms-{number:02d}_space-MNI_label-lesion_mask.nii.gz")


def _distance(side, spacing, from_centre=(0.0, 0.0, 0.0)):
    axes = [(np.arange(side) - (side - 1) / 2) * spacing - at for at in from_centre]
    return np.sqrt(axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2)


def _ball(side, spacing, number):
    """Ventricle off the centre (so that the head has a front), white matter, cortex, fluid, scalp."""
    distance, labels = _distance(side, spacing), np.zeros((side, side, side), np.uint8)
    for radius, label in ((44, 251), (39, 24), (36, 3), (31 - number % 3, 2)):
        labels[distance < radius] = label
    for at in ((0, 8, 0), (0, -4, 6), (6, 0, 0)):
        labels[_distance(side, spacing, at) < 6] = 4
    return np.where(labels == 251, 507, labels.astype(np.int64))
