"""What `export` does with one store, and with several.

Knows stores, outputs and what is said of them. Does not know the options of the kinds.
"""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from slidetile.cli.options import usage_errors
from slidetile.cli.show import (
    FAILED,
    OK,
    UNREADABLE,
    mention,
    say,
    show_document,
    tell_failure,
    warn,
)
from slidetile.counts import how_many

if TYPE_CHECKING:
    from slidetile.cli.outcome_facts import ExportFacts
    from slidetile.cli.several import Meant
    from slidetile.cloud.address import Location
    from slidetile.export.exported import Exported
    from slidetile.runtime.governor import MemoryUse

_ONES_OWN = {"dicom_attributes": "--dicom-attributes", "image_path": "--image-path"}
"""Choices that are of one slide, and their options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A store that was exported."""

    store: "Location"
    exported: "Exported"
    seconds: float
    memory: "MemoryUse | None"
    """The memory that it took, where that is known."""

    @property
    def facts(self) -> "ExportFacts":
        """What is told of it."""
        from slidetile.cli.outcome_facts import export_facts

        return export_facts(self.store, self.exported, self.seconds)


def exported_one(
    store: "Location",
    output: "Location",
    spec: Any,
    *,
    slide: "Location | None",
    workers: int | None,
    quiet: bool,
) -> Done:
    """Export a store, and show the progress unless it is to be ``quiet``."""
    from slidetile.cli.progress import show_progress
    from slidetile.export.exporting import export_store
    from slidetile.store.store import open_store

    begin, things = time.perf_counter(), "windows" if hasattr(spec, "shard_bytes") else "tiles"
    with show_progress(quiet=quiet, things=things) as progress:
        opened = open_store(store, slide=slide)
        exported = export_store(opened, output, spec, on_progress=progress, workers=workers)
    seconds = time.perf_counter() - begin
    return Done(store=opened.path, exported=exported, seconds=seconds, memory=progress.memory)


def export_several(
    meant: "Meant",
    folder: "Location",
    spec: Any,
    *,
    slide: "Location | None",
    workers: int | None,
    as_json: bool,
) -> NoReturn:
    """Export stores one after another, each whatever became of the others, and exit."""
    from slidetile.cli.outcome_facts import several_exported_facts
    from slidetile.cli.several import each_outcome

    outputs = _outputs(meant, folder, spec, slide)

    def export(store: "Location") -> "ExportFacts":
        output = outputs[store]
        done = exported_one(store, output, spec, slide=slide, workers=workers, quiet=as_json)
        return done.facts

    paths = iter(meant.paths)

    def show(outcome: "ExportFacts | Exception") -> None:
        store = next(paths)
        if not as_json:  # which has all in one document
            _show_outcome(store, outcome)

    outcomes = each_outcome(export, meant, show)
    if as_json:
        show_document(several_exported_facts(meant.paths, outcomes))
    sys.exit(_summed_up(outcomes))


def _outputs(
    meant: "Meant", folder: "Location", spec: Any, slide: "Location | None"
) -> "Mapping[Location, Location]":
    """Return the output of each store.

    Raises
    ------
    click.UsageError
        Two would have the same, or a choice is of one slide.
    """
    from slidetile.choices import UnfitChoiceError
    from slidetile.export.kinds import kind_of
    from slidetile.export.outputs import outputs_of

    if isinstance(folder, Path) and folder.exists() and not folder.is_dir():
        raise click.UsageError(f"{folder} is no folder, which holds the outputs of several stores.")
    given = [] if slide is None else ["--slide"]
    given += [option for name, option in _ONES_OWN.items() if getattr(spec, name, None) is not None]
    if given and len(meant.paths) > 1:
        count = how_many(len(meant.paths), "stores")
        raise click.UsageError(
            f"{given[0]} is of one store, but {count} are meant: export them one by one."
        )
    with usage_errors(UnfitChoiceError):
        return outputs_of(meant.paths, folder, kind_of(spec))


def _show_outcome(store: "Location", outcome: "ExportFacts | Exception") -> None:
    from slidetile.cli.sentences import exported_line

    if isinstance(outcome, Exception):
        tell_failure(outcome, of=store)
    else:
        say(exported_line(outcome))


def _summed_up(outcomes: "Sequence[ExportFacts | Exception]") -> int:
    """Tell what became of all, and return the exit code."""
    from slidetile.export.exported import UNREADABLE_TILES, UNREADABLE_WINDOWS

    found = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    done, failed = sum(facts["already_done"] for facts in found), len(outcomes) - len(found)
    told = {"exported": len(found) - done, "already done": done, "failed": failed}
    words = ", ".join(f"{count:,} {what}" for what, count in told.items())
    mention(f"{how_many(len(outcomes), 'stores')}: {words}")
    notes = Counter(note for facts in found for note in facts["notes"])
    for note, count in notes.items():
        mention(f"note: {note} ({how_many(count, 'stores')})")
    lost: Counter[str] = Counter()
    for facts in found:
        lost.update({each["what"]: each["count"] for each in facts["left_out"]})
    for what in (UNREADABLE_TILES, UNREADABLE_WINDOWS):
        if lost[what]:
            warn(
                f"{what}: {lost[what]:,}, which are not in what was written; see the column status "
                "of the tile tables"
            )
    if failed:
        return FAILED
    return UNREADABLE if lost[UNREADABLE_TILES] or lost[UNREADABLE_WINDOWS] else OK
