"""`siting verify`: a right plan passes, and whatever is changed in it is found."""

from __future__ import annotations

import copy
import csv
import hashlib
import io
import json
import random
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from typer.testing import CliRunner

from siting.cli import app
from siting.errors import ExitCode, InputError
from siting.pipeline import run
from siting.verify import verify_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def out(study_path: Path, tmp_path: Path) -> Path:
    run(study_path, tmp_path / "out")
    return tmp_path / "out"


def faults_of(folder: Path) -> list[str]:
    return [fault for check in verify_folder(folder) for fault in check.faults]


def rewrite(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """Change a file and put its new hash into the manifest, as who wants to deceive would."""
    path = folder / name
    text = path.read_text(encoding="utf-8-sig")
    changed = change(text)
    assert changed != text
    path.write_bytes(changed.encode("utf-8-sig"))
    edit_manifest(
        folder,
        lambda manifest: manifest["files_sha256"].update(
            {name: hashlib.sha256(path.read_bytes()).hexdigest()}
        ),
    )


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "plan.json"
    manifest = json.loads(path.read_bytes())
    edit(manifest)
    path.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def test_a_right_plan_holds(out: Path, study_path: Path) -> None:
    checks = verify_folder(out)
    assert [check.name for check in checks] == [
        "files",
        "sites",
        "flows",
        "objective",
        "tables",
        "ledger",
        "proof",
        "waiting",
    ]
    assert [fault for check in checks for fault in check.faults] == []
    result = CliRunner().invoke(app, ["verify", str(out), "--study", str(study_path)])
    assert result.exit_code == ExitCode.OK, result.output
    assert "holds  inputs" in result.stdout


def test_another_input_is_found(out: Path, study_path: Path) -> None:
    with (study_path.parent / "vehicles.csv").open("a", encoding="utf-8") as stream:
        stream.write("more,114.3,30.6,1,1\n")
    result = CliRunner().invoke(app, ["verify", str(out), "--study", str(study_path)])
    assert result.exit_code == ExitCode.UNVERIFIED
    assert "vehicles.csv is not the file that was read" in result.stdout
    assert "another instance" in result.stdout


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("flows.csv", "home,WEST,ant,600.0", "home,WEST,ant,600.001", "served beyond demand"),
        ("flows.csv", "home,WEST,ant,600.0", "home,WEST,ant,599.999", "not what is stated"),
        ("flows.csv", "home,WEST,ant,600.0", "home,WEST,ant,600.0001", "no whole number"),
        ("flows.csv", "home,WEST,ant,600.0", "home,EAST,ant,600.0", "out of reach"),
        ("flows.csv", "home,WEST,bee", "home,WEST,ant", "stands twice"),
        ("flows.csv", "shop,WEST,bee", "shop,EAST,bee", "gives more than it can"),
        ("sites.csv", "WEST,", "EAST,", "sites.csv and the manifest list other sites"),
        ("sites.csv", ",1000000.0,", ",999999.0,", "cost_cny of WEST is not"),
        ("waiting.csv", "WEST,", "EAST,", "waiting.csv lists other sites"),
        ("waiting.csv", "True", "False", "kept of WEST is True"),
    ],
)
def test_a_changed_answer_is_found_though_its_hash_fits(
    out: Path, name: str, old: str, new: str, says: str
) -> None:
    rewrite(out, name, lambda text: text.replace(old, new, 1))
    assert any(says in fault for fault in faults_of(out)), faults_of(out)


def test_a_changed_byte_and_a_file_too_many_are_found(out: Path) -> None:
    for name in ("map.html", "sites.geojson"):
        content = (out / name).read_bytes()
        (out / name).write_bytes(content[:-1] + b" ")
        assert f"{name} has changed" in faults_of(out)
        (out / name).write_bytes(content)
    (out / "more.txt").touch()
    assert faults_of(out) == ["more.txt is not in the manifest"]
    (out / "more.txt").unlink()
    (out / "map.html").unlink()
    assert faults_of(out) == ["map.html is missing"]
    (out / "instance.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="cannot be read"):
        verify_folder(out)


def edit_certificate(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "certificate.json"
    certificate = json.loads(path.read_bytes())
    edit(certificate)
    path.write_text(json.dumps(certificate), encoding="utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit_manifest(
        folder, lambda manifest: manifest["files_sha256"].update({"certificate.json": digest})
    )


def test_the_bound_is_proven_by_the_prices_alone(out: Path) -> None:
    # All 1,500 kWh within reach are served, and prices of 1 on them prove that no more can be.
    proof = {check.name: check for check in verify_folder(out)}["proof"]
    assert proof.passed
    assert "prices alone prove 0.0" in proof.detail
    edit_certificate(out, lambda c: c.update(demand=[[0.0, 0.0]] * 3, budget=0.0))
    assert "do not prove the bound" in " ".join(faults_of(out))


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda c: c.update(bound_by_duality_kwh_per_day=1499.0), "do not prove the bound"),
        (lambda c: c.update(demand=[[-1.0, 0.0]] * 3), "a price is negative"),
        (lambda c: c.update(demand=[[1.0, 1.0]] * 2), "belong to another instance"),
        (lambda c: c.update(greatest_count=1.0), "a limit that is not there has a price"),
        (lambda c: c.update(cliques=[{"sites": [0, 1], "price": 1.0}]), "do not stand too close"),
        (lambda c: c.update(budget=float("nan")), "no finite number"),
    ],
)
def test_a_certificate_that_proves_nothing_is_found(
    out: Path, edit: Callable[[dict[str, Any]], None], says: str
) -> None:
    edit_certificate(out, edit)
    assert says in " ".join(faults_of(out))


def test_a_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "holds no" in result.stderr


# -------------------------------------------------------------------------------- ten thousand lies


class Lie(NamedTuple):
    """The texts of a plan's files, which one mutation changes."""

    sites: list[dict[str, str]]
    flows: list[dict[str, str]]
    manifest: dict[str, Any]
    rng: random.Random


def flip_a_site(lie: Lie) -> None:
    row = lie.rng.choice(lie.sites)
    row["site_id"] = "EAST" if row["site_id"] == "WEST" else "WEST"
    for listed in lie.manifest["sites"]:
        listed["site_id"] = row["site_id"]


def close_a_site(lie: Lie) -> None:
    row = lie.rng.choice(lie.sites)
    lie.sites.remove(row)
    lie.manifest["sites"] = [r for r in lie.manifest["sites"] if r["site_id"] != row["site_id"]]
    lie.manifest["n_sites"] -= 1


def change_a_tier(lie: Lie) -> None:
    lie.rng.choice(lie.sites)["tier"] = lie.rng.choice(["small", "huge", ""])


def change_an_energy(lie: Lie) -> None:
    row = lie.rng.choice(lie.flows)
    wh = lie.rng.choice([1, -1, 10, -10, lie.rng.randrange(1, 10**6)])
    row["kwh_per_day"] = f"{float(row['kwh_per_day']) + wh / 1000:.3f}"


def drop_a_flow(lie: Lie) -> None:
    lie.flows.remove(lie.rng.choice(lie.flows))


def trickle_through_a_closed_site(lie: Lie) -> None:
    wh = lie.rng.randrange(1, 1000)
    flow = lie.rng.choice(lie.flows)
    flow["kwh_per_day"] = f"{float(flow['kwh_per_day']) - wh / 1000:.3f}"
    demand, brand = ("shop", "bee") if lie.rng.random() < 0.5 else ("home", "ant")
    lie.flows.append(
        {"demand_id": demand, "supply_id": "EAST", "brand": brand, "kwh_per_day": f"{wh / 1000}"}
    )


def change_a_price(lie: Lie) -> None:
    fen = lie.rng.choice([1, -1, lie.rng.randrange(1, 10**8)]) / 100
    where = lie.rng.choice(["site", "cost", "checked", "payment", "two payments"])
    if where == "site":
        row = lie.rng.choice(lie.sites)
        row["cost_cny"] = str(float(row["cost_cny"]) + fen)
    elif where == "cost":
        lie.manifest["cost_cny"] += fen
    elif where == "checked":
        lie.manifest["checked_without_solver"]["cost_cny"] += fen
    else:
        ledger = lie.manifest["ledger"]
        ledger[0]["pays_cny"] = round(ledger[0]["pays_cny"] + fen, 2)
        if where == "two payments":
            ledger[1]["pays_cny"] = round(ledger[1]["pays_cny"] - fen / 2, 3)


def change_the_claim(lie: Lie) -> None:
    solve = lie.manifest["solve"]
    key = lie.rng.choice(["objective_kwh_per_day", "bound_kwh_per_day", "gap", "status"])
    if key == "status":
        solve["status"] = "feasible"
    else:
        solve[key] = solve[key] + lie.rng.choice([1, 0.01, 1e-4])


def change_the_service(lie: Lie) -> None:
    row = lie.rng.choice(lie.manifest["service_by_brand"])
    row["joint_kwh_per_day"] += lie.rng.choice([0.01, -0.01, 5])


LIES = (
    flip_a_site,
    close_a_site,
    change_a_tier,
    change_an_energy,
    drop_a_flow,
    trickle_through_a_closed_site,
    change_a_price,
    change_the_claim,
    change_the_service,
)


def find_unnoticed(out: Path, folder: Path, *, n_lie: int) -> list[tuple[int, str]]:
    """Tell many lies, each with every hash put right, and return those that pass."""
    shutil.copytree(out, folder)
    files = {
        name: (out / name).read_text(encoding="utf-8-sig") for name in ("sites.csv", "flows.csv")
    }
    manifest = (out / "plan.json").read_text(encoding="utf-8")
    tables = {name: list(csv.DictReader(io.StringIO(text))) for name, text in files.items()}
    unnoticed = []
    for seed in range(n_lie):
        rng = random.Random(seed)  # noqa: S311 - mutations, not secrets
        lie = Lie(*copy.deepcopy(tuple(tables.values())), json.loads(manifest), rng)
        mutate = rng.choice(LIES)
        mutate(lie)
        for name, rows in (("sites.csv", lie.sites), ("flows.csv", lie.flows)):
            stream = io.StringIO(newline="")
            writer = csv.DictWriter(stream, tables[name][0].keys())
            writer.writeheader()
            writer.writerows(rows)
            content = stream.getvalue().encode("utf-8-sig")
            (folder / name).write_bytes(content)
            lie.manifest["files_sha256"][name] = hashlib.sha256(content).hexdigest()
        (folder / "plan.json").write_text(json.dumps(lie.manifest), encoding="utf-8")
        if not faults_of(folder):
            unnoticed.append((seed, mutate.__name__))
    return unnoticed


def test_no_lie_passes(out: Path, tmp_path: Path) -> None:
    assert find_unnoticed(out, tmp_path / "lies", n_lie=400) == []


@pytest.mark.slow
def test_no_lie_of_ten_thousand_passes(out: Path, tmp_path: Path) -> None:
    assert find_unnoticed(out, tmp_path / "lies", n_lie=10_000) == []
