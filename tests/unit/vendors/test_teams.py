"""Teams: which address is taken, and what a message is built of."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from allclear.domain.errors import AnswerLost, ConfigError, Denied, VendorRefused
from allclear.domain.notify.channel import Card, CardRow
from allclear.domain.systems import Access, System
from allclear.vendors.teams import LARGEST, Teams, TeamsOptions
from allclear.vendors.teams_cards import IN_RECORD, ON_PAGE, TeamsMessage, news, size
from tasks.teams import PostInTeams, TeamsParams
from tests.unit.fakes_http import FakeVendor, Pauses

SIGNATURE = "canary-2718281828"
HOST = "default0123.12.environment.api.powerplatform.com"
WHOLE = (
    f"https://{HOST}:443/powerautomate/workflows/1/triggers/manual/paths/invoke?api-version=1&sp=%2Ft&sig={SIGNATURE}"
)
OLDER = f"https://prod-12.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig={SIGNATURE}"
SCREAM = "a" * 100_000


def connected(secret: str, endpoint: str = f"https://{HOST}") -> Teams:
    """Return a client with that address as its secret."""
    return Teams.connect(Access(name="teams", endpoint=endpoint, secret=SecretStr(secret)))


def card(text: str = "text", **more: Any) -> Any:  # noqa: ANN401 - parsed JSON
    """Return the Adaptive Card of a message."""
    return TeamsMessage(text, **more).as_json()["attachments"][0]["content"]


def refusal(status: int, code: str) -> httpx.Response:
    """Return a flow's own answer to a request that does not start it."""
    return httpx.Response(status, json={"error": {"code": code, "message": f"{WHOLE} is wrong"}})


def words(content: Any) -> str:  # noqa: ANN401 - parsed JSON
    """Return the text of a card, one line a block."""
    body: list[Any] = content["body"]
    return "\n".join(one.get("text") or "".join(run["text"] for run in one["inlines"]) for one in body)


def test_both_kinds_of_host_are_taken_and_never_shown() -> None:
    """The whole address is a secret, so that its text shows the host alone."""
    for address, host in ((WHOLE, HOST), (OLDER, "prod-12.westeurope.logic.azure.com")):
        shown = repr(connected(address, f"https://{host}"))
        assert host in shown
        assert SIGNATURE not in shown
        assert "workflows" not in shown


@pytest.mark.parametrize(
    ("secret", "endpoint", "says", "step"),
    [
        ("https://acme.webhook.office.com/webhookb2/1/IncomingWebhook/2", HOST, "switched off", "teams.md"),
        (WHOLE.replace(HOST, "evil.example.com"), HOST, "none of", "teams.md"),
        (WHOLE.replace(HOST, f"{HOST}.evil.example.com"), HOST, "none of", "teams.md"),
        (WHOLE.replace(HOST, "logic.azure.com.evil"), HOST, "none of", "teams.md"),
        (WHOLE.replace("https:", "http:"), HOST, "no https://", "teams.md"),
        (WHOLE.replace(HOST, f"user:pass@{HOST}"), HOST, "no https://", "teams.md"),
        (WHOLE.replace(HOST, f"evil.example.com\\.{HOST}"), f"evil.example.com\\.{HOST}", "none of", "teams.md"),
        (WHOLE.replace(HOST, f"evil.example.com%2f.{HOST}"), f"evil.example.com%2f.{HOST}", "none of", "teams.md"),
        (WHOLE.replace(HOST, f"{HOST}:99999"), HOST, "no https://", "teams.md"),
        (WHOLE.replace(HOST, f"[{HOST}"), HOST, "no https://", "teams.md"),
        (WHOLE.partition("&")[0], HOST, "has no `sig=`", "in quotes"),
        (WHOLE.partition("&")[0], HOST, "has no `sig=`", "to *Anyone*"),
        (
            WHOLE,
            "other.12.environment.api.powerplatform.com",
            "systems.yaml names other",
            f"`endpoint: https://{HOST}`",
        ),
        ("http://127.0.0.1:1/x?sig=1", "127.0.0.1", "no https://", "teams.md"),
    ],
)
def test_another_address_is_refused_in_one_sentence(secret: str, endpoint: str, says: str, step: str) -> None:
    """It says what is wrong and what to do, and repeats nothing of the address but its host."""
    with pytest.raises(ConfigError) as refused:
        connected(secret, f"https://{endpoint}")
    assert says in refused.value.message
    assert step in refused.value.next_step
    assert SIGNATURE not in str(refused.value)
    assert "/1" not in str(refused.value)


def test_a_simulated_address_is_on_this_machine() -> None:
    """A drill posts to no one."""
    access = Access(name="teams", endpoint=f"https://{HOST}/x", secret=SecretStr("s"), simulated=True)
    with pytest.raises(ConfigError, match="not on this machine"):
        Teams.connect(access)


def test_a_contact_that_teams_would_not_mention_is_reported() -> None:
    """`allclear check` finds it in the plan: the card would appear, and would call no one."""
    params = TeamsParams(message="VS-1", text="Down.", people=["ana@example.com", "Ana Ruiz", "@ben"])
    found = [problem.sentence for problem in PostInTeams.check_params(params, {})]
    assert [name in one for name, one in zip(("Ana Ruiz", "@ben"), found, strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        (f"https://{HOST}", ""),
        ("https://acme.webhook.office.com", "switched off"),
        ("https://outlook.office.com", "switched off"),
        ("https://example.com", "none of"),
        ("https://[", "missing"),
    ],
)
def test_check_reports_a_host_that_has_no_webhook(endpoint: str, says: str) -> None:
    """`allclear check` finds it in systems.yaml, before the secret is there."""
    found = [one.sentence for one in Teams.misfits(System(endpoint=endpoint))]
    assert [says in sentence for sentence in found] == ([True] if says else [])


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (httpx.Response(401), Denied, "the flow is off or gone"),
        (httpx.Response(404), Denied, "the flow is off or gone"),
        (refusal(400, "WorkflowTriggerIsNotEnabled"), Denied, "the flow is off or gone"),
        (refusal(401, "DirectApiAuthorizationRequired"), Denied, "*Who can trigger the flow?* to *Anyone*"),
        (refusal(400, "TriggerInputSchemaMismatch"), Denied, "expects a message of another form"),
        (httpx.Response(400, json={"error": {"code": "Bad", "message": f"{WHOLE} is wrong"}}), VendorRefused, "Bad"),
        (httpx.Response(200, html="<title>Sign in</title>"), AnswerLost, "as a proxy or a login page does"),
        (httpx.Response(202, html="<title>Wait</title>"), AnswerLost, "a web page"),
        (httpx.Response(200, json={}), AnswerLost, "it answered 200"),
        (httpx.Response(302, headers={"location": "https://login.example.com/"}), VendorRefused, "follow no redirect"),
    ],
)
async def test_only_a_202_of_a_flow_counts(answer: httpx.Response, error: type[Exception], says: str) -> None:
    """Everything else is one sentence without the address, and is sent once."""
    vendor = FakeVendor(answer)
    teams = Teams(WHOLE, TeamsOptions(), vendor, Pauses())
    with pytest.raises(error) as failed:
        await teams.post(TeamsMessage("text").as_json())
    await teams.close()
    assert says in str(failed.value)
    assert SIGNATURE not in str(failed.value)
    assert "paths/invoke" not in str(failed.value)
    assert len(vendor.requests) == 1


async def test_the_flow_gets_the_whole_address() -> None:
    """The signature is sent as it was given."""
    vendor = FakeVendor(httpx.Response(202))
    teams = Teams(WHOLE, TeamsOptions(), vendor, Pauses())
    await teams.post({"type": "message"})
    await teams.close()
    assert str(vendor.requests[0].url) == WHOLE.replace(":443", "")


def test_a_strangers_words_are_shown_as_they_are() -> None:
    """No Markdown, no link, no mention: everything stands in runs of plain text."""
    evil = "[pay](https://evil.test) **now** <at>Ana</at>\n\n{{DATE(2026-01-01T00:00:00Z)}}"
    content = card(evil, title=evil, facts={"Impact": evil}, people=("ana@example.com",))
    blocks = [one for one in content["body"] if one["type"] == "TextBlock"]
    assert [one["text"] for one in blocks] == ["<at>ana@example.com</at>"]
    assert "[pay](https://evil.test)" in words(content)


def test_people_are_mentioned_by_user_name_or_object_id_and_once() -> None:
    """What Teams cannot mention is left out, because the flow would fail and nothing would be shown."""
    known = "87d349ed-44d7-43e1-9a83-5f2406dee5bd"
    content = card(people=("ana@example.com", "ana@example.com", known, "Ana <at>", "[Ana]", ""))
    entities = content["msteams"]["entities"]
    assert [one["mentioned"]["id"] for one in entities] == ["ana@example.com", known]
    assert all(one["text"] in words(content) for one in entities)


def test_a_question_has_a_link_and_no_buttons() -> None:
    """Without a page it names the commands."""
    question = Card(
        ask="VS-1/contain/roll-back",
        rows=[CardRow(name="Traffic", before="100 % new", after="100 % old")],
        who="Ana may answer.",
        commands="allclear approve VS-1/contain/roll-back",
    )
    linked = card("VS-1: Ana must answer.", card=question, href="https://allclear.example.com/i/VS-1#contain-roll-back")
    assert [(one["type"], one["title"]) for one in linked["actions"]] == [
        ("Action.OpenUrl", "Answer on the incident's page")
    ]
    assert "Traffic: 100 % new → 100 % old" in words(linked)
    assert "allclear approve" not in words(linked)
    bare = card("VS-1: Ana must answer.", card=question)
    assert "actions" not in bare
    assert "Answer with: allclear approve VS-1/contain/roll-back" in words(bare)
    closed = card("VS-1", card=question.model_copy(update={"closed": "Closed: Ana approved it."}), href="https://x/")
    assert "Closed: Ana approved it." in words(closed)
    assert "may answer" not in words(closed)


LONG_TEXTS = [SCREAM, "\n".join(['line 🚨 \\ " é'] * 3_000), "a\n" * 3_000, f"first\n{SCREAM}\nlast"]


@pytest.mark.parametrize("text", LONG_TEXTS)
@pytest.mark.parametrize("href", ["", "https://allclear.example.com/i/VS-1"])
def test_a_long_text_is_shortened_and_says_where_the_rest_is(text: str, href: str) -> None:
    """A message stays below Teams' limit with every kind of text."""
    rows = [CardRow(name=SCREAM, before=SCREAM, after=SCREAM)] * 20
    question = Card(ask="VS-1/a/b", rows=rows, why=SCREAM, risk=SCREAM, undo=SCREAM, who=SCREAM, commands=SCREAM)
    facts = {f"{number}{SCREAM}": SCREAM for number in range(40)}
    beside: list[dict[str, Any]] = [{}, {"card": question}, {"facts": facts, "title": SCREAM}]
    for more in beside:
        message = TeamsMessage(text, href=href, people=("ana@example.com",) * 30, **more)
        assert size(message.as_json()) <= LARGEST
        assert (ON_PAGE if href else IN_RECORD) in words(message.as_json()["attachments"][0]["content"])


BEFORE = "🚨 Payments fail\n\nStatus: INVESTIGATING\n\nUpdates:\n02:10 Opened.\n\nWaiting for people:\nVS-1/roll-back"


def test_news_are_the_new_lines_with_their_headings() -> None:
    """What was there before is not repeated."""
    after = BEFORE.replace("INVESTIGATING", "CONTAINED").replace("Opened.", "Opened.\n02:14 Ana took it.")
    assert news(BEFORE, after) == "Status: CONTAINED\nUpdates:\n02:14 Ana took it."


def test_news_name_what_is_gone_if_nothing_is_new() -> None:
    """A change is never posted as nothing."""
    assert news(BEFORE, BEFORE.replace("\nVS-1/roll-back", "")) == "No longer: VS-1/roll-back"
    assert news("a\nb", "b\na") == "b\na"
