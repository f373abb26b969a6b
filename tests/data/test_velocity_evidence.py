"""What a verdict says."""

import pytest

from napari_tissue_dynamics.data.velocity_evidence import SENTENCES, VERDICTS, VelocityEvidence
from napari_tissue_dynamics.errors import DataError


def test_only_one_verdict_supports():
    assert [verdict for verdict in VERDICTS if VelocityEvidence(verdict, 1.0, 1.0).supported] == ["supported"]
    assert set(SENTENCES) == set(VERDICTS)


def test_the_sentence_names_samples_that_differ_and_what_no_test_sees():
    evidence = VelocityEvidence("supported", 9.0, 4.0, samples={"a": "supported", "b": "none"}, caution="Mind this.")
    assert evidence.sentence == "The counts support this direction. (pairing z 9.0, lag z 4.0) b: none. Mind this."


def test_an_unknown_verdict_is_refused():
    with pytest.raises(DataError, match="'perhaps' is unknown"):
        VelocityEvidence("perhaps", 1.0, 1.0)
    with pytest.raises(DataError, match="'perhaps' is unknown"):
        VelocityEvidence("none", 1.0, 1.0, samples={"a": "perhaps"})
