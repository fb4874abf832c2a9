"""The library of incidents, for tests.

```python
from translation_server import TranslationServer, incidents

@pytest.mark.parametrize("incident", incidents.ALL)
def test_my_client(incident):
    with TranslationServer(completion_time=1.0, incident=incident) as server:
        ...
```
"""

from translation_server.simulator.faults.incidents import ALL, LIBRARY, Incident, incident_named, table

__all__ = ["ALL", "LIBRARY", "Incident", "incident_named", "table"]
