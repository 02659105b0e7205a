"""Names of what DICOM identifies by numbers, as pydicom has them."""

from slidetile.slides.dicom._header import parsed

_MOST_CHARACTERS = 64


def uid_name(uid: str) -> str:
    """Return the name of a class, or of a transfer syntax."""
    from pydicom.uid import UID

    known = uid.isascii() and len(uid) <= _MOST_CHARACTERS and not uid.strip("0123456789.")
    return str(parsed(lambda: UID(uid).name)) if known else "an unknown one"


def class_name(sop_class: str) -> str:
    """Return the name of a class of files, such as "Segmentation"."""
    return uid_name(sop_class).removesuffix(" Storage")
