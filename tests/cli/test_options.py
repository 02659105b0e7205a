"""The command line takes what the API takes, and shows it before anything heavy is loaded."""

import subprocess
import sys
from typing import get_args

import click
import pytest

import slidetile as st
from slidetile import choices
from slidetile.cli.commands import main
from slidetile.cli.options import make_recipe, take_writing_options

HEAVY = {"numpy", "pyarrow", "rich.console", "zarr"}


def options_of(*line):
    """Return the values of a command's options where this is typed, as the command gets them."""
    seen = {}

    @click.command(params=main.commands[line[0]].params)
    def spy(**values):
        seen.update(values)

    spy.main(list(line[1:]), standalone_mode=False)
    return seen


def recipe_of(*line):
    names = ("slide", "output", "workers", "preview", "geojson", "as_json", "processes")
    names += ("inputs", "timeout_s", "isolate", "retries", "part", "dry_run", "log_json")
    names += ("scheduler", "cluster", "split_tiles")
    others = ("overwrite", "restart", "retry_unreadable", "durable", "anonymous", "memory")
    others += ("codec_name",)
    options = options_of(*line)
    return make_recipe(**{k: v for k, v in options.items() if k not in names + others})


@pytest.mark.parametrize("line", [("plan", "x"), ("tile", "x"), ("batch", "x", "-o", "y")])
def test_options_that_are_not_given_are_what_the_api_takes(line):
    assert recipe_of(*line) == st.Recipe()


def test_annotations_without_options_are_what_the_api_takes():
    recipe = recipe_of("plan", "x", "--annotations", "x.geojson")
    assert recipe == st.Recipe(annotations=st.AnnotationsSpec(path=recipe.annotations.path))


def test_writing_options_that_are_not_given_are_what_the_api_takes():
    assert take_writing_options(options_of("tile", "x")) == {
        "workers": None,
        "options": st.WriteOptions(),
    }


def test_a_codecs_quality_that_is_not_given_is_what_the_api_takes(cli):
    assert f"[default: {st.JpegCodec().quality}]" in " ".join(cli("tile", "-h").stdout.split())


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("codec", choices.CodecName),
        ("codec_name", choices.JpegName),
        ("edge", choices.Edge),
        ("annotations_mode", choices.AnnotationsMode),
        ("annotations_unit", choices.AnnotationUnit),
        ("annotations_origin", choices.AnnotationOrigin),
    ],
)
def test_an_option_offers_all_that_the_api_does(option, names):
    (parameter,) = [p for p in main.commands["tile"].params if p.name == option]
    assert tuple(parameter.type.choices) == get_args(names)


@pytest.mark.parametrize("command", [(), *((name,) for name in main.commands)])
def test_help_loads_nothing_heavy(command):
    program = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print({HEAVY} & set(sys.modules)))\n"
        "from slidetile.cli.commands import main\n"
        "main()"
    )
    line = [sys.executable, "-c", program, *command, "--help"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: ")
    assert done.stdout.endswith("set()\n")
