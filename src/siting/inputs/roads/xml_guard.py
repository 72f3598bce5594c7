"""Refusing XML that could expand without end, before any reader touches it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from siting.errors import Fault, InputError

if TYPE_CHECKING:
    from pathlib import Path


def refuse_hostile_xml(path: Path) -> None:
    """Refuse a file that is no XML or declares a document type.

    Entities, which can expand to any size, are declared in a document type, and that stands
    before the first element; so the file's beginning tells.

    Raises
    ------
    InputError
        If so, or if the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            next(iter(iterparse(stream, events=("start",), forbid_dtd=True)))
    except OSError as error:
        reason, remedy = error.strerror or str(error), "give a readable road file"
    except DefusedXmlException:
        reason = "it declares a document type, which can hide entities that expand without end"
        remedy = "export the roads again; OSM and GraphML files need no document type"
    except (ParseError, StopIteration, ValueError, LookupError):  # the last of encodings
        reason, remedy = "it is not XML", "give an OSM or GraphML file, or state another format"
    else:
        return
    raise InputError(
        [Fault(file=str(path), what=f"cannot be read: {reason}", remedy=remedy)]
    ) from None
