"""What the tests of formats share: requests, views of real job records, answers and refusals."""

from pydantic import ValidationError

from translation_server.jobs.delays import parse_model
from translation_server.jobs.model import CANCELLED, CANCELLED_MESSAGE, Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.vendors.format import ApiRequest, Invalid, Jobs
from translation_server.vendors.view import to_metadata, view_of

BASE = "http://127.0.0.1:8000/mount"
ACCEPTED = 1_795_538_264.25
DURATION = 10.0


def request(method, path, body=None, *, params=None, query=None):
    """Return a request to a mount."""
    return ApiRequest(method, BASE, path, params or {}, query or {}, {}, body or {})


def view(form, start, at=0.0, *, outcome="completed", number=0, ordinal=1, asked=None):  # noqa: PLR0913 - all have defaults
    """Return the view of a job of a format.

    Args:
        form: The format.
        start: The request that started it.
        at: The moment, in seconds since it was accepted; it takes ``DURATION`` and its progress is known exactly.
        outcome: How it ends; ``cancelled`` and what only an order brings about end it at ``at`` already.
        number: Its place among the jobs of the start.
        ordinal: Its place among all jobs; the same gives the same id.
        asked: The request that is answered; None: the start.
    """
    simulation = Simulation(
        parse_model(f"fixed:{DURATION}"), 0.0, seed=1, randomness=lambda size: bytes([ordinal] * size)
    )
    metadata = to_metadata(form, start, number)
    drawn = Status.COMPLETED if outcome == "completed" else Status.ERROR
    job = simulation.accept(Draft("admin", ACCEPTED, outcome=drawn, metadata=metadata), ordinal)
    if outcome not in {"completed", "error"}:
        message = CANCELLED_MESSAGE if outcome == CANCELLED else f"The job ended as {outcome}."
        job = job._replace(ends_at=ACCEPTED + at, error_code=outcome, error_message=message, ending=1)
    return view_of(job, ACCEPTED + at, form, asked or start)


def views(form, start, at=0.0, **more):
    """Return what the start of a format is answered with, with as many jobs as it asks for."""
    return Jobs([view(form, start, at, number=n, ordinal=n + 1, **more) for n in range(form.how_many(start))], start)


def route(form, method, path, **when):
    """Return the route of a format by its method and its path."""
    return next(
        one
        for one in form.routes
        if (one.method, one.path) == (method, path)
        and dict(one.when) == {f"?{name}": text for name, text in when.items()}
    )


def answer(form, method, path, given):
    """Return what a route answers to a view, to jobs or to a request."""
    return route(form, method, path).answer(given)


def reasons(model, body):
    """Return the mistakes in a body as a format is told of them."""
    try:
        model.model_validate(body)
    except ValidationError as error:
        return [Invalid(("body", *one["loc"]), one["msg"], one["type"]) for one in error.errors()]
    return []
