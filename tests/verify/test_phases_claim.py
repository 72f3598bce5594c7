"""A written plan over two periods, changed in every way that a liar might: all of it is found."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from siting.errors import StudyError
from siting.pipeline import explain_written, run
from siting.verify import verify_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# 1 million a period. One site is all that the first pays; in the second WEST may grow or EAST open.
PHASES = """\
phases:
  - {id: "2027", name: {en: Two years}, years: 2, budget_share: 0.5, demand_share: 0.1}
  - {id: "2028", name: {en: Third year}, budget_share: 0.5}
"""
TIERS = """\
tiers:
  - {id: small, name: {en: Small}, connectors: 2, power_kw: 120, cost_cny: 1.0e+6}
  - {id: big, name: {en: Big}, connectors: 60, power_kw: 120, cost_cny: 2.0e+6}
"""


@pytest.fixture
def out(study_path: Path, tmp_path: Path) -> Path:
    text = study_path.read_text(encoding="utf-8").replace("budget_cny: 1.5e+6", "budget_cny: 2e+6")
    before, _, after = text.partition("tiers:\n")
    study_path.write_text(before + TIERS + after.partition("\n")[2] + PHASES, encoding="utf-8")
    run(study_path, tmp_path / "out")
    return tmp_path / "out"


def test_a_right_plan_holds_and_a_site_grows(out: Path) -> None:
    checks = {check.name: check for check in verify_folder(out)}
    assert all(check.passed for check in checks.values())
    assert checks["phases"].detail == "2 periods, every rule"
    assert "2027,WEST,small,opens" in (out / "phases.csv").read_text(encoding="utf-8-sig")
    assert "2028,WEST,big,grows" in (out / "phases.csv").read_text(encoding="utf-8-sig")
    manifest = json.loads((out / "plan.json").read_bytes())
    solve, phases = manifest["solve"], manifest["phases"]
    assert solve["objective_kwh_per_day"] == phases["objective_kwh_per_day"]
    # Two years of a tenth of 1,500 kWh, one of all of it.
    assert solve["objective_kwh_per_day"] == pytest.approx((2 * 150 + 1500) / 3)
    assert not (out / "certificate.json").exists()
    with pytest.raises(StudyError, match="one period"):
        explain_written(out)


CHANGED_FILES = (
    ("phases.csv", "2027,WEST,small", "2027,WEST,big", "2027: the sites cost 2,000,000.00"),
    ("phases.csv", "2027,WEST,small", "2027,EAST,small", "2028: EAST closes"),
    ("phases.csv", "2028,WEST,big", "2028,WEST,small", "last period is not what sites.csv"),
    ("phases.csv", "2027,WEST", "2026,WEST", "belongs to no period"),
    ("phase_flows.csv", "2027,home,WEST,ant,60.0", "2027,home,WEST,ant,61.0", "beyond demand"),
    ("phase_flows.csv", "2027,home,WEST,ant,60.0", "2027,home,WEST,ant,59.0", "on the mean"),
    ("phase_flows.csv", "2027,home,WEST,ant,60.0", "2027,home,EAST,ant,60.0", "out of reach"),
    ("phase_flows.csv", "2028,home,WEST,ant,600.0", "2028,home,WEST,ant,599.0", "flows.csv"),
    ("sites.csv", "2028: big", "2027: big", "WEST opens or grows at another time"),
)


def test_a_changed_period_is_found(out: Path, tmp_path: Path) -> None:
    for n, (name, old, new, says) in enumerate(CHANGED_FILES):
        path = shutil.copytree(out, tmp_path / f"case{n}") / name
        text = path.read_text(encoding="utf-8-sig")
        assert old in text
        path.write_bytes(text.replace(old, new, 1).encode("utf-8-sig"))
        digest = {name: hashlib.sha256(path.read_bytes()).hexdigest()}
        _edit(path.parent, lambda manifest, new=digest: manifest["files_sha256"].update(new))
        assert says in " ".join(_faults(path.parent))


CHANGED_CLAIMS: tuple[tuple[Callable[[Any], Any], str], ...] = (
    (lambda p: p["periods"][0].update(n_sites=2), "n_sites is 1, not 2"),
    (lambda p: p["periods"][0].update(n_opened=0), "n_opened is 1, not 0"),
    (lambda p: p["periods"][1].update(n_grown=0), "n_grown is 1, not 0"),
    (lambda p: p["periods"][1].update(spent_cny=9e5), "1,000,000.00 CNY are spent"),
    (lambda p: p["periods"][1].update(served_share=0.5), "another share is served"),
    (lambda p: p["periods"].pop(), "lists other periods"),
    (lambda p: p.update(objective_kwh_per_day=601.0), "on the mean, not what is stated"),
    (lambda p: p.update(gap=0.1), "the gap of all periods is not that of the solve"),
    (lambda p: p.update(bound_kwh_per_day=700.0), "the bound_kwh_per_day of all periods"),
    (lambda p: p.update(myopic_loss_most=0.5), "myopic_loss_most is not"),
    (lambda p: p.update(violations=["x"]), "break a rule"),
)


def test_a_changed_claim_is_found(out: Path, tmp_path: Path) -> None:
    for n, (change, says) in enumerate(CHANGED_CLAIMS):
        folder = shutil.copytree(out, tmp_path / f"case{n}")
        _edit(folder, lambda manifest, change=change: change(manifest["phases"]))
        assert says in " ".join(_faults(folder))


def test_periods_without_their_files_are_found(out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "less"
    shutil.copytree(out, folder)
    (folder / "phases.csv").unlink()
    assert any("cannot be recomputed" in fault for fault in _faults(folder))
    _edit(out, lambda manifest: manifest.pop("phases"))
    assert _faults(out)


def _edit(folder: Path, edit: Any) -> None:  # noqa: ANN401 - changes the manifest
    path = folder / "plan.json"
    manifest = json.loads(path.read_bytes())
    edit(manifest)
    path.write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")


def _faults(folder: Path) -> list[str]:
    return [fault for check in verify_folder(folder) for fault in check.faults]
