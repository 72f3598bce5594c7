"""The bill of a joint investment on the map of its plan: by the alliance's rule, and named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from siting.domain import FEN_PER_CNY
from siting.outputs.map_payload import build_map_payload
from siting.outputs.page import Phrases

if TYPE_CHECKING:
    from siting.investment import JointInvestment


def build_investment_payload(investment: JointInvestment) -> dict[str, Any]:
    """Build what the map of a plan shows, with who pays by the rule of its joint investment.

    Returns
    -------
    dict
        As :func:`siting.outputs.map_payload.build_map_payload`; ``service`` holds the rule's bills,
        and ``bill``: the rule's name and reason, each brand's gain over going alone, and what it
        pays at each site in the order of ``sites``.
    """
    payload = build_map_payload(investment.plan)
    words, split = Phrases.read("alliance_assets", "texts.json"), investment.split

    payload["service"] |= {
        "pays_cny": split.pays_cny.tolist(),
        "bill": {
            "rule": dict(words.texts[f"rule_{split.rule.value}"]),
            "why": dict(words.texts[f"why_{split.rule.value}"]),
            "gain_cny": [round(float(cny), 2) for cny in split.gain_cny],
            "at_site_cny": (investment.site_bills_fen.T / FEN_PER_CNY).tolist(),
        },
    }
    return payload
