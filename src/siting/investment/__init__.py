"""The joint investment: from a plan to who gains what and who pays what."""

from siting.investment.build import (
    build_alliance,
    build_valuation,
    change_alliance,
    change_budgets,
    parse_budgets,
    require_brands,
    require_movers,
)
from siting.investment.joint import JointInvestment, solve_investment
from siting.investment.what_if import WhatIf, compare, compute_leaving, leave

__all__ = [
    "JointInvestment",
    "WhatIf",
    "build_alliance",
    "build_valuation",
    "change_alliance",
    "change_budgets",
    "compare",
    "compute_leaving",
    "leave",
    "parse_budgets",
    "require_brands",
    "require_movers",
    "solve_investment",
]
