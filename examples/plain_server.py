"""The least a job server can do: it tells a status, and gives no help with the waiting. For plain_polling.py.

    python3 examples/plain_server.py            on http://127.0.0.1:8001
    python3 examples/plain_server.py 8002       on another port; 0: any that is free

A job takes as long as its video. There are no users, nothing is stored, and no request is held.
"""

import contextlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ends: dict[str, float] = {}


class Plain(BaseHTTPRequestHandler):
    """``POST /start`` gives a job_id, ``GET /status/{job_id}`` a status."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Start a job."""
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        job_id = f"plain-{len(ends) + 1}"
        ends[job_id] = time.monotonic() + asked.get("video_length", 3)
        self.tell(202, {"job_id": job_id})

    def do_GET(self) -> None:
        """Tell the status of a job."""
        job_id = self.path.rpartition("/")[2]
        if job_id in ends:
            self.tell(200, {"status": "completed" if time.monotonic() >= ends[job_id] else "pending"})
        else:
            self.tell(404, {"detail": "There is no such job."})

    def tell(self, status: int, content: dict[str, str]) -> None:
        """Answer in JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


port = int(sys.argv[1]) if len(sys.argv) > 1 else 8001
with ThreadingHTTPServer(("127.0.0.1", port), Plain) as server:
    server.daemon_threads = True
    print(f"A plain server at http://127.0.0.1:{server.server_port}; Ctrl-C ends it", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
