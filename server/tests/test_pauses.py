"""A server looks for garbage less often and lets its threads take turns; a program that embeds one is left as it is."""

import json
import os
import subprocess
import sys

PROGRAM = """
import gc, json, sys
look = lambda: (gc.get_threshold(), gc.get_freeze_count(), sys.getswitchinterval())
before = look()
import translation_server.app, translation_server.pauses
imported = look()
translation_server.pauses.shorten()
gc.collect()
print(json.dumps([before, imported, look(), gc.isenabled()]))
"""


def test_only_a_server_of_its_own_changes_its_process():
    """Importing changes nothing; ``shorten`` sets what is there aside, looks less often, and still looks."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60)  # noqa: S603 - our own program
    before, imported, shortened, enabled = json.loads(done.stdout)
    assert imported == before
    assert shortened[0][0] > before[0][0]
    assert shortened[1] > 10_000
    assert 0 < shortened[2] < before[2]
    assert enabled
