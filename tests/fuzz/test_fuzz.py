"""No file brings a reader more than siting's own errors: what was found, and fresh mutations."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz_readers import NASTY, READERS, replace_token
from hypothesis import given, settings
from hypothesis import strategies as st

CASES = sorted(path for path in Path(__file__).parent.glob("cases/*/*") if path.is_file())
EDITS = st.lists(
    st.tuples(st.integers(0, 10_000), st.sampled_from(NASTY) | st.binary(max_size=6)),
    min_size=1,
    max_size=4,
)


# The batch's table is what is fuzzed; the study that it names is none.
@pytest.mark.parametrize("name", sorted(READERS.keys() - {"batch"}))
def test_the_file_to_start_from_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"t{READERS[name].suffix}"
    path.write_bytes(READERS[name].seed)
    READERS[name].read(path)


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_stays_fixed(case: Path, tmp_path: Path) -> None:
    READERS[case.parent.name].try_bytes(case.read_bytes(), tmp_path)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=10)
@given(edits=EDITS)
def test_mutations_bring_no_more_than_an_error(
    name: str, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, bytes]]
) -> None:
    content = READERS[name].seed
    for at, token in edits:
        content = replace_token(content, at, token)
    READERS[name].try_bytes(content, tmp_path_factory.mktemp("fuzz"))
