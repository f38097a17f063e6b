"""The client of Acme's queues; their address is that of `acme_queues` in systems.yaml."""

from allclear.domain.systems import Access
from allclear.vendors.access import secret_of, web_address
from allclear.vendors.errors import VendorRequest
from allclear.vendors.http import HttpClient


class Queues:
    """Reads and pauses queues: `GET` and `PUT /queues/NAME` with `{"paused": true}`."""

    system = "acme_queues"

    def __init__(self, address: str, secret: str) -> None:
        self._http = HttpClient("Acme's queues", address, headers={"Authorization": f"Bearer {secret}"}, secret=secret)

    @classmethod
    def connect(cls, access: Access) -> "Queues":
        return cls(web_address(access), secret_of(access))

    async def close(self) -> None:
        await self._http.close()

    async def paused(self, queue: str) -> bool:
        request = VendorRequest("Acme's queues", f"read the queue {queue}", write=False)
        return (await self._http.send(request, "GET", f"/queues/{queue}"))["paused"] is True

    async def pause(self, queue: str, *, paused: bool) -> None:
        request = VendorRequest("Acme's queues", f"change the queue {queue}", write=True)
        await self._http.send(request, "PUT", f"/queues/{queue}", json={"paused": paused})
