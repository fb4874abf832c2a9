"""The waiting loops of libraries people use, each the library's own code on a clock of ours.

Every library speaks to the virtual server in the words of the API it was made for. What it sleeps by, the ``time``
module or its transport, is replaced; nothing else is. A library is imported when its row is run.
"""

from __future__ import annotations

import io
import json
import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from benchmarks.virtual import Look, Server

    Wait: TypeAlias = Callable[[float], object]  # starts one job of the duration and waits for it

_ORIGIN = "http://127.0.0.1"


def plain_loop(server: Server) -> Wait:
    """What is written without any library: ``while`` pending: sleep a second."""
    time = import_module("time")

    def wait(duration: float) -> None:
        server.start(duration)
        while not server.look().ended:
            time.sleep(1.0)

    return wait


def botocore(server: Server) -> Wait:
    """``botocore.waiter.Waiter``, with the delay and the attempts most AWS waiters have."""
    waiter = import_module("botocore.waiter")
    ended = {"matcher": "path", "argument": "Job.Status", "expected": "COMPLETED", "state": "success"}
    waiters = {"JobCompleted": {"operation": "GetJob", "delay": 15, "maxAttempts": 40, "acceptors": [ended]}}
    config = waiter.WaiterModel({"version": 2, "waiters": waiters}).get_waiter("JobCompleted")

    def get_job(**_: object) -> dict[str, object]:
        return {"Job": {"Status": "COMPLETED" if server.look().ended else "IN_PROGRESS"}}

    ours = waiter.Waiter("JobCompleted", config, get_job)

    def wait(duration: float) -> None:
        server.start(duration)
        ours.wait()

    return wait


def azure_core(server: Server) -> Wait:
    """``azure.core``: an ``LROPoller`` with ``LROBasePolling``, on its pipeline over requests."""
    core, pipeline = import_module("azure.core"), import_module("azure.core.pipeline")
    policies, transport = import_module("azure.core.pipeline.policies"), import_module("azure.core.pipeline.transport")
    polling, base = import_module("azure.core.polling"), import_module("azure.core.polling.base_polling")
    requests = import_module("requests")
    session = requests.Session()
    session.mount("http://", _requests_adapter(server))
    over = transport.RequestsTransport(session=session, session_owner=False)
    client = core.PipelineClient(_ORIGIN, pipeline=pipeline.Pipeline(over, policies=[policies.RequestIdPolicy()]))

    def wait(duration: float) -> None:
        server.start(duration)
        accepted = client._pipeline.run(client.post(f"{_ORIGIN}/jobs"))  # noqa: SLF001 - as Azure's own clients do
        polling.LROPoller(client, accepted, lambda answer: answer, base.LROBasePolling()).result()

    return wait


def google_api_core(server: Server) -> Wait:
    """``google.api_core.operation.Operation.result()``, by its JSON API, with the default polling."""
    operation = import_module("google.api_core.operation")
    empty = import_module("google.protobuf.empty_pb2").Empty
    done = {"response": {"@type": "type.googleapis.com/google.protobuf.Empty"}, "done": True}

    def request(**_: object) -> dict[str, object]:
        return {"name": "job"} | (done if server.look().ended else {})

    def wait(duration: float) -> None:
        server.start(duration)
        operation.from_http_json({"name": "job"}, request, empty).result()

    return wait


def openai(server: Server) -> Wait:
    """``openai``: ``vector_stores.files.poll()``, on its own HTTP client."""
    sdk, httpx = import_module("openai"), import_module("httpx2")
    file = {"id": "f", "object": "vector_store.file", "created_at": 1, "usage_bytes": 0, "vector_store_id": "v"}

    def answer(_: object) -> Any:  # noqa: ANN401 - httpx2 may not be installed
        look = server.look()
        status = "completed" if look.ended else "in_progress"
        return httpx.Response(200, headers=_hint(look), json={**file, "status": status, "last_error": None})

    http_client = httpx.Client(transport=httpx.MockTransport(answer))
    client = sdk.OpenAI(api_key="none", base_url=_ORIGIN, http_client=http_client)

    def wait(duration: float) -> None:
        server.start(duration)
        client.vector_stores.files.poll("f", vector_store_id="v")

    return wait


def replicate(server: Server) -> Wait:
    """``replicate``: ``Prediction.wait()``, on its own HTTP client."""
    sdk, httpx = import_module("replicate"), import_module("httpx")
    fields: dict[str, object] = {
        "id": "p",
        "version": "v",
        "model": "m",
        "input": {},
        "output": None,
        "logs": "",
        "created_at": "",
    }

    def answer(request: Any) -> Any:  # noqa: ANN401 - httpx may not be installed
        if request.method == "POST":
            return httpx.Response(201, json={**fields, "status": "starting", "urls": {}})
        look = server.look()
        status = "succeeded" if look.ended else "processing"
        return httpx.Response(200, headers=_hint(look), json={**fields, "status": status, "urls": {}})

    client = sdk.Client(api_token="none", base_url=_ORIGIN, transport=httpx.MockTransport(answer))  # noqa: S106

    def wait(duration: float) -> None:
        server.start(duration)
        client.predictions.create(version="v", input={}).wait()

    return wait


def tenacity_fixed(server: Server) -> Wait:
    """``tenacity`` with ``wait_fixed(1)``."""
    tenacity = import_module("tenacity")
    return _tenacity(server, tenacity.wait_fixed(1))


def tenacity_exponential(server: Server) -> Wait:
    """``tenacity`` with ``wait_exponential(max=30)``: 1, 2, 4, 8, 16, 30 s."""
    tenacity = import_module("tenacity")
    return _tenacity(server, tenacity.wait_exponential(max=30))


def tenacity_jittered(server: Server) -> Wait:
    """``tenacity`` with ``wait_random_exponential(max=30)``: full jitter, as its documentation advises."""
    tenacity = import_module("tenacity")
    return _tenacity(server, tenacity.wait_random_exponential(max=30))


def polling2(server: Server) -> Wait:
    """``polling2.poll(step=1)``."""
    module = import_module("polling2")
    return _called_until_true(server, lambda look: module.poll(look, step=1, poll_forever=True))


def polling(server: Server) -> Wait:
    """``polling.poll`` with ``step_linear_double``, from one second."""
    module = import_module("polling")
    double = module.step_linear_double
    return _called_until_true(server, lambda look: module.poll(look, step=1, step_function=double, poll_forever=True))


def backoff(server: Server) -> Wait:
    """``backoff.on_predicate(backoff.expo, max_value=30)``, with its full jitter."""
    module = import_module("backoff")

    @module.on_predicate(module.expo, lambda ended: not ended, max_value=30)  # type: ignore[untyped-decorator]
    def look() -> bool:
        return server.look().ended

    def wait(duration: float) -> None:
        server.start(duration)
        look()

    return wait


def _tenacity(server: Server, pause: object) -> Wait:
    tenacity = import_module("tenacity")
    retrying = tenacity.Retrying(wait=pause, retry=tenacity.retry_if_result(lambda ended: not ended))
    return _called_until_true(server, retrying)


def _called_until_true(server: Server, loop: Callable[[Callable[[], bool]], object]) -> Wait:
    def look() -> bool:
        return server.look().ended

    def wait(duration: float) -> None:
        server.start(duration)
        loop(look)

    return wait


def _hint(look: Look) -> dict[str, str]:
    """The header our server adds for those who cannot read its ``poll_after``."""
    return {} if look.hint is None else {"Retry-After": str(math.ceil(look.hint))}


def _requests_adapter(server: Server) -> Any:  # noqa: ANN401 - requests may not be installed
    requests, urllib3 = import_module("requests"), import_module("urllib3")

    def answer(request: Any, status: int, headers: Mapping[str, str], content: object) -> Any:  # noqa: ANN401
        response = requests.Response()
        response.request, response.url, response.status_code = request, request.url, status
        response.headers.update({"Content-Type": "application/json", **headers})
        body = io.BytesIO(json.dumps(content).encode())
        response.raw = urllib3.HTTPResponse(body, response.headers, status, preload_content=False)
        return response

    class Adapter(requests.adapters.BaseAdapter):  # type: ignore[misc, name-defined]  # found at run time
        def send(self, request: Any, **_: object) -> Any:  # noqa: ANN401
            if request.method == "POST":
                return answer(request, 202, {"Operation-Location": f"{_ORIGIN}/status"}, {"status": "NotStarted"})
            look = server.look()
            return answer(request, 200, _hint(look), {"status": "Succeeded" if look.ended else "Running"})

        def close(self) -> None:
            pass

    return Adapter()
