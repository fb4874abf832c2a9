"""The client of this project, and what its report card says.

    python3 examples/polite.py

The answer to its start is lost, and it repeats it with the same idempotency key: one job. Then it lets the server hold
its request: one poll, which is not wasted, and the end is known when it is there. It prints, but for the last digits:

    job    outcome  starts  polls  held  failed  wasted  early  after end  left  detection delay
      1  completed       2      1     1       0       0      0          0     0          0.002 s
    all                  2      1     1       0       0      0          0     0          0.002 s

    No complaints.
"""

from translation_server import Report, TranslationServer


def main() -> Report:
    """Show the report card of this client when the answer to its start is lost."""
    with TranslationServer(completion_time=1.0, incident="lost_start") as server:
        with server.client() as client:
            client.wait(client.start_job())
        report = server.report()
    print(report)
    return report


if __name__ == "__main__":
    main()
