"""What Luma's API needs of a format: the path of a start, and lists that are counted."""

from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import Draft
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import BEARER, ApiRequest, Format, Page
from translation_server.vendors.view import stored, view_of

LUMA = Format(name="luma", keys=(BEARER,), words={0: "queued"}, routes=(), error=lambda problem: problem.detail)
IMAGE = ApiRequest("POST", "http://127.0.0.1:8000/luma", "/dream-machine/v1/generations/image")


def test_a_page_may_leave_out_the_newest_jobs():
    """A service that counts names the parameter; without one, nothing is left out."""
    request = ApiRequest("GET", IMAGE.base, "", query={"offset": "7"}, body={"skip": 3})
    assert Page(offset="offset").skipped(request) == 7
    assert Page(offset="skip", in_body=True).skipped(request) == 3
    assert Page().skipped(request) == 0


def test_a_view_knows_where_its_job_was_started():
    """The path of the start is kept; a job that was started before it was kept has none."""
    assert stored(LUMA, IMAGE)["path"] == IMAGE.path
    for metadata, path in (('{"format":"luma","path":"/image"}', "/image"), ('{"format":"luma"}', "")):
        job = Simulation(Uniform(10, 10), 0).accept(Draft("admin", 1000.0, metadata=metadata), 1)
        assert view_of(job, 1000.0, LUMA, IMAGE).path == path
