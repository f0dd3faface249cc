"""Every format against ml_dtypes and onnxruntime, and against goldens of the libraries that may be absent."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import oracle_ml_dtypes
import oracle_onnxruntime
import oracle_table
import pytest
from golden_files import load_golden
from oracle_outcome import OracleRow
from oracle_peers import PEERS

from harness.numerics.formats import FORMATS


@pytest.mark.parametrize("row", oracle_ml_dtypes.ROWS, ids=lambda row: row.id)
def test_ml_dtypes(row: OracleRow) -> None:
    outcome = row.run()
    assert outcome.compared > 0
    assert outcome.mismatches == 0


@pytest.mark.parametrize("row", oracle_onnxruntime.ROWS, ids=lambda row: row.id)
def test_onnxruntime(row: OracleRow) -> None:
    try:
        outcome = row.run()
    except oracle_onnxruntime.UnsupportedError:
        pytest.skip("this onnxruntime has no two-bit QuantizeLinear")
    assert outcome.compared > 1000
    assert outcome.mismatches == 0


@pytest.mark.parametrize("peer", PEERS)
def test_goldens(peer: str) -> None:
    outcomes = list(PEERS[peer](load_golden(peer)))
    assert outcomes
    for outcome in outcomes:
        assert outcome.compared > 0, str(outcome)
        assert outcome.mismatches == 0, str(outcome)
        assert outcome.explained <= outcome.compared / 8, str(outcome)


def test_every_format_but_binary_has_an_independent_library() -> None:
    """A new format needs a row here: no library is known that has binary codes; ``scalar_oracle`` alone holds those."""
    golden = {found.format for peer in PEERS for found in PEERS[peer](load_golden(peer))}
    compared = {*oracle_ml_dtypes.FLOATS, *oracle_ml_dtypes.INTEGERS, *oracle_onnxruntime.TYPES, *golden}
    assert set(FORMATS) - compared == {"binary"}


def test_the_documented_table_is_what_comes_out() -> None:
    """docs/oracles.md holds every line that the libraries at hand give (``tests/numerics/oracle_table.py``)."""
    documented = (Path(__file__).parents[2] / "docs" / "oracles.md").read_text(encoding="utf-8").splitlines()
    for line in oracle_table.lines([*oracle_table.scalar_outcomes(), *oracle_table.library_outcomes()]):
        assert line in documented


def test_the_traps_of_ml_dtypes_are_still_there() -> None:
    """What the comparison works around. When this fails, ``oracle_ml_dtypes`` may become simpler."""
    assert np.isnan(np.float32(465).astype(ml_dtypes.float8_e4m3fn).astype(np.float32))
    assert int(np.float32(9).astype(ml_dtypes.int4)) == -7
    assert np.float32(0.75).astype(ml_dtypes.float8_e8m0fnu).astype(np.float32) == 1.0
