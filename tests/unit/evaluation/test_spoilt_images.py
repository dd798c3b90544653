"""Images that others spoilt are found, given to their person and to their artefact, whatever they are called."""

import pytest

from training.harm.spoilt_images import artefact_of, given_images

PEOPLE = {"sub-01": None, "sub-012": None, "sub-3_ses-1": None, "sub-3_ses-2": None}


def folder(tmp_path, *names, table="", suffix="csv"):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    if table:
        (tmp_path / f"images.{suffix}").write_text(table)
    return tmp_path


def found(place):
    return {str(i.path.relative_to(place)): (i.person, i.artefact, i.severity) for i in given_images(place, PEOPLE)}


@pytest.mark.parametrize(
    ("words", "artefact"),
    [
        ("sub-01/sub-01_noise-3_T1w.nii.gz", "noise"),
        ("Motion/severe/sub-01.nii", "motion"),
        ("sub-01_ghosting.nii.gz", "motion"),
        ("sub-01_desc-randomAliasing2_T1w.nii.gz", "wrap"),
        ("RF spikes", "spike"),
        ("sub-01_clean_T1w.nii.gz", "clean"),
        ("", "clean"),
        ("sub-01_x7_T1w.nii.gz", "unknown"),
        ("sub-01_denoised.nii.gz", "unknown"),
    ],
)
def test_a_path_names_its_artefact_by_whole_words(words, artefact):
    assert artefact == artefact_of(words)


def test_an_image_is_of_the_person_whose_whole_name_it_bears(tmp_path):
    place = folder(tmp_path, "sub-01_noise.nii.gz", "sub-012/noise.nii", "deep/er/sub-3_ses-2_blur.nii.gz", "else.nii")

    assert {
        "sub-01_noise.nii.gz": ("sub-01", "noise", 1.0),
        "sub-012/noise.nii": ("sub-012", "noise", 1.0),
        "deep/er/sub-3_ses-2_blur.nii.gz": ("sub-3_ses-2", "blur", 1.0),
    } == found(place)


def test_label_maps_are_no_images(tmp_path):
    place = folder(tmp_path, "sub-01_T1w.nii.gz", "sub-01_desc-tissue_dseg.nii.gz", "sub-01_brain_mask.nii")

    assert ["sub-01_T1w.nii.gz"] == [*found(place)]


@pytest.mark.parametrize(("suffix", "comma"), [("csv", ","), ("tsv", "\t")])
def test_a_table_says_more_than_a_name(tmp_path, suffix, comma):
    rows = [["File", "Artifact", "Severity"], ["sub-01_noise.nii.gz", "motion", "0.25"], ["sub-01/b.nii", "spike", "?"]]
    text = "﻿" + "\n".join(comma.join(row) for row in rows)
    place = folder(tmp_path, "sub-01_noise.nii.gz", "sub-01/b.nii", table=text, suffix=suffix)

    assert {"sub-01_noise.nii.gz": ("sub-01", "motion", 0.25), "sub-01/b.nii": ("sub-01", "spike", 1.0)} == found(place)


def test_images_of_nobody_are_an_error_that_says_how_to_call_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="sub-01"):
        found(folder(tmp_path, "somebody.nii.gz"))
