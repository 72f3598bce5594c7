"""An independent check of a written plan: exact arithmetic, no solver, none of siting's solving.

Everything is read from the output folder anew: the instance (`instance.npz`), who charges where
(`flows.csv`, whole watt-hours), the sites, the prices of the certificate, and what the manifest
claims. Energies are integers of watt-hours, and money and prices are exact fractions, so nothing is
lost to rounding; limits that came as floating-point numbers are taken in whole watt-hours, a
thousandth of one allowed.
"""

from __future__ import annotations

from decimal import InvalidOperation
from typing import TYPE_CHECKING

from siting.verify.checks import (
    Check,
    check_files,
    check_flows,
    check_ledger,
    check_objective,
    check_proof,
    check_sites,
    check_tables,
    check_trips,
)
from siting.verify.claim import read_claim
from siting.verify.futures import check_futures
from siting.verify.phases import check_phases
from siting.verify.promise import check_waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from siting.verify.claim import Claim

__all__ = ["Check", "verify_folder"]


def verify_folder(folder: Path) -> tuple[Check, ...]:
    """Recompute everything that a written plan claims.

    Parameters
    ----------
    folder
        The output folder of `siting plan`.

    Returns
    -------
    tuple
        A check each for the files, the sites, the flows, the trips, periods and futures if there
        are any, the objective, the tables, the ledger and the proof, and if all of these passed for
        the promised wait; the plan holds if all passed.

    Raises
    ------
    InputError
        If the folder holds no plan that can be read.
    """
    claim = read_claim(folder)
    checks = [
        _recompute(check, claim)
        for check in (
            check_files,
            check_sites,
            check_flows,
            *((check_trips,) if claim.has_trips else ()),
            *((check_phases,) if claim.has_phases else ()),
            *((check_futures,) if claim.has_futures else ()),
            check_objective,
            check_tables,
            check_ledger,
            check_proof,
        )
    ]
    if all(check.passed for check in checks):  # nothing else is worth a simulation
        checks.append(_recompute(check_waiting, claim))
    return tuple(checks)


def _recompute(check: Callable[[Claim], Check], claim: Claim) -> Check:
    try:
        return check(claim)
    except (KeyError, ValueError, TypeError, IndexError, InvalidOperation) as error:
        name = check.__name__.removeprefix("check_")
        what = f"cannot be recomputed: {type(error).__name__} {error}"
        return Check(name=name, detail="", faults=(what,))
