"""What the fault bench's modules share: how faults are chosen, planted and listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    import numpy as np

    Mutation = Callable[[np.random.Generator, Path], str]

T = TypeVar("T")


def pick(rng: np.random.Generator, values: Sequence[T]) -> T:
    """Return one of the values."""
    return values[int(rng.integers(len(values)))]


def set_study(folder: Path, old: str, new: str) -> None:
    """Change a text of the study file, which must be there, where it first stands."""
    path = folder / "study.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def plant_each(
    mutations: Mapping[str, Sequence[Mutation]], verdict: str, **options: bool
) -> Callable[..., None]:
    """Return the test that every mutation of each form of the corpus meets one verdict."""
    listed = [
        pytest.param(form, mutate, id=mutate.__name__)
        for form, many in mutations.items()
        for mutate in many
    ]

    @pytest.mark.parametrize(("form", "mutate"), listed)
    def test(form: str, mutate: Mutation, make_bench: Callable[[str], Any], seeds: range) -> None:
        make_bench(form).judge(mutate, verdict, seeds, **options)

    return test
