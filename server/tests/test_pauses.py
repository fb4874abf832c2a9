"""A server looks for garbage less often; a program that embeds one is left as it is."""

import json
import os
import subprocess
import sys

PROGRAM = """
import gc, json
before = gc.get_threshold(), gc.get_freeze_count()
import translation_server.app, translation_server.pauses
imported = gc.get_threshold(), gc.get_freeze_count()
translation_server.pauses.shorten()
gc.collect()
print(json.dumps([before, imported, (gc.get_threshold(), gc.get_freeze_count()), gc.isenabled()]))
"""


def test_only_a_server_of_its_own_changes_the_collection():
    """Importing changes nothing; ``shorten`` sets what is there aside, looks less often, and still looks."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60)  # noqa: S603 - our own program
    before, imported, shortened, enabled = json.loads(done.stdout)
    assert imported == before
    assert shortened[0][0] > before[0][0]
    assert shortened[1] > 10_000
    assert enabled
