"""Jira Cloud: creating a ticket, finding ours again, moving it, and assigning it.

Source: Atlassian's published description of REST v3 (2025-12) and its documentation, read 2026-11:
- `POST /rest/api/3/issue` {fields} answers 201 with `key`; `description` is a document (ADF). 400 has `errorMessages`
  and `errors` by field: a required field that we do not know is the usual cause. There is no idempotency key.
- `POST /rest/api/3/search/jql` {jql, fields, maxResults} answers `issues`. It shows a new ticket only after seconds to
  minutes; `GET /rest/api/3/issue/{key}` shows it at once. The older `/rest/api/3/search` is gone (410).
- `GET …/issue/{key}/transitions` lists where it can go now, with `to.statusCategory.key` (new, indeterminate, done);
  `POST …/transitions` answers 204, 409 if another change is under way.
- `PUT …/issue/{key}/assignee` {accountId} answers 204; `GET /rest/api/3/user/search?query=` finds accounts.
- `GET /rest/api/3/mypermissions?permissions=&projectKey=` says what the token's account may do.
- A scoped token works only at https://api.atlassian.com/ex/jira/CLOUDID: make that the endpoint then.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from allclear.domain.base import JsonDict, Model
from allclear.domain.systems import Access
from allclear.vendors.access import options_of, secret_of, web_address
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import Expected, HttpClient, OverHttp, Pause
from allclear.vendors.lengths import shortened

if TYPE_CHECKING:
    import httpx

_GATEWAY = "api.atlassian.com"
LONGEST_SUMMARY = 255
LONGEST_TEXT = 32_000
Category = Literal["new", "indeterminate", "done"]
"""Jira's three kinds of status: to do, in progress, done."""
_READ = Expected(frozenset({200}), dict)
_READ_LIST = Expected(frozenset({200}), list)
_CREATED = Expected(frozenset({201}), dict, ("key",))
_DONE = Expected(frozenset({204}))
_FIELDS = ["summary", "status", "assignee", "labels"]
_CREATE = "CREATE_ISSUES"


class JiraOptions(Model):
    """Whose token it is, and into which project tickets go."""

    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="The e-mail address of the token's account.")
    project: str = Field(pattern=r"^[A-Z][A-Z0-9_]{1,9}$", description="The project's key, as OPS.")
    issue_type: str = Field(default="Task", description="The type of the tickets, as the project calls it.")
    site: str = Field(
        default="",
        pattern=r"^(https://[A-Za-z0-9.-]+)?$",
        description="Where people read tickets, as https://acme.atlassian.net, if it is not the endpoint.",
    )


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


A = TypeVar("A", bound=_Answer)


class _StatusCategory(_Answer):
    key: Category


class Status(_Answer):
    """A status with its kind."""

    name: str
    category: _StatusCategory = Field(alias="statusCategory")


class Account(_Answer):
    """A person's account."""

    id: str = Field(alias="accountId")
    name: str = Field(default="", alias="displayName")
    active: bool = True


class _Fields(_Answer):
    summary: str = ""
    status: Status
    assignee: Account | None = None
    labels: tuple[str, ...] = ()


class Ticket(_Answer):
    """A ticket."""

    key: str
    fields: _Fields


class Transition(_Answer):
    """A move that a ticket can make now."""

    id: str
    name: str
    to: Status


class _Found(_Answer):
    issues: tuple[Ticket, ...]


class _Transitions(_Answer):
    transitions: tuple[Transition, ...]


class _Permission(_Answer):
    have: bool = Field(alias="havePermission")


class _Permissions(_Answer):
    permissions: dict[str, _Permission]


class Jira(OverHttp):
    """Reads and writes the tickets of one project."""

    system: ClassVar[str] = "jira"
    options: ClassVar[type[Model]] = JiraOptions

    def __init__(
        self,
        address: str,
        secret: str,
        options: JiraOptions,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.project, self._type = options.project, options.issue_type
        through_gateway = urlsplit(address).hostname == _GATEWAY  # which shows no pages
        self._site = options.site or ("" if through_gateway else address.rstrip("/"))
        basic = base64.b64encode(f"{options.email}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Accept": "application/json"}
        self._http = HttpClient("Jira", address, headers=headers, secret=secret, transport=transport, pause=pause)

    @classmethod
    def connect(cls, access: Access) -> Self:
        """Return a client; sends nothing yet. Raises ConfigError or MissingSecret."""
        return cls(web_address(access), secret_of(access), options_of(access, JiraOptions))

    def page(self, key: str) -> str:
        """Return the address at which people read a ticket; empty if it is not known."""
        return f"{self._site}/browse/{key}" if self._site else ""

    async def find(self, label: str) -> list[Ticket]:
        """Return the tickets of the project with a label, the oldest first. A new one may not be shown yet."""
        request = VendorRequest("Jira", f"search for {label} in {self.project}", write=False)
        jql = f'project = "{self.project}" AND labels = "{label}" ORDER BY created ASC'
        body: JsonDict = {"jql": jql, "fields": _FIELDS, "maxResults": 50}
        return list((await self._read(request, "POST", "/search/jql", _Found, body)).issues)

    async def ticket(self, key: str) -> Ticket:
        """Return one ticket, as it is now. Raises NotFound, Denied, VendorError."""
        request = VendorRequest("Jira", f"read the ticket {key}", write=False)
        return await self._read(request, "GET", f"/issue/{key}?fields={','.join(_FIELDS)}", Ticket)

    async def create(self, *, summary: str, text: str, labels: list[str], assignee: str | None) -> str:
        """Create a ticket, and return its key; `assignee` is an account's id."""
        request = VendorRequest("Jira", f"create a ticket in {self.project}", write=True)
        fields: JsonDict = {
            "project": {"key": self.project},
            "issuetype": {"name": self._type},
            "summary": shortened(" ".join(summary.split()), LONGEST_SUMMARY),
            "description": document(text),
            "labels": labels,
        }
        fields |= {"assignee": {"accountId": assignee}} if assignee else {}
        answer = await self._http.send(request, "POST", "/rest/api/3/issue", json={"fields": fields}, expected=_CREATED)
        return str(answer["key"])

    async def transitions(self, key: str) -> list[Transition]:
        """Return where a ticket can go now. Raises NotFound, VendorError."""
        request = VendorRequest("Jira", f"read where the ticket {key} can go", write=False)
        return list((await self._read(request, "GET", f"/issue/{key}/transitions", _Transitions)).transitions)

    async def move(self, key: str, transition: Transition) -> None:
        """Move a ticket to another status. Raises Conflict if another change is under way."""
        request = VendorRequest("Jira", f"move the ticket {key} to {transition.to.name}", write=True)
        body = {"transition": {"id": transition.id}}
        await self._http.send(request, "POST", f"/rest/api/3/issue/{key}/transitions", json=body, expected=_DONE)

    async def assign(self, key: str, account: str | None) -> None:
        """Assign a ticket to an account, or with None to no one."""
        request = VendorRequest("Jira", f"assign the ticket {key}", write=True)
        body = {"accountId": account}
        await self._http.send(request, "PUT", f"/rest/api/3/issue/{key}/assignee", json=body, expected=_DONE)

    async def accounts(self, query: str) -> list[Account]:
        """Return the active accounts that an e-mail address or a name finds. Raises VendorError."""
        request = VendorRequest("Jira", f"look up {query}", write=False)
        found = await self._http.send(
            request, "GET", "/rest/api/3/user/search", params={"query": query}, expected=_READ_LIST
        )
        accounts = [_parsed(request, one, Account) for one in cast("list[object]", found)]
        return [account for account in accounts if account.active]

    async def may_create(self) -> bool:
        """Return whether the token's account may create tickets in the project. Raises NotFound, VendorError."""
        request = VendorRequest("Jira", f"read our permissions in {self.project}", write=False)
        path = f"/mypermissions?permissions={_CREATE}&projectKey={self.project}"
        found = (await self._read(request, "GET", path, _Permissions)).permissions.get(_CREATE)
        return found is not None and found.have

    async def _read(
        self, request: VendorRequest, method: str, path: str, model: type[A], body: JsonDict | None = None
    ) -> A:
        answer = await self._http.send(request, method, f"/rest/api/3{path}", json=body, expected=_READ)
        return _parsed(request, answer, model)


def document(text: str) -> JsonDict:
    """Return a text as Jira's document (ADF): a paragraph for each of its lines that is not empty."""
    lines = [line for line in shortened(text, LONGEST_TEXT).splitlines() if line.strip()]
    content: list[Any] = [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in lines]
    return {"type": "doc", "version": 1, "content": content}


def _parsed(request: VendorRequest, answer: object, model: type[A]) -> A:
    try:
        return model.model_validate(answer)
    except ValidationError:
        raise request.not_from_vendor(200, "unexpected JSON") from None
