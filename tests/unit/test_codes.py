from pydicom.sr.codedict import codes as standard
from pydicom.sr.coding import Code

from daemon.core.values import State
from daemon.dicom import codes
from models.artefacts import Artefact


def private_codes():
    return {
        value
        for value in vars(codes).values()
        if isinstance(value, Code) and value.scheme_designator == codes.PRIVATE_SCHEME
    }


def test_every_private_code_is_defined_and_every_definition_used():
    assert private_codes() == set(codes.DEFINITIONS)


def test_private_code_values_are_unique():
    values = [code.value for code in codes.DEFINITIONS]

    assert len(values) == len(set(values))


def test_private_codes_fit_their_value_representations():
    """CodeValue and designator are SH, the meaning is LO (PS3.3, 8.8)."""
    assert 16 >= len(codes.PRIVATE_SCHEME)
    assert codes.PRIVATE_SCHEME.startswith("99")
    for code in codes.DEFINITIONS:
        assert 16 >= len(code.value)
        assert 64 >= len(code.meaning)
        assert code.meaning.isascii()


def test_every_state_and_artefact_has_a_code_of_its_own():
    assert set(State) == set(codes.VERDICTS)
    assert len(State) == len(set(codes.VERDICTS.values()))
    assert set(Artefact) == set(codes.ARTEFACTS)
    assert len(Artefact) == len(set(codes.ARTEFACTS.values()))


def test_standard_terms_are_the_dictionarys():
    assert codes.HEAD in {getattr(standard.cid4031, name) for name in standard.cid4031.dir()}
    assert standard.SCT.Brain == codes.BRAIN
    assert standard.SCT.GrayMatter.value == codes.TISSUES["grey matter"].value
    assert standard.SCT.WhiteMatter.value == codes.TISSUES["white matter"].value
    assert standard.SCT.CerebrospinalFluid.value == codes.TISSUES["csf"].value


def test_nobody_is_told_that_images_are_unusable():
    """Code 111235 is a reader's call, and title 113001 makes archives hide images."""
    forbidden = {"111235", "113001", "113037", "113038", "113039"}
    used = {code.value for code in (*codes.VERDICTS.values(), *codes.QUALITY_ASSESSMENTS.values(), *codes.DEFINITIONS)}

    assert set() == forbidden & used


def test_a_unit_is_never_taken_for_another():
    assert standard.UCUM.NoUnits == codes.unit_code("1")
    assert standard.UCUM.CubicCentimeter == codes.unit_code("ml")
    assert Code("dB", "UCUM", "dB") == codes.unit_code("dB")
    for odd in ("in words", "é", "back\\slash", "x" * 17, " "):
        assert "{unknown}" == codes.unit_code(odd).value


def test_a_measure_without_code_carries_its_name():
    concept = codes.measure_concept("Größe of\nthings")

    assert "measure-Groe of things" == concept.group
    assert codes.OTHER_MEASURE == concept.name
