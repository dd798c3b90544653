from builders.judging.values import shipped
from pydicom.sr.codedict import codes as standard
from pydicom.sr.coding import Code

from daemon.core.values import State
from daemon.dicom.report import codes


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


def declared(manifest):
    """Every code of a manifest."""
    organ = manifest.organ
    entries = (*manifest.structures.values(), *manifest.causes.values(), *manifest.signals.values())
    named = (getattr(entry, name, None) for entry in entries for name in ("finding", "code", "method", "derivation"))
    return {organ.region, organ.site, *(code for code in named if code is not None)}


def test_every_state_has_a_code_of_its_own():
    assert set(State) == set(codes.VERDICTS)
    assert len(State) == len(set(codes.VERDICTS.values()))


def test_the_shipped_bundles_causes_and_structures_have_codes_of_their_own():
    for entries in (shipped().manifest.causes, shipped().manifest.structures):
        assert len(entries) == len({entry.code for entry in entries.values()})


def test_standard_terms_are_the_dictionarys():
    organ, structures, causes = (getattr(shipped().manifest, name) for name in ("organ", "structures", "causes"))

    assert codes.coded(organ.region) in {getattr(standard.cid4031, name) for name in standard.cid4031.dir()}
    assert standard.SCT.Brain == codes.coded(organ.site)
    assert standard.SCT.GrayMatter.value == structures["grey matter"].code.value
    assert standard.SCT.WhiteMatter.value == structures["white matter"].code.value
    assert standard.SCT.CerebrospinalFluid.value == structures["CSF"].code.value
    assert standard.cid6316.PhaseWraparoundArtifact == codes.coded(causes["wrap"].code)
    assert standard.cid6316.MotionRelatedArtifact == codes.coded(causes["motion"].code)


def test_a_code_of_a_bundle_means_what_the_software_means_by_it():
    """A private value has one meaning (PS3.3, 8.1), wherever it is declared."""
    meanings = {}
    for code in (*codes.DEFINITIONS, *map(codes.coded, declared(shipped().manifest))):
        assert code.meaning == meanings.setdefault((code.scheme_designator, code.value), code.meaning)
        assert 16 >= len(code.value)
        assert 64 >= len(code.meaning)
        assert code.meaning.isascii()


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
