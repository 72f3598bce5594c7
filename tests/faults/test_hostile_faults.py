"""Files, addresses and studies made to do harm are refused, within their caps, and do none."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from hostile_files import (
    FILES,
    PWNED,
    SLIPPED,
    TABLES,
    TMP,
    archives,
    broken_arrays,
    bulky_arrays,
    ending_of,
    entities,
    long_texts,
    nothing,
    packed,
    pickles,
    pointers,
    texts,
    unfolding,
)
from planting import pick

from siting.apart import MEMORY_VARIABLE, TIME_VARIABLE
from siting.batch.jobs import read_jobs
from siting.errors import ExitCode, OutputError, SitingError, StudyError
from siting.network import osmnx_graph  # noqa: F401 - imported here, not once in every child
from siting.outputs.files import hold_folder, refuse_foreign_folder
from siting.pipeline import read_apart, read_study, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostile_files import Weapon
    from numpy.random import Generator

    from siting.errors import Fault

MEMORY_MIB, CPU_MINUTES = 1024, 1 / 3
N_SEED = 25


def put(folder: Path, slot: str, value: str) -> None:
    """Name another file for an input of a study."""
    path = folder / "study.yaml"
    study = yaml.safe_load(path.read_text(encoding="utf-8"))
    spec: dict[str, Any] = {"path": value}
    if slot == "candidates":
        spec["source"] = "osm" if ".osm" in value else "file"
    study["inputs"][slot] = [spec] if slot == "stations" else spec
    path.write_text(json.dumps(study, ensure_ascii=False), encoding="utf-8")


def arm(folder: Path, slot: str, weapon: Weapon, rng: Generator) -> str:
    """Put a hostile file in the place of an input, sometimes behind a link; return its name."""
    ending, content = weapon(rng, slot)
    path = folder / f"hostile-{slot}.{ending}"
    if rng.integers(4):
        path.write_bytes(content)
    else:
        (folder / f"{slot}.hidden").write_bytes(content)
        path.symlink_to(f"{slot}.hidden")
    put(folder, slot, path.name)
    return path.name


def refuse(folder: Path) -> tuple[Fault, ...]:
    """Return the faults that `siting plan` would end in while it reads; nothing else happens."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(SitingError) as caught:
        read_apart(read_study(folder / "study.yaml"))
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    assert all(fault.what and fault.remedy for fault in caught.value.faults)
    assert sorted(folder.rglob("*")) == before
    assert not Path(PWNED).exists()
    assert not [*folder.parent.parent.glob(f"**/{SLIPPED}"), *Path(TMP).glob(SLIPPED)]
    return caught.value.faults


@pytest.fixture
def armed(
    corpora: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int, Weapon, tuple[str, ...]], tuple[tuple[Fault, ...], list[str]]]:
    """Return a function that arms inputs of a study, empties its others, and has it refused."""
    monkeypatch.setenv(MEMORY_VARIABLE, str(MEMORY_MIB))
    monkeypatch.setenv(TIME_VARIABLE, str(CPU_MINUTES))
    monkeypatch.chdir(tmp_path)  # where code would leave its mark

    def arm_all(
        seed: int, weapon: Weapon, slots: tuple[str, ...]
    ) -> tuple[tuple[Fault, ...], list[str]]:
        rng, folder = np.random.default_rng([seed, *weapon.__name__.encode()]), tmp_path / f"{seed}"
        shutil.copytree(corpora["csv"], folder)
        names = {
            slot: arm(folder, slot, weapon if slot in slots else nothing, rng) for slot in FILES
        }
        return refuse(folder), [names[slot] for slot in slots]

    return arm_all


WEAPONS: dict[Weapon, tuple[tuple[str, ...], str]] = {
    entities: (("roads", "stations", "candidates", "water"), "type|not a valid OSM|encoding"),
    packed: (FILES, "."),
    unfolding: (TABLES, "unfolds into|computed layers"),
    pointers: (FILES, "."),
    pickles: (FILES, "."),
    archives: (FILES, "."),
    texts: ((*TABLES, "water"), "."),
    broken_arrays: (("roads",), "compact form"),
}


@pytest.mark.parametrize("weapon", WEAPONS, ids=lambda weapon: weapon.__name__)
def test_hostile_files_are_refused_all_at_once(
    weapon: Weapon, armed: Callable[..., Any], record_property: Callable[[str, object], None]
) -> None:
    slots, says = WEAPONS[weapon]
    for seed in range(math.ceil(N_SEED / len(slots))):
        faults, names = armed(seed, weapon, slots)
        for name in names:
            told = [fault.what for fault in faults if (fault.file or "").endswith(name)]
            assert any(re.search(says, what) for what in told), (seed, name, told)
            record_property("faults", "refused")
        assert "toy" not in {fault.file for fault in faults}, faults  # that would be a cap


@pytest.mark.parametrize(
    ("weapon", "slot", "says"),
    [(bulky_arrays, "roads", "it would unpack from"), (long_texts, "vehicles", "memory|texts")],
)
def test_files_that_unfold_into_gigabytes_are_refused(
    weapon: Weapon,
    slot: str,
    says: str,
    armed: Callable[..., Any],
    record_property: Callable[[str, object], None],
) -> None:
    for seed in range(3):
        faults, _ = armed(seed, weapon, (slot,))
        assert any(re.search(says, fault.what) for fault in faults), faults
        record_property("faults", "refused")


# -------------------------------------------------------------------------------------- addresses


SCHEMES = (
    "/vsicurl/http://127.0.0.1:9/", "/vsicurl_streaming/http://127.0.0.1:9/", "/vsizip/t.zip/",
    "/vsitar/t.tar/", "/vsigzip/", "/vsis3/bucket/", "/vsimem/", "/vsistdin/", "/vsisubfile/0_9,",
    "http://127.0.0.1:9/", "https://127.0.0.1:9/", "ftp://127.0.0.1/", "file:///etc/", "s3://b/",
    "//host/share/", "GPKG:/etc/", "SQLITE:", "PG:host=127.0.0.1 ", "MYSQL:db,", "WFS:http://h/",
    "CSV:", "GEOJSON:", "zip://", "jar:file:/", "data:text/csv,",
)  # fmt: skip


def cased(rng: Generator, text: str) -> str:
    """Return a text with some letters in capitals."""
    return "".join(c.upper() if rng.integers(3) == 0 else c for c in text)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_addresses_are_refused_for_every_input(
    scheme: str,
    copy_of: Callable[[str], Path],
    record_property: Callable[[str, object], None],
) -> None:
    rng, folder = np.random.default_rng([*scheme.encode()]), copy_of("csv")
    for slot in FILES:
        kept = scheme if rng.integers(2) else cased(rng, scheme)
        put(folder, slot, f"{kept}hostile-{slot}.{ending_of(rng, slot)}")
    said = "\n".join(map(str, refuse(folder)))
    for slot in FILES:
        assert re.search(rf"hostile-{slot}|inputs\.{slot}", said), (slot, said)
        record_property("faults", "refused")


# ---------------------------------------------------------------------------------------- studies


PYTHON_TAGS = (
    '!!python/object/apply:os.system ["id"]', "!!python/name:os.system", "!!python/module:os",
    "!!python/object/new:os.system [id]", '!!python/tuple ["a"]', "!!python/none", "!x {}",
    "!<tag:yaml.org,2002:python/object:os.system> {}", "!!binary aGk=", "!!set {a}", "!!map {}",
    "!!str a", "!!omap [a: 1]", "!!pairs [a: 1]", "!!int '7'", "!!float '7'", "! a", "!!null ''",
    "!!seq []",
)  # fmt: skip


def tags(rng: Generator, text: str) -> str:
    """Give a value, somewhere in a study, a tag that would build an object."""
    return planted(rng, text, pick(rng, PYTHON_TAGS))


def aliases(rng: Generator, text: str) -> str:
    """Let a study name a part of itself: in a chain that unfolds, in a ring, or by merging."""
    width, depth = int(rng.integers(2, 12)), int(rng.integers(2, 10))
    chain = ", ".join(
        f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * width)}]" if k else "a0: &a0 [x]"
        for k in range(depth)
    )
    parts = (f"{{{chain}}}", "&a [*a]", "{a: &a {b: 1}, c: {<<: *a}}", "&a {b: *a}", "[&a 7, *a]")
    return planted(rng, text, pick(rng, parts))


def duplicate_keys(rng: Generator, text: str) -> str:
    """Say a thing twice: a line of a study again, or a key within braces."""
    lines = text.splitlines()
    if rng.integers(2):
        number = pick(rng, [k for k, line in enumerate(lines) if re.match(r"\w+:", line)])
        key = lines[number].partition(":")[0]
        lines.insert(int(rng.integers(0, 2)) * len(lines), f"{key}: {pick(rng, ('1', '{}', 'a'))}")
        return "\n".join(lines)
    number = pick(rng, [k for k, line in enumerate(lines) if re.search(r"\{\w+: \w", line)])
    lines[number] = re.sub(r"\{(\w+): (\w)", r"{\1: 7, \1: \2", lines[number], count=1)
    return "\n".join(lines)


def depths(rng: Generator, text: str) -> str:
    """Nest lists or maps far deeper than a study does, closed or not."""
    depth = int(10 ** rng.uniform(2, 4.5))
    one, other = pick(rng, [("[", "]"), ("{a: ", "}"), ("{a: {b: ", "}}"), ("[{a: ", "}]")])
    return f"{text}\nmap: {one * depth}{other * depth if rng.integers(2) else ''}\n"


def odd_characters(rng: Generator, text: str) -> str:
    """Put a character into a study that is none, plain or escaped."""
    bad = pick(
        rng,
        ('"a\\0b"', '"\\ud800"', '"\\udc00x"', '"\\x00"', '"\\U0000dfff"', "\0", "\x07", "\x7f"),
    )
    return planted(rng, text, bad)


def planted(rng: Generator, text: str, value: str) -> str:
    """Return a study with a value under a key of its first level, instead of what was there."""
    key = pick(rng, ("data_date", "hour", "title", "map", "alliance", "solve"))
    lines = [line for line in text.splitlines() if not line.startswith(f"{key}:")]
    lines.insert(int(rng.integers(0, 2)) * len(lines), f"{key}: {value}")
    return "\n".join(lines) + "\n"


STUDIES = {
    tags: "YAML tags are refused",
    aliases: "YAML aliases are refused",
    duplicate_keys: "duplicate key",
    depths: "50 deep",
    odd_characters: "escapes of no character|not valid YAML",
}


@pytest.mark.parametrize("mutate", STUDIES, ids=lambda mutate: mutate.__name__)
def test_hostile_studies_are_refused(
    mutate: Callable[[Generator, str], str],
    copy_of: Callable[[str], Path],
    record_property: Callable[[str, object], None],
) -> None:
    path = copy_of("csv") / "study.yaml"
    text = path.read_text(encoding="utf-8")
    for seed in range(N_SEED):
        path.write_text(mutate(np.random.default_rng(seed), text), encoding="utf-8")
        with pytest.raises(StudyError, match=STUDIES[mutate]):
            read_study(path)
        record_property("faults", "refused")
    path.write_text(text + "#" * 1_000_001, encoding="utf-8")
    with pytest.raises(StudyError, match="keep it under 1 MB"):
        read_study(path)


# -------------------------------------------------------------------------------- names of outputs


def hostile_place(rng: Generator, folder: Path) -> Path:
    """Return a place for outputs that leads, by links and dots, to what is somebody else's."""
    (folder / "precious").mkdir()
    (folder / "precious" / "thesis.txt").write_text("mine")
    place = folder / "precious"
    for number in range(int(rng.integers(1, 4))):
        link = folder / f"link{number}"
        link.symlink_to(place if rng.integers(2) else place.name)
        place = link
    aside = folder / "aside"
    aside.mkdir()
    return pick(rng, [
        place,
        place / ".",
        place / ".." / "precious",
        aside / ".." / place.name,
        place / "thesis.txt",
        place / "thesis.txt" / "out",
        dangling(folder),
    ])  # fmt: skip


def dangling(folder: Path) -> Path:
    link = folder / "dangling"
    link.symlink_to(folder / "nowhere")
    return link


def take(folder: Path) -> None:
    """Take a place for outputs as every command does before it reads."""
    refuse_foreign_folder(folder)
    with hold_folder(folder):
        pass


def test_links_and_dots_in_output_names_reach_nothing_else(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    for seed in range(N_SEED):
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        out = hostile_place(np.random.default_rng(seed), folder)
        with pytest.raises(OutputError):
            take(out)
        assert [path.name for path in (folder / "precious").iterdir()] == ["thesis.txt"]
        assert (folder / "precious" / "thesis.txt").read_text() == "mine"
        assert not (folder / "nowhere").exists()
        record_property("faults", "refused")


def test_links_that_stand_where_outputs_go_are_not_written_through(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    study, thesis = copy_of("csv") / "study.yaml", tmp_path / "thesis.txt"
    thesis.write_text("mine")
    (tmp_path / ".out.lock").symlink_to(thesis)
    with contextlib.suppress(OutputError):
        run(study, tmp_path / "out")
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "check.html").symlink_to(thesis)
    run(study, tmp_path / "whole")
    assert thesis.read_text() == "mine"


def hostile_name(rng: Generator) -> str:
    """Return a name that, as a folder's, would be a path, a device, or look like another."""
    word = "".join(pick(rng, "abcxyz07") for _ in range(int(rng.integers(1, 6))))
    bad = pick(
        rng, ("../", "/", "\\", "..\\", "\u202e", "\u2066", ":", "~/", "\x07", "*", "?", "|")
    )
    at = int(rng.integers(0, len(word) + 1))
    return word[:at] + bad + word[at:]


@pytest.mark.parametrize(
    "name",
    ["../x", "..", "a/b", "/opt/x", "~", "CON:"]
    + [hostile_name(np.random.default_rng(seed)) for seed in range(N_SEED)],
)
def test_a_name_that_is_a_path_names_no_folder(
    name: str, corpora: dict[str, Path], tmp_path: Path
) -> None:
    study, table = corpora["csv"] / "study.yaml", tmp_path / "batch.csv"
    text = io.StringIO()
    csv.writer(text).writerows([["name", "study"], [name, str(study)]])
    table.write_text(text.getvalue(), encoding="utf-8")
    with pytest.raises(StudyError, match="cannot name a folder"):
        read_jobs([table])
