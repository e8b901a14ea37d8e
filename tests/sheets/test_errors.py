"""`strata export sheets`: credentials, what it says when something is wrong, and the command itself."""

import json
import signal
import subprocess

import pytest
from conftest import BOOK
from fake import ACCOUNT
from test_sheets import COLUMNS, ROWS, SHOWN

NOTHING = {"GOOGLE_OAUTH_ACCESS_TOKEN": None, "GCE_METADATA_HOST": "127.0.0.1:1"}


@pytest.fixture
def ready(project):
    return project.rows(COLUMNS, ROWS).export()


def account_of(fake):
    """Whose token the last request had."""
    return fake.tokens[fake.sheets_log()[-1].headers["authorization"].removeprefix("Bearer ")].account


# Credentials


def save(project, name, content):
    path = project.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return str(path)


def test_a_key_file_named_by_the_export(ready, read, fake):
    """It comes before what the environment has, and is relative to the project."""
    save(ready, "keys/key.json", fake.service_account())
    ready.export(credentials="keys/key.json").send()
    assert read.values() == SHOWN and account_of(fake) == ACCOUNT
    [token] = [e for e in fake.log if e.kind == "token"]
    assert token.headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("where", ["GOOGLE_APPLICATION_CREDENTIALS", "gcloud", "CLOUDSDK_CONFIG"])
def test_application_default_credentials(ready, read, fake, where):
    env = dict(NOTHING)
    if where == "GOOGLE_APPLICATION_CREDENTIALS":
        env[where] = save(ready, "elsewhere.json", fake.service_account())
    elif where == "gcloud":
        save(ready, ".config/gcloud/application_default_credentials.json", fake.service_account())
    else:
        save(ready, "cloud/application_default_credentials.json", fake.service_account())
        env[where] = str(ready.folder / "cloud")
    ready.send(**env)
    assert read.values() == SHOWN and account_of(fake) == ACCOUNT


@pytest.mark.skip(reason="asks Google's own address, whatever token_uri the file has, as Google's Python library does")
def test_a_user(ready, read, fake):
    ready.send(GOOGLE_APPLICATION_CREDENTIALS=save(ready, "user.json", fake.authorized_user()), **NOTHING)
    assert read.values() == SHOWN and account_of(fake) == "person@example.com"


@pytest.mark.parametrize("impersonate, account", [(False, "federated"), (True, ACCOUNT)])
def test_a_federated_account(ready, read, fake, impersonate, account):
    path = save(ready, "federated.json", fake.external_account(ready.folder, impersonate))
    ready.send(GOOGLE_APPLICATION_CREDENTIALS=path, **NOTHING)
    assert read.values() == SHOWN and account_of(fake) == account


def test_the_metadata_server(ready, read, fake):
    ready.send(GOOGLE_OAUTH_ACCESS_TOKEN=None, GCE_METADATA_HOST=fake.host)
    assert read.values() == SHOWN and account_of(fake) == "compute@developer.gserviceaccount.com"


def test_no_credentials(ready, fake):
    result = ready.run("export", "sheets", **NOTHING)
    assert result.code in (1, 2) and result.seconds < 30 and fake.log == []
    assert "GOOGLE_APPLICATION_CREDENTIALS" in result.text


@pytest.mark.parametrize("content", [
    "not json", "{}", '{"type": "service_account"}', '{"type": "something_else", "private_key": "PRIVATE"}'])
def test_a_broken_key_file(ready, fake, content):
    (ready.folder / "key.json").write_text(content)
    result = ready.export(credentials="key.json").run("export", "sheets")
    assert result.code in (1, 2) and "key.json" in result.text and fake.log == [] and "panicked" not in result.text
    assert "PRIVATE" not in result.text


def test_a_key_that_is_not_valid_any_more(ready, fake):
    save(ready, "key.json", fake.service_account())
    fake.grant_error = "invalid_grant"
    result = ready.export(credentials="key.json").send(code=1)
    assert "invalid_grant" in result.text or "expired or revoked" in result.text
    assert len(fake.log) == 1


def test_a_token_that_expires_on_the_way_is_renewed(project, read, fake):
    save(project, "key.json", fake.service_account())
    fake.token_life, fake.delay = 1, 0.4
    project.model("select i, repeat('x', 40000) as t from range(200) t(i) order by i").export(credentials="key.json").send()
    assert len(read.values()) == 201


def test_secrets_are_not_shown(ready, fake):
    save(ready, "key.json", fake.service_account())
    ready.export(credentials="key.json")
    for fail in (None, "503"):
        if fail:
            fake.fail(1, fail, last=999)
        result = ready.run("--debug", "export", "sheets")
        logs = "".join(p.read_text(errors="replace") for p in ready.folder.rglob("*.log")) + "".join(
            p.read_text(errors="replace") for p in ready.folder.rglob("target/**/*.json"))
        for secret in [*fake.tokens, "PRIVATE KEY", "assertion="]:
            assert secret not in result.text + logs


# What is said


def test_not_shared(project, fake):
    save(project, "key.json", fake.service_account())
    fake.shared[BOOK] = "read"
    result = project.rows(COLUMNS, ROWS).export(credentials="key.json").send(code=1)
    assert "share" in result.text.lower() and ACCOUNT in result.text
    fake.shared[BOOK] = ""
    assert ACCOUNT in project.send(code=1).text


def test_not_there(ready, fake):
    result = ready.export(spreadsheet="1nothing").send(code=1)
    assert "1nothing" in result.text and "id" in result.text


def test_api_disabled(ready, fake):
    fake.disabled = True
    result = ready.send(code=1)
    assert "enable" in result.text.lower() and "project=1" in result.text


@pytest.mark.parametrize("kind, words", [("429", ["quota"]), ("401", ["credentials"]), ("400", ["something that only Google knows"]),
                                         ("500", ["500"]), ("503", ["503"]), ("html", ["502"])])
def test_what_is_said(ready, fake, kind, words):
    fake.fail(1, kind, last=999)
    result = ready.send(code=1)
    assert all(word in result.text for word in words), result
    # The first try and four more, where trying again can help.
    assert len(fake.log) == (5 if kind in ("429", "500", "503", "html") else 1) or kind == "401"
    assert "channels_sheet" in result.text and "<html" not in result.text


def test_an_answer_that_is_no_json(ready, fake):
    fake.fail(1, "html200", last=999)
    result = ready.send(code=1)
    assert "<!DOCTYPE" not in result.text


def test_retry_after_is_obeyed(ready, read, fake):
    fake.fail(1, "429", retry_after="2")
    assert ready.send().seconds >= 2
    assert read.values() == SHOWN


def test_waits_double(ready, fake):
    fake.fail(1, "503", last=4)
    ready.send(STRATA_SHEETS_BACKOFF="0.2")
    times = [e.time for e in fake.log]
    waits = [b - a for a, b in zip(times, times[1:5])]
    # Whether some chance is in a wait is left open; it never is shorter than half.
    assert all(wait >= 0.1 * 2**i for i, wait in enumerate(waits)) and sum(waits) < 15


@pytest.mark.parametrize("large", [True, False])
def test_writes_are_spaced(project, fake, large):
    """Google's quota is that of the user, be it one export of many writes, or many exports."""
    project.model("select i, repeat('x', 45000) as long from range(200) t(i)" if large else "select 1 as i")
    for i in range(1 if large else 4):
        project.export(f"export_{i}", sheet=f"Tab {i}")
    project.start("export", "sheets", STRATA_SHEETS_WRITES_PER_MINUTE="2")
    with pytest.raises(subprocess.TimeoutExpired):
        project.finish(timeout=6)
    assert 1 <= len(fake.writes()) <= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_the_user(ready, read, fake, number):
    fake.fail(2, "block")
    process = ready.start("export", "sheets")
    assert fake.blocked.wait(20)
    process.send_signal(number)
    result = ready.finish(timeout=10)
    assert result.code != 0 and "Channels" not in read.sheets() and "panicked" not in result.text


# The command


@pytest.fixture
def two(ready):
    """A second export, to a spreadsheet that is not there."""
    ready.export("broken", spreadsheet="1nothing")
    return ready


def test_others_go_on_when_one_fails(two, read):
    result = two.send(code=1)
    assert read.values() == SHOWN and "broken" in result.text


@pytest.mark.parametrize("args, code", [
    (["--select", "export:channels_sheet"], 0), (["--select", "export:broken"], 1), (["--select", "+export:channels_sheet"], 0),
    (["--select", "channels_sheet"], 0), (["--exclude", "export:broken"], 0)])
def test_selection(two, read, args, code):
    two.send(*args, code=code)
    assert ("Channels" in read.sheets()) == (code == 0)


def test_nothing_selected(ready, fake):
    result = ready.run("export", "sheets", "--select", "export:nobody")
    assert result.code in (0, 2) and fake.log == [] and "no export" in result.text


def test_dry_run_writes_nothing(two, read, fake):
    result = two.send("--select", "export:channels_sheet", "--dry-run")
    assert fake.writes() == [] and list(read.sheets()) == ["Sheet1"]
    assert "channels_sheet" in result.text and "Channels" in result.text


def test_the_model_is_not_built(project, fake):
    (project.folder / "models" / "channels.sql").write_text("select 1 as a")
    result = project.export().send(code=1)
    assert "channels" in result.text and "build" in result.text and fake.writes() == []


@pytest.mark.parametrize("fields", [{"mode": "merge"}, {"mode": "upsert", "key": None}, {"columns": ["nothing"]}, {"spreadsheet": ""},
                                    {"nan": "zero"}, {"model": "ref('nobody')"}, {"credentials": "missing.json"}])
def test_wrong_declarations(ready, fake, fields):
    model = fields.pop("model", None)
    ready.export(**fields)
    if model:
        path = ready.folder / "models" / "exports.yml"
        path.write_text(path.read_text().replace("ref('channels')", model))
    result = ready.run("export", "sheets")
    assert result.code in (1, 2) and fake.writes() == [] and "panicked" not in result.text
    assert "error" in result.text.lower()


def test_a_variable_that_is_missing_hinders_only_the_export(ready, fake):
    assert ready.run("build", MARKETING_SHEET_ID=None).code == 0
    result = ready.run("export", "sheets", MARKETING_SHEET_ID=None)
    assert result.code in (1, 2) and "MARKETING_SHEET_ID" in result.text and fake.log == []


def last_line(result):
    return json.loads(result.out.strip().splitlines()[-1])


def test_orchestrated(ready, fake):
    assert isinstance(last_line(ready.send(STRATA_ORCHESTRATED="1")), dict)
    first = len(fake.log) + 1
    fake.fail(first, "503", last=999)
    assert isinstance(last_line(ready.send(code=75, STRATA_ORCHESTRATED="1")), dict)


@pytest.mark.parametrize("kind, code", [("429", 75), ("500", 75), ("drop", 75), ("hang", 75), ("400", 1)])
def test_transient_failures(ready, fake, kind, code):
    fake.fail(1, kind, last=999)
    env = {"STRATA_SHEETS_TIMEOUT": "0.5" if kind == "hang" else "20", "STRATA_SHEETS_RETRIES": "2"}
    ready.send(code=code, STRATA_ORCHESTRATED="1", **env)
    ready.send(code=1, **env)


def test_not_all_are_transient(two, fake):
    """One that is not there and one that is not answered: trying again cannot put all right."""
    real = fake.answer

    def answer(entry):
        if "1nothing" not in entry.path:
            from spreadsheet import Refused
            raise Refused("The service is currently unavailable.", 503, "UNAVAILABLE")
        return real(entry)
    fake.answer = answer
    two.send(code=1, STRATA_ORCHESTRATED="1")
    two.send("--select", "export:channels_sheet", code=75, STRATA_ORCHESTRATED="1")


def test_lines_for_machines(two):
    result = two.send("--log-format", "json", code=1)
    for line in (result.out + result.err).splitlines():
        assert isinstance(json.loads(line), dict)
