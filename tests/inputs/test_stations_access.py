"""Who may charge where: A_bj by hand."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from siting.domain import Accounts
from siting.inputs.stations import empty_stations, usable_by_brand

BRANDS = ["aito", "luxeed", "stelato"]
STATIONS = pd.DataFrame(
    [
        ("", "", "public"),  # a third party's, for everybody
        ("", "luxeed;stelato", "public"),  # a third party's, for two
        ("aito", "", "public"),  # Aito's own
        ("aito", "luxeed", "public"),  # Aito's own, opened to one more
        ("aito", "", "private"),  # Aito's yard
        ("", "", "private"),  # somebody's yard
        ("maextro", "", "public"),  # of a brand outside this coalition
    ],
    columns=["owner_brand", "open_to", "access"],
)
SEPARATE = [
    [1, 1, 1],
    [0, 1, 1],
    [1, 0, 0],
    [1, 1, 0],
    [1, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
]
UNIFIED = [
    [1, 1, 1],
    [0, 1, 1],
    [1, 1, 1],
    [1, 1, 1],
    [1, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
]


def test_separate_accounts() -> None:
    assert usable_by_brand(STATIONS, BRANDS, Accounts.SEPARATE).astype(int).tolist() == SEPARATE


def test_unified_accounts() -> None:
    assert usable_by_brand(STATIONS, BRANDS, Accounts.UNIFIED).astype(int).tolist() == UNIFIED


def test_no_stations_or_no_brands() -> None:
    assert usable_by_brand(empty_stations(), BRANDS, Accounts.UNIFIED).shape == (0, 3)
    assert usable_by_brand(STATIONS, [], Accounts.UNIFIED).shape == (7, 0)


rows = st.tuples(
    st.sampled_from(["", *BRANDS, "maextro"]),
    st.lists(st.sampled_from(BRANDS), unique=True).map(";".join),
    st.sampled_from(["public", "private"]),
)


@given(st.lists(rows, max_size=12))
def test_unified_accounts_never_take_anything_away(stations: list[tuple[str, str, str]]) -> None:
    frame = pd.DataFrame(stations, columns=STATIONS.columns, dtype="str")
    separate = usable_by_brand(frame, BRANDS, Accounts.SEPARATE)
    unified = usable_by_brand(frame, BRANDS, Accounts.UNIFIED)
    assert (unified >= separate).all()
    owned = frame["owner_brand"].isin(BRANDS).to_numpy(dtype=bool)
    assert separate[owned].any(axis=1).all()  # an owner is never locked out
