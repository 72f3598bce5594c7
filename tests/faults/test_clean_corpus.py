"""Not one refusal on what is clean: the corpus in all of its forms, and the embedded city."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from siting.pipeline import build_case, embedded_study_path, read_inputs, read_study

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

FORMS = ("csv", "geo", "joined", "parquet", "osm")


@pytest.mark.parametrize("form", FORMS)
def test_the_clean_corpus_is_read_in_every_form(
    form: str, corpora: dict[str, Path], read_folder: Callable[[Path], Any]
) -> None:
    outcome = read_folder(corpora[form])
    assert outcome.faults == ()
    assert outcome.case.instance.demand_kwh_per_day.sum() == pytest.approx(1520.0)
    assert outcome.case.instance.n_site == 2


@pytest.mark.parametrize("name", ["study.yaml", "service_centres.yaml"])
def test_the_embedded_city_is_read(name: str) -> None:
    inputs = read_inputs(read_study(embedded_study_path().with_name(name)))
    assert build_case(inputs).instance.n_pair > 0
