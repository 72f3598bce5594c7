"""A certificate's bound, computed twice: rounded outward by the engine, exactly by the verifier."""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siting.optimise.certificate import TierPrices, check_bound, render_certificate
from siting.outputs.proof import render_instance
from siting.verify.claim import Claim
from siting.verify.duality import compute_bound_kwh

if TYPE_CHECKING:
    from siting.instance import SitingInstance


def claim_of(instance: SitingInstance) -> Claim:
    """Return an instance as the verifier reads it."""
    with np.load(io.BytesIO(render_instance(instance))) as kept:
        arrays = {name: kept[name] for name in kept.files}
    head = json.loads(arrays.pop("head").tobytes())
    return Claim(manifest={}, head=head, arrays=arrays, sites=[], flows=[], files={})


@given(st.integers(0, 10**6))
def test_both_agree_and_neither_lies_below_the_best_plan(made_tiers: type, seed: int) -> None:
    rng = np.random.default_rng(seed)
    instance: SitingInstance = made_tiers.make(seed)
    req = instance.requirements
    prices = TierPrices(
        demand=rng.uniform(0, 1.2, instance.demand_kwh_per_day.shape),
        floor=rng.uniform(0, 0.3, instance.n_brand),
        budget=float(rng.uniform(0, 2)) if math.isfinite(req.budget_cny) else 0.0,
        greatest_count=float(rng.uniform(0, 1)) if req.max_sites is not None else 0.0,
        least_count=float(rng.uniform(0, 1)),
        grid_group=rng.uniform(0, 0.01, req.grid_group_limit_kw.size),
        greatest_in_district=rng.uniform(0, 1, req.district_max_sites.size),
        least_in_district=rng.uniform(0, 1, req.district_min_sites.size),
        cliques=tuple((tuple(pair), 0.5) for pair in req.spacing_pairs.tolist()),
    )
    certificate = json.loads(render_certificate(prices, objective=0.0, bound=0.0))
    exact = compute_bound_kwh(claim_of(instance), certificate)
    outward = check_bound(instance, prices)
    best = made_tiers.best(instance)
    if exact is None:
        assert outward == best == -math.inf
        return
    assert best - 1e-9 <= float(exact)
    assert exact <= outward
    assert float(exact) == pytest.approx(outward, abs=1e-6)
