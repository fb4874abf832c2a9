"""What a contributor meets first is true: CONTRIBUTING.md, SECURITY.md, the workflows, the forms, the addresses."""

import configparser
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from tests.declared import project

from server_process import ROOT

PARTS = {"client": "translation_client", "server": "translation_server"}
WORKFLOWS = [".github/workflows/test.yml", ".github/workflows/prove.yml"]
FORMS = [".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/idea.yml"]
PLACES = ["mkdocs.yml", "SECURITY.md", "CHANGELOG.md", ".github/ISSUE_TEMPLATE/config.yml"]
URLS = {
    "Homepage": "",
    "Documentation": "/blob/main/docs/index.md",
    "Source": "",
    "Changelog": "/blob/main/CHANGELOG.md",
    "Issues": "/issues",
}
PRIVATE_KEY = b"BEGIN " + b"PRIVATE KEY"  # in two pieces, so that this file has none
ON = True  # what the key `on` is in YAML 1.1


def parsed(path):
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


def steps(path):
    return [step for job in parsed(path)["jobs"].values() for step in job["steps"]]


def python_steps(path):
    return [step for step in steps(path) if "setup-python" in step.get("uses", "")]


@pytest.fixture(scope="module")
def commands():
    """The commands of run.py, as its help names them."""
    done = subprocess.run(
        [sys.executable, "run.py", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    return set(re.search(r"\{([\w,-]+)\}", done.stdout)[1].split(","))


@pytest.fixture(scope="module")
def typed():
    """Every line of CONTRIBUTING.md that a reader types or finds in back quotes."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    fences = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    quoted = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    return [*quoted, *(line for fence in fences for line in fence.splitlines())]


@pytest.mark.parametrize("path", WORKFLOWS)
def test_a_workflow_may_do_little_and_ends(path):
    """It has the keys GitHub requires, may only read the sources, gives way to a newer run and has a time limit."""
    workflow = parsed(path)
    assert {"name", ON, "jobs"} <= workflow.keys()
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True
    for job in workflow["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        assert 0 < job["timeout-minutes"] <= 360
        assert "permissions" not in job


def test_changes_are_tested_and_promises_proved_every_night():
    """`test` runs on every push to main and every pull request, `prove` by the clock and by hand."""
    assert parsed(WORKFLOWS[0])[ON] == {"push": {"branches": ["main"]}, "pull_request": None}
    assert parsed(WORKFLOWS[1])[ON].keys() == {"schedule", "workflow_dispatch"}
    assert [len(one["cron"].split()) for one in parsed(WORKFLOWS[1])[ON]["schedule"]] == [5]


@pytest.mark.parametrize(("path", "command"), [(WORKFLOWS[0], "test"), (WORKFLOWS[1], "prove")])
def test_a_workflow_runs_the_documented_command(path, command, commands):
    """Its first command is a command of run.py, written as the documentation writes it; others run what is there."""
    first, *others = [step["run"] for step in steps(path) if "run" in step]
    assert first == f"python3 run.py {command}"
    assert [line for line in others if not (ROOT / line.split()[1]).is_file()] == []
    assert command in commands
    assert f"`python3 run.py {command}`" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("path", WORKFLOWS)
def test_actions_are_pinned_and_nothing_is_cached(path):
    """Each action is named by commit with its version beside it, and Python comes without a cache or another pip."""
    used = re.findall(r"uses: *(.+)$", (ROOT / path).read_text("utf-8"), re.MULTILINE)
    assert used
    assert [one for one in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []
    assert [step["with"].keys() for step in python_steps(path)] == [{"python-version"}]


def test_every_promised_python_is_tested():
    """The matrix holds the Pythons of both distributions' classifiers, from the oldest that they need."""
    matrix = parsed(WORKFLOWS[0])["jobs"]["test"]["strategy"]["matrix"]["python"]
    for part in PARTS:
        declared = project(part)
        assert declared["requires-python"] == f">={matrix[0]}"
        assert [line.rsplit(" ", 1)[1] for line in declared["classifiers"] if ":: 3." in line] == matrix
    installed = python_steps(WORKFLOWS[1])[0]["with"]["python-version"]
    assert sorted(installed.split()) == matrix


@pytest.mark.parametrize("path", FORMS)
def test_an_issue_form_is_one_that_github_accepts(path):
    """It has a name, a description and questions; each question has a type, an id of its own and a label."""
    form = parsed(path)
    assert all(isinstance(form[key], str) and form[key] for key in ("name", "description"))
    questions = [one for one in form["body"] if one["type"] != "markdown"]
    assert questions
    assert {one["type"] for one in questions} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert len({one["id"] for one in questions}) == len(questions)
    assert all(one["attributes"]["label"] for one in questions)
    assert all(one["attributes"]["options"] for one in questions if one["type"] == "dropdown")


def test_security_problems_are_led_away_from_the_issues():
    """There is no blank issue, and the list of forms links to the private report that SECURITY.md links to."""
    chooser = parsed(".github/ISSUE_TEMPLATE/config.yml")
    assert chooser["blank_issues_enabled"] is False
    assert [link.keys() for link in chooser["contact_links"]] == [{"name", "url", "about"}]
    assert f"]({chooser['contact_links'][0]['url']})" in (ROOT / "SECURITY.md").read_text("utf-8")


def test_dependabot_looks_where_requirements_are():
    """Once a week, in one pull request each: the actions, and every folder with a `requirements.txt`."""
    configuration = parsed(".github/dependabot.yml")
    updates = {one["package-ecosystem"]: one for one in configuration["updates"]}
    assert configuration["version"] == 2
    assert updates.keys() == {"github-actions", "pip"}
    assert all(one["schedule"] == {"interval": "weekly"} and one["groups"] for one in updates.values())
    assert updates["github-actions"]["directory"] == "/"
    folders = {f"/{path.parent.name}" for path in ROOT.glob("*/requirements.txt")}
    assert set(updates["pip"]["directories"]) == folders


def test_pre_commit_has_the_locked_ruff():
    """What is formatted before a commit is what the tests find well formatted."""
    locked = re.search(r"^ruff==(\S+)", (ROOT / "requirements-dev.lock").read_text("utf-8"), re.MULTILINE)[1]
    ruff = next(one for one in parsed(".pre-commit-config.yaml")["repos"] if one["repo"].endswith("/ruff-pre-commit"))
    assert ruff["rev"] == f"v{locked}"
    assert [hook["id"] for hook in ruff["hooks"]] == ["ruff-check", "ruff-format"]


def test_pre_commit_lets_only_the_tests_key_pass(fresh_clone, committed_files):
    """The private keys in the repository, which protect nothing, are excused by their paths, and no other file is."""
    hooks = [hook for one in parsed(".pre-commit-config.yaml")["repos"] for hook in one["hooks"]]
    excused = next(hook["exclude"] for hook in hooks if hook["id"] == "detect-private-key")
    keys = [path for path in committed_files if PRIVATE_KEY in (fresh_clone / path).read_bytes()]
    assert keys == [Path("client/tests/localhost.pem"), Path("server/tests/localhost.key.pem")]
    assert [path for path in committed_files if re.search(excused, path.as_posix())] == keys


def test_editors_are_told_what_ruff_wants():
    """Python lines are as long in an editor as for ruff, and a Makefile keeps its tabs."""
    rules = configparser.ConfigParser()
    rules.read_string(f"[top]\n{(ROOT / '.editorconfig').read_text('utf-8')}")
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]
    assert rules.getint("*.py", "max_line_length") == ruff["line-length"]
    assert dict(rules["*"]) | {"indent_style": "space", "indent_size": "4", "end_of_line": "lf"} == dict(rules["*"])
    assert rules["Makefile"]["indent_style"] == "tab"


def test_all_places_name_the_same_repository():
    """Both distributions declare the same addresses, and every other address of the project begins alike."""
    declared = [project(part)["urls"] for part in PARTS]
    source = declared[0]["Source"]
    assert declared == [{name: source + rest for name, rest in URLS.items()}] * len(PARTS)
    for place in PLACES:
        found = re.findall(r"https://github\.com/[^\s)\"]+", (ROOT / place).read_text("utf-8"))
        assert found, place
        assert [address for address in found if not f"{address}/".startswith(f"{source}/")] == [], place
    assert [rest for rest in URLS.values() if "/main/" in rest and not (ROOT / rest.split("/main/")[1]).exists()] == []


def test_a_release_has_one_version(read):
    """Both distributions have the version of the newest release in CHANGELOG.md, and SECURITY.md supports it."""
    changelog = read("CHANGELOG.md")
    newest = re.search(r"^## \[(\d.*?)\] - ", changelog, re.MULTILINE)[1]
    for part, package in PARTS.items():
        assert f'__version__ = "{newest}"\n' in read(f"{part}/src/{package}/_version.py")
    assert f"| {newest.rpartition('.')[0]}.x | yes |" in read("SECURITY.md")


def test_every_release_has_its_link(read):
    """Each heading of CHANGELOG.md leads to what it is about: a tag, or what came after the newest one."""
    changelog = read("CHANGELOG.md")
    source = project("client")["urls"]["Source"]
    versions = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    links = dict(re.findall(r"^\[(.+?)\]: (\S+)$", changelog, re.MULTILINE))
    expected = {version: f"{source}/releases/tag/v{version}" for version in versions[1:]}
    assert links == expected | {"Unreleased": f"{source}/compare/v{versions[1]}...HEAD"}


def test_the_commands_of_a_contributor_exist(typed, commands):
    """Each command of run.py, each tool and each module in CONTRIBUTING.md is there."""
    named = {name for line in typed for name in re.findall(r"run\.py (\w+)", line)}
    modules = {name for line in typed for name in re.findall(r"python -m (\w+)", line)}
    tools = {name for line in typed for name in re.findall(r"\.venv/bin/(\w+)", line)}
    assert {"test", "prove", "lock"} <= named
    assert len(modules) > 3
    assert sorted(named - commands) == []
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    assert [name for name in tools if not (Path(sys.executable).parent / name).exists()] == []


def test_the_paths_of_a_contributor_exist(typed):
    """Each file that CONTRIBUTING.md names is there, and each folder of tests is named."""
    words = {word for line in typed for word in line.split() if not word.startswith((".venv", "dist"))}
    paths = [word for word in words if re.fullmatch(r"[\w.-]+(/[\w.-]+)+|[\w.-]+\.(md|py|toml|lock|yaml|txt)", word)]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []
    tests = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]["testpaths"]
    assert [path for path in tests if path not in typed] == []
