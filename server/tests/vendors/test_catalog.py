"""Which formats there are, and which may be mounted."""

import re
import sys
from dataclasses import replace

import pytest
from server.tests.vendors.studio import NAMED, STUDIO

from translation_server.vendors import formats
from translation_server.vendors.catalog import built_in, find_formats, formats_in
from translation_server.vendors.mounts import Mounts


def test_a_name_stands_for_a_format_and_a_mount_for_all_of_its_formats():
    """Each is there once, in whatever way it is named."""
    assert [form.name for form in formats_in("azure-video")] == ["azure-video"]
    assert {form.name for form in formats_in("azure, azure-video,")} == {"azure-video", "azure-document"}
    assert {form.name for form in find_formats(["all"])} == set(built_in())
    assert formats_in("") == ()


def test_a_format_of_ones_own_is_given_or_imported():
    """As an ASGI application is."""
    assert find_formats([STUDIO, "server.tests.vendors.studio:STUDIO", NAMED]) == (STUDIO, NAMED)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (["azur"], "there is no format 'azur': allowed are .*azure, azure-document"),
        (["no.such:THING"], "cannot be imported"),
        (["server.tests.vendors.studio:NOTHING"], "cannot be imported"),
        (["server.tests.vendors.studio:Start"], "is no Format"),
        ([7], "7 is no format"),
        ([STUDIO, replace(STUDIO, title="Other")], "two formats are called 'studio'"),
        ([replace(STUDIO, mount="jobs")], "has the mount 'jobs'"),
        ([replace(STUDIO, mount="a/b")], "has the mount 'a/b'"),
    ],
)
def test_what_cannot_be_mounted_is_named(wanted, words):
    """With what is allowed."""
    with pytest.raises(ValueError, match=words):
        find_formats(wanted)


@pytest.mark.parametrize("name", built_in())
def test_a_format_is_whole(name):
    """Words for the beginning and for both ends, a start, and a title."""
    form = built_in()[name]
    assert {0, "completed", "error"} <= form.words.keys()
    assert form.title
    assert any(route.kind == "start" for route in form.routes)
    assert form.reuse in {"replay", "conflict"}
    for variable, value in form.environment.items():
        assert re.fullmatch("[A-Z][A-Z0-9_]*", variable)
        value.format(base="", key="", username="", password="", host="")  # nothing else is filled in


def test_all_formats_can_be_mounted_together():
    """None has the name or the address of another."""
    mounts = Mounts(find_formats(["all"]))
    assert len(mounts.formats) == len(built_in()) >= 7
    seen = [
        (form.mount, route.method, route.path, *route.when.items()) for form in mounts.formats for route in form.routes
    ]
    assert len(set(seen)) == len(seen)


def test_one_more_file_is_one_more_format(tmp_path, monkeypatch):
    """In the folder of formats; nothing else names it."""
    text = "from server.tests.vendors.studio import STUDIO\nfrom dataclasses import replace\n"
    (tmp_path / "cinema.py").write_text(f"{text}CINEMA = replace(STUDIO, name='cinema', mount='')\n", "utf-8")
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    built_in.cache_clear()
    try:
        assert [(form.name, form.mount) for form in find_formats(["cinema"])] == [("cinema", "cinema")]
    finally:
        built_in.cache_clear()
        sys.modules.pop(f"{formats.__name__}.cinema", None)
