"""Names of stations and operators made comparable, in Chinese and in Latin script."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from rapidfuzz import fuzz

_HAN = re.compile(r"[\u3400-\u9fff]")
_NOT_WORD = re.compile(r"[\W_]+")
_GENERIC_HAN = re.compile(
    r"公共|专用|新能源|电动汽车|汽车|超级|液冷|快速|超充|快充|慢充|充电(?:场站|站|桩|点|区|场)?"
    r"|地下|地面|停车(?:场|库|位)?|车库"
)
_GENERIC_LATIN = frozenset(
    {
        "the", "ev", "electric", "vehicle", "car", "charging", "charger", "chargers", "charge",
        "station", "stations", "point", "points", "hub", "fast", "rapid", "ultra", "super",
        "supercharger", "superchargers", "public", "parking", "garage", "lot", "carpark", "park",
    }
)  # fmt: skip
_LEGAL_HAN = re.compile(r"股份有限公司|有限责任公司|有限公司|公司|集团|股份")
_LEGAL_LATIN = frozenset(
    {
        "ag", "bv", "co", "company", "corp", "corporation", "gmbh", "group", "inc", "limited",
        "llc", "ltd", "network", "networks", "plc", "sa", "sas", "spa",
    }
)  # fmt: skip

_OPERATORS = {
    "byd": ("比亚迪", "byd"),
    "bp": ("英国石油", "bp pulse", "bp"),
    "chargepoint": ("chargepoint", "charge point"),
    "evgo": ("evgo",),
    "huawei": ("华为", "huawei"),
    "ionity": ("ionity",),
    "liauto": ("理想汽车", "li auto"),
    "nio": ("蔚来", "nio"),
    "petrochina": ("中国石油", "中石油", "petrochina"),
    "potevio": ("普天新能源", "potevio"),
    "shell": ("壳牌", "shell recharge", "shell"),
    "sinopec": ("中国石化", "中石化", "sinopec"),
    "southerngrid": ("南方电网", "南网电动", "顺易充", "southern power grid"),
    "starcharge": ("星星充电", "star charge", "starcharge"),
    "stategrid": ("国家电网", "国网", "state grid"),
    "teld": ("特来电", "teld"),
    "tesla": ("特斯拉", "tesla"),
    "xiaoju": ("小桔充电", "小桔", "xiaoju"),
    "xpeng": ("小鹏", "xpeng"),
    "ykc": ("云快充", "ykc"),
}
"""Operators that feeds call by more than one name; the first is the name compared."""

_ALIASES = [
    (alias, key, re.compile(alias if _HAN.search(alias) else rf"(?<![a-z]){alias}(?![a-z])"))
    for key, aliases in _OPERATORS.items()
    for alias in aliases
]
_HAN_DIGITS = {digit: str(n) for n, digit in enumerate("零一二三四五六七八九")} | {"十": "10"}
_HAN_NUMBER = re.compile(r"([一二三四五六七八九十])(?=[期号楼层栋座区站库场])")
_MARKS = re.compile(
    r"\d+"
    r"|(?<![a-z])[a-z](?=[座区栋馆口库厅期]|$|[^a-z\u3400-\u9fff])"
    r"|[东西南北](?=[区门侧站口座行]|服务区)"
    r"|[上下](?=行)"
    r"|\b(?:north|south|east|west)(?=bound\b|\b)"
)
_MARK_WORDS = {"东": "east", "西": "west", "南": "south", "北": "north"}
MIN_KEY_CHARS = 2


@dataclass(frozen=True, slots=True)
class NameKey:
    """What of a station's names is compared.

    Attributes
    ----------
    han, latin
        The name in Chinese and in Latin script, without generic words and operators; ``""`` where
        nothing is left.
    marks
        What tells neighbours apart: numbers, letters of blocks, points of the compass.
    operators
        Keys of the operator, network, owner, and of operators named in the station's name.
    """

    han: str
    latin: str
    marks: frozenset[str]
    operators: frozenset[str]


def build_name_key(name: str, name_zh: str, *, operators: tuple[str, ...] = ()) -> NameKey:
    """Build what is compared of a station.

    Parameters
    ----------
    name, name_zh
        Its names.
    operators
        Its operator, network and owner, as far as given.
    """
    texts = [_fold(text) for text in (name, name_zh)]
    han = next((text for text in texts if _HAN.search(text)), "")
    latin = next((text for text in texts if text and not _HAN.search(text)), "")
    named = {key for text in (han, latin) for _, key, pattern in _ALIASES if pattern.search(text)}
    keys = {_operator_key(operator) for operator in operators} - {""}
    return NameKey(
        han=_strip_han(han),
        latin=_strip_latin(latin),
        marks=_find_marks(han) | _find_marks(latin),
        operators=frozenset(keys | named),
    )


def compare_names(a: NameKey, b: NameKey) -> float | None:
    """Return how alike two names are (0 to 100); None if they share no script to compare in."""
    scores = [
        fuzz.WRatio(left, right)
        for left, right in ((a.han, b.han), (a.latin, b.latin))
        if len(left) >= MIN_KEY_CHARS and len(right) >= MIN_KEY_CHARS
    ]
    return max(scores, default=None)


def marks_differ(a: NameKey, b: NameKey) -> bool:
    """Whether both names bear marks, such as block A and block B, and none in common."""
    return bool(a.marks) and bool(b.marks) and not a.marks & b.marks


def compare_operators(a: NameKey, b: NameKey) -> float | None:
    """Return how alike the closest two operators are (0 to 100); None if not comparable."""
    scores = [
        fuzz.WRatio(left, right)
        for left in a.operators
        for right in b.operators
        if _kind_of(left) == _kind_of(right)
    ]
    return max(scores, default=None)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _strip_han(text: str) -> str:
    for _, _, pattern in _ALIASES:
        text = pattern.sub("", text)
    return _NOT_WORD.sub("", _GENERIC_HAN.sub("", text))


def _strip_latin(text: str) -> str:
    for _, _, pattern in _ALIASES:
        text = pattern.sub(" ", text)
    words = _NOT_WORD.sub(" ", text).split()
    return " ".join(word for word in words if word not in _GENERIC_LATIN)


def _find_marks(text: str) -> frozenset[str]:
    text = _HAN_NUMBER.sub(lambda match: _HAN_DIGITS[match.group(1)], text)
    return frozenset(
        _MARK_WORDS.get(mark, mark.lstrip("0") or "0") for mark in _MARKS.findall(text)
    )


def _operator_key(text: str) -> str:
    folded = _fold(text)
    for _, key, pattern in _ALIASES:
        if pattern.search(folded):
            return key
    if _HAN.search(folded):
        return _NOT_WORD.sub("", _LEGAL_HAN.sub("", folded))
    words = _NOT_WORD.sub(" ", folded).split()
    return " ".join(word for word in words if word not in _LEGAL_LATIN)


def _kind_of(key: str) -> str:
    """Return the script of an operator's key: a code of digits says nothing about a name."""
    if _HAN.search(key):
        return "han"
    return "code" if any(char.isdigit() for char in key) else "latin"
