"""Errors carry every fault, with its place, and survive the way back from a worker process."""

from __future__ import annotations

import pickle

import pytest

from siting.errors import Fault, InputError


def test_a_fault_reads_as_place_value_fault_remedy() -> None:
    fault = Fault(
        file="s.csv", row=3, column="power_kw", value="about 5", what="no number", remedy="give one"
    )
    assert str(fault) == "s.csv, row 3, power_kw, value 'about 5': no number → give one"
    assert str(Fault(what="a", remedy="b")) == "a → b"


def test_an_error_without_a_fault_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="at least one fault"):
        InputError([])


def test_an_error_survives_pickling() -> None:
    error = InputError([Fault(what="a", remedy="b"), Fault(what="c", remedy="d")])
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is InputError
    assert again.faults == error.faults
