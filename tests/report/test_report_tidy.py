from __future__ import annotations

import pandas as pd
import pytest

from harness.errors import StoreError
from harness.report.columns import COLUMN_OF
from harness.report.tidy import UNQUANTIZED, natural_key, tidy


def test_absent_columns_are_null() -> None:
    frame = tidy(pd.DataFrame({"case": ["a"], "status": ["ok"]}))
    assert set(COLUMN_OF) <= set(frame.columns)
    assert frame["sqnr_db"].isna().all()
    assert frame["weight_format"].isna().all()


def test_no_records() -> None:
    assert len(tidy(pd.DataFrame())) == 0


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ({"scheme": "w8a8", "weight_format": "int8"}, "w8a8"),
        ({"format": "int4", "granularity": "per_group:32"}, "int4 per_group:32"),
        ({"weight_format": "int4", "weight_granularity": "per_channel"}, "int4 per_channel"),
        (
            {"weight_format": "int4", "activation_format": "int8", "activation_granularity": "per_token"},
            "int4 · a: int8 per_token",
        ),
        ({"kernel": "cublas_f16"}, UNQUANTIZED),
    ],
)
def test_scheme_label(row: dict[str, str], label: str) -> None:
    assert tidy(pd.DataFrame([row]))["scheme_label"].tolist() == [label]


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ({"shape_name": "qkv", "m": 16, "n": 64, "k": 32}, "qkv 16×64×32"),
        ({"shape_name": "w", "rows": 8, "cols": 4}, "w 8×4"),
        ({"shape_name": "w", "rows": 8}, "w"),
        ({"case": "a"}, "–"),
    ],
)
def test_shape_label(row: dict[str, object], label: str) -> None:
    assert tidy(pd.DataFrame([row]))["shape_label"].tolist() == [label]


@pytest.mark.parametrize(
    ("data", "real"),
    [
        ("normal", False),
        ("model:minilm-l6/x", True),
        ("captured", True),
        ("weight=model:minilm-l6/x, activation=captured", True),
        ("uncaptured", False),
        (None, False),
    ],
)
def test_real(data: str | None, real: bool) -> None:
    assert tidy(pd.DataFrame({"case": ["a"], "data": [data]}))["real"].tolist() == [real]


def test_ranks_put_named_schemes_first_and_the_baseline_aside() -> None:
    rows = [{"scheme": "w4a16_g128"}, {"format": "int4"}, {"scheme": "w4a16_g32"}, {"case": "baseline"}]
    assert tidy(pd.DataFrame(rows))["scheme_rank"].tolist() == [1, 2, 0, -1]


def test_numbers_that_are_text_are_refused() -> None:
    with pytest.raises(StoreError, match=r"column 'time_s': must hold numbers \(got"):
        tidy(pd.DataFrame({"time_s": ["fast"]}))


def test_nullable_and_boolean_columns() -> None:
    frame = tidy(
        pd.DataFrame(
            {
                "m": pd.array([1, None], dtype="Int64"),
                "weight_symmetric": pd.array([True, None], dtype="boolean"),
                "kernel": pd.Categorical(["a", None]),
            }
        )
    )
    assert frame["m"].isna().tolist() == [False, True]
    assert frame["weight_symmetric"].tolist()[0] == "true"
    assert frame["weight_symmetric"].isna().tolist() == [False, True]
    assert frame["kernel"].tolist() == ["a", "–"]


def test_natural_order() -> None:
    assert sorted(["g128", "g32", "a", "10", "9"], key=natural_key) == ["9", "10", "a", "g32", "g128"]
