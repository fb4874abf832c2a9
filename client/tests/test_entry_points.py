import os
import subprocess
import sys
from pathlib import Path

import pytest

import translation_client
from translation_client import __version__

CLIENT = Path(__file__).resolve().parents[1]
ROOT = CLIENT.parent


def python(code, folder):
    """Runs the code in a new interpreter that knows nothing but the folder it stands in."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own code
    return done.returncode, done.stdout + done.stderr


IMPORTS = "import client, pickle, translation_client as t; "


@pytest.mark.parametrize("folder", [ROOT, CLIENT], ids=["root", "client"])
@pytest.mark.parametrize(
    "code",
    [
        "from client import TranslationStatusClient; assert TranslationStatusClient is t.TranslationStatusClient",
        "from client import *; assert JobStatus is t.JobStatus",
        "assert {*t.__all__} <= {*client.__all__}",
        "assert [name for name in t.__all__ if getattr(client, name) is not getattr(t, name)] == []",
        "assert type(pickle.loads(pickle.dumps(client.JobNotFoundError('x')))) is t.JobNotFoundError",
    ],
)
def test_every_way_to_a_class_leads_to_the_same_one(code, folder):
    """At the root and inside client/: what `client` hands out is `translation_client`'s, not a second copy."""
    assert python(IMPORTS + code, folder) == (0, "")


def test_the_script_as_a_module_of_the_package_is_no_second_identity():
    """`client.client` at the root hands out the same classes as `client`."""
    code = (
        "import client, sys; assert 'client.client' not in sys.modules; import client.client as script; "
        "import translation_client as t; "
        "assert script.TranslationStatusClient is client.TranslationStatusClient is t.TranslationStatusClient"
    )
    assert python(code, ROOT) == (0, "")


def test_the_checkout_folder_itself_is_put_on_no_path():
    """Only `client/src` is added: with `client/` on the path every module would exist twice."""
    code = "import sys, client; from pathlib import Path; "
    code += "print(Path('client').resolve() in [Path(p).resolve() for p in sys.path])"
    assert python(code, ROOT) == (0, "False\n")


def test_an_unknown_name_is_an_import_error():
    """The facade invents nothing."""
    assert "cannot import name 'Nonsense'" in python("from client import Nonsense", ROOT)[1]
    assert "cannot import name 'Nonsense'" in python("from client import Nonsense", CLIENT)[1]


FORMER = {
    "InvalidRequest": "InvalidRequestError",
    "JobError": "ErrorDetail",
    "JobFailed": "JobFailedError",
    "JobNotFound": "JobNotFoundError",
    "RateLimited": "RateLimitError",
    "StatusUnavailable": "StatusUnavailableError",
    "WaitTimeout": "WaitTimeoutError",
}


@pytest.mark.parametrize(("former", "present"), FORMER.items())
def test_former_names_are_still_there_and_say_the_present_one(former, present):
    """Programs written before go on, with a warning that names what to write instead; nobody new is led to them."""
    with pytest.warns(DeprecationWarning, match=rf"translation_client\.{former} is now called {present}$"):
        assert getattr(translation_client, former) is getattr(translation_client, present)
    assert former not in translation_client.__all__
    code = f"import warnings; warnings.simplefilter('ignore'); from client import {former}; print({former}.__name__)"
    assert python(code, ROOT) == (0, f"{present}\n")


def test_every_exception_ends_in_error_and_nothing_else_does():
    """By the name alone it is clear what can be raised."""
    public = [getattr(translation_client, name) for name in translation_client.__all__]
    classes = [each for each in public if isinstance(each, type)]
    assert {each for each in classes if issubclass(each, Exception)} == {
        each for each in classes if each.__name__.endswith("Error")
    }


@pytest.mark.parametrize(
    ("folder", "path"), [(CLIENT, "client.py"), (ROOT, "client/client.py")], ids=["client", "root"]
)
def test_the_script_is_told_by_the_name_it_was_called(folder, path):
    """What it prints to be copied works where it is printed."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, path, "dance"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"python3 {path}: ")
    assert f"Try 'python3 {path} --help'." in done.stderr


def test_without_its_packages_the_script_says_what_to_install():
    """On a fresh machine the first thing seen is a command, not a traceback."""
    command = [sys.executable, "-S", "client.py"]  # -S: without site-packages
    done = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own script
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (70, "", 1)
    assert f"pip install -r {CLIENT / 'requirements.txt'}" in done.stderr


def test_the_package_is_the_command_line():
    """`python -m translation_client` is `translation-client`, and the version it tells is the package's."""
    command = [sys.executable, "-m", "translation_client", "--version"]
    environment = os.environ | {"PYTHONPATH": str(CLIENT / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own command
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"translation-client {__version__}\n"


def test_importing_the_names_does_not_load_the_command_line():
    """Whoever writes against the client pays for no parser and no progress bar."""
    code = "import sys, client; client.TranslationStatusClient; print({'argparse', 'rich'} & set(sys.modules))"
    assert python(code, ROOT) == (0, "set()\n")
