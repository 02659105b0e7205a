"""What a file says about patient and study, and nothing else.

Knows which attributes a caller may give. Does not know the image.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any
from unicodedata import category

from slidetile.choices import UnfitChoiceError
from slidetile.counts import nearest

ALLOWED = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("PatientAge", "PatientIdentityRemoved", "DeidentificationMethod"),
    *("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "StudyDescription"),
    *("AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "SeriesDescription"),
    *("ContentDate", "ContentTime", "AcquisitionDateTime", "InstitutionName"),
    *("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber"),
    *("ContainerIdentifier", "SpecimenIdentifier", "SpecimenShortDescription"),
    "BodyPartExamined",
)
"""The keywords that a file may have. All others follow from the store."""

_NEVER_EMPTY = {
    *("StudyInstanceUID", "ContentDate", "ContentTime", "AcquisitionDateTime"),
    *("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber"),
    *("ContainerIdentifier", "SpecimenIdentifier"),
}
"""Those that a whole-slide image must have: DICOM's type 1."""

_CHOICES = {"PatientSex": ("M", "F", "O", ""), "PatientIdentityRemoved": ("YES", "NO", "")}
"""Those of which DICOM lists the values."""

_FORMS = {
    "DA": "a date is written YYYYMMDD, such as 19700131.",
    "TM": "a time is written HHMMSS, such as 142500.",
    "DT": "a date and time is written YYYYMMDDHHMMSS, such as 20260131142500.",
    "AS": "an age is written as three digits and D, W, M or Y, such as 045Y.",
    "UI": "a UID is numbers between dots, at most 64 characters, such as 2.25.1234.",
    "IS": "it is not a whole number of 32 bits.",
}
"""How values of some kinds (DICOM's VR) are written."""

_OF_NO_PERSON = {
    *("PatientIdentityRemoved", "DeidentificationMethod", "SeriesNumber", "SeriesDescription"),
    *("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "BodyPartExamined"),
}
"""Attributes by which nobody can be found."""

LARGEST_BYTES = 1 << 20
"""More than any such file has."""


def read_attributes(file: str | os.PathLike[str] | None) -> dict[str, str]:
    """Return the attributes in a JSON file: an object of keywords, each with its text.

    Raises
    ------
    UnfitChoiceError
        It is not such a file, or a keyword or a value cannot be; the message has the line.
    OSError
        It cannot be read.
    """
    if file is None:
        return {}
    path = Path(file)
    with path.open("rb") as opened:
        data = opened.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise UnfitChoiceError(f"{path} has more than {LARGEST_BYTES} bytes: it is no such file.")
    try:
        text = data.decode("utf-8-sig")
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except UnicodeDecodeError as error:
        raise UnfitChoiceError(f"{path} is not UTF-8: {error}.") from error
    except json.JSONDecodeError as error:
        raise UnfitChoiceError(f"{path}, line {error.lineno}: {error.msg}.") from error
    except RecursionError as error:
        raise UnfitChoiceError(f"{path} is nested too deeply: it is no such file.") from error
    if not isinstance(pairs, _Pairs):
        raise UnfitChoiceError(f'{path} is not a JSON object such as {{"PatientID": "1234"}}.')
    return _checked(pairs, text, path)


class _Pairs(list[tuple[str, Any]]):
    """The members of an object, in their order, each as often as it is there."""


def _checked(pairs: _Pairs, text: str, path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for keyword, value in pairs:
        where = f"{path}, line {_line(text, keyword)}"
        if keyword not in ALLOWED:
            raise UnfitChoiceError(
                f"{where}: {keyword!r} is not an attribute that can be given{_like(keyword)}; "
                f"those are {', '.join(ALLOWED)}."
            )
        if keyword in found:
            raise UnfitChoiceError(f"{where}: {keyword} is given twice.")
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise UnfitChoiceError(f"{where}: {keyword} must be a text, but it is {_json(value)}.")
        found[keyword] = str(value)
        why = _why_not(keyword, found[keyword])
        if why is not None:
            raise UnfitChoiceError(f"{where}: {keyword} is {value!r}, which cannot be: {why}")
    if found.get("PatientIdentityRemoved") == "YES" and not found.get("DeidentificationMethod"):
        raise UnfitChoiceError(
            f"{path}: PatientIdentityRemoved is 'YES', so DeidentificationMethod has to say how."
        )
    return found


def _why_not(keyword: str, value: str) -> str | None:
    """Return why an attribute does not have a value; None if it may."""
    if "\\" in value:
        return "it holds a backslash, which would make it several values."
    if any(category(sign) in ("Cc", "Cs") for sign in value):
        return "it holds a control character, or half a character."
    if not value and keyword in _NEVER_EMPTY:
        return "it may not be empty. Leave it out."
    if value not in _CHOICES.get(keyword, (value,)):
        return f"it is one of {', '.join(_CHOICES[keyword][:-1])}, or empty."
    return _why_not_of_its_kind(keyword, value)


def _why_not_of_its_kind(keyword: str, value: str) -> str | None:
    """Return why a value does not have the form of its attribute; None if it has."""
    from pydicom import config
    from pydicom.datadict import dictionary_VR
    from pydicom.valuerep import validate_value

    kind = dictionary_VR(keyword)
    try:
        validate_value(kind, value, config.RAISE)
    except ValueError as error:
        return _FORMS.get(kind, str(error).partition(" Please see")[0])
    if keyword == "SeriesNumber" and value and not -(1 << 31) <= int(value) < 1 << 31:
        return _FORMS[kind]
    if kind in ("DA", "DT") and not _is_a_day(value[:8]):
        return "there is no such day."
    return None


def _is_a_day(text: str) -> bool:
    """Return whether eight digits are a day of the calendar; fewer are not looked at."""
    if len(text) < 8:
        return True
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _like(keyword: str) -> str:
    """Return which attribute is meant, where one has nearly the same name."""
    found = nearest(keyword, ALLOWED, likeness=0.85)
    return f" (do you mean {found}?)" if found else ""


def _json(value: Any) -> str:
    return json.dumps(dict(value) if isinstance(value, _Pairs) else value, ensure_ascii=False)


def _line(text: str, keyword: str) -> int:
    found = list(re.finditer(rf"{re.escape(json.dumps(keyword))}\s*:", text))
    return text.count("\n", 0, found[-1].start()) + 1 if found else 1


def digest_of(attributes: Mapping[str, str]) -> str:
    """Return what tells attributes from others: a SHA-256, in hex."""
    return hashlib.sha256("\n".join(map(str, sorted(attributes.items()))).encode()).hexdigest()


def names_nobody(attributes: Mapping[str, str]) -> bool:
    """Return whether nobody can be found by what is given."""
    return not any(value for key, value in attributes.items() if key not in _OF_NO_PERSON)


def given(attributes: Mapping[str, str], *keywords: str, default: str = "") -> dict[str, str]:
    """Return some attributes, those that are not given with a default."""
    return {keyword: attributes.get(keyword, default) for keyword in keywords}
