"""A job as another service would see it, and when that changes next."""

import pytest
from server.tests.vendors.studio import STUDIO

from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import ApiRequest
from translation_server.vendors.view import format_of, next_change, to_metadata, view_of

ASKED = ApiRequest("GET", "http://127.0.0.1/studio", "/v1/jobs/1")


def a_job(duration, outcome=Status.COMPLETED):
    draft = Draft("ann", 1000.0, metadata='{"format":"studio","input":{}}', duration=duration, outcome=outcome)
    return Simulation(Uniform(40, 60), 0.0, seed=1).accept(draft, 1)


def word(job, moment):
    return view_of(job, moment, STUDIO, ASKED).word


def test_the_next_change_is_the_first_moment_of_the_next_word():
    """Neither a moment before, when a stream would find nothing new, nor later."""
    job = a_job(55)
    change = next_change(job, 1000.0, STUDIO)
    assert 1000 < change < 1055
    assert [word(job, change - 0.001), word(job, change + 0.001)] == ["queued", "running"]
    assert next_change(job, 1010.0, STUDIO) == pytest.approx(change, abs=0.001)


@pytest.mark.parametrize(("duration", "now"), [(55, 1050.0), (5, 1000.0), (0.5, 1000.0)])
def test_without_another_word_the_next_change_is_the_end(duration, now):
    """Also where the end comes before the next word would."""
    job = a_job(duration)
    assert next_change(job, now, STUDIO) == job.ends_at


def test_progress_is_whole_only_when_it_is_completed():
    """However long a job takes beyond what was expected, and when it fails."""
    assert view_of(a_job(500), 1400.0, STUDIO, ASKED).progress == 0.99
    assert view_of(a_job(500), 1500.0, STUDIO, ASKED).progress == 1.0
    assert view_of(a_job(500, Status.ERROR), 1500.0, STUDIO, ASKED).progress == 0.99


def test_the_format_of_a_job_is_in_its_metadata():
    """Our own jobs have none."""
    assert format_of(a_job(1)._replace(metadata=to_metadata(STUDIO, ASKED))) == "studio"
    assert format_of(a_job(1)._replace(metadata="{}")) is None
