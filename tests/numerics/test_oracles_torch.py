"""gfloat, torch, torchao and bitsandbytes themselves, where they are installed (extra ``[oracles]``)."""

from __future__ import annotations

import numpy as np
import pytest
from golden_files import golden_version, load_golden, load_maker
from oracle_peers import MANY, PEERS, produce_many

MAKER = load_maker()
PEER = pytest.mark.parametrize("peer", PEERS)


def _need(peer: str) -> None:
    for library in MAKER.NEEDED[peer]:
        pytest.importorskip(library)


def test_every_peer_has_a_producer_and_a_golden() -> None:
    assert set(MAKER.PRODUCERS) == set(MAKER.NEEDED) == set(PEERS) == set(MANY)
    for peer in PEERS:
        assert load_golden(peer)
        assert golden_version(peer)[0].isdigit()


@PEER
def test_many_values(peer: str) -> None:
    _need(peer)
    for outcome in PEERS[peer](produce_many(MAKER, peer)):
        assert outcome.mismatches == 0, str(outcome)
        assert outcome.explained <= outcome.compared / 20, str(outcome)


@PEER
def test_the_golden_is_what_the_library_gives(peer: str) -> None:
    _need(peer)
    made, stored = MAKER.PRODUCERS[peer](), load_golden(peer)
    assert set(made) == set(stored)
    for name, array in made.items():
        assert np.array_equal(array, stored[name], equal_nan=array.dtype.kind == "f"), f"{peer}: {name}"
