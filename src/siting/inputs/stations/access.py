"""Who may charge where: A_bj of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siting.domain import Accounts, BoolArray
from siting.inputs.stations.records import StationAccess

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def usable_by_brand(frame: pd.DataFrame, brands: Sequence[str], accounts: Accounts) -> BoolArray:
    """Compute which brands' drivers may use which stations, A_bj.

    - A station of nobody in the alliance serves the brands that ``open_to`` names, or everybody.
    - A brand's own public station serves every brand of the alliance with unified accounts; with
      separate ones its owner, and the brands that ``open_to`` names.
    - A private station serves its owner only, whatever the accounts; nobody, if no brand owns it.

    Parameters
    ----------
    frame
        Stations, with ``owner_brand``, ``open_to`` and ``access``.
    brands
        Ids of the brands. A station that a brand outside this list owns serves nobody in it: a
        coalition has its members' stations only.
    accounts
        Whether accounts are unified.

    Returns
    -------
    BoolArray
        (n_station, n_brand).
    """
    ids = np.array(list(brands), dtype=str)
    owner = frame["owner_brand"].to_numpy(dtype=str)
    owns = owner[:, None] == ids[None, :]
    named = np.array(
        [[brand in open_to.split(";") for brand in ids] for open_to in frame["open_to"]],
        dtype=bool,
    ).reshape(len(frame), ids.size)
    is_private = (frame["access"] == StationAccess.PRIVATE.value).to_numpy(dtype=bool)[:, None]
    is_ours = owns.any(axis=1)[:, None]
    is_third_party = (owner == "")[:, None]
    to_everybody = (frame["open_to"] == "").to_numpy(dtype=bool)[:, None]
    third_party = is_third_party & (named | to_everybody)
    ours = is_ours & (owns | named | (accounts is Accounts.UNIFIED))
    usable: BoolArray = np.where(is_private, owns, third_party | ours)
    return usable
