"""The lab's CA over HTTP, with orders kept by public key so that asking twice is harmless.

============================  ===========================================================================
``POST /requests``            Body: the CSR, PEM. 200 issued, 202 taken, 400 refused with the reason.
                              JSON ``{"id", "status"}``, and the order's path as ``Location``.
``GET /requests/{id}``        200 the CA's reply as a file; 202 not issued yet; 404 no such request.
``GET /issuers/{n}.cer``      The n-th intermediate, DER: what the leaves' AIA points to.
``GET /root.pem``             The root.
============================  ===========================================================================

An order's id is the SHA-256 of the CSR's public key (SPKI) as hex. A certificate is made when it is first asked for
and kept. When the faults in force have changed since, the CA has mended its ways (or gone bad) and issues afresh.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrunbook.certificates.facts import spki_sha256_of
from tlsrunbook.lab.ca import CsrRefused, LabCA, Shape, csr_names, read_csr
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.signing import make_key

_MAX_CSR = 64 * 1024
_CA_FAULTS = ("ca-wrong-key", "ca-missing-name", "ca-no-intermediate", "ca-expired", "ca-new-intermediate")


class AuthorityDesk:
    """Takes CSRs and hands out replies; knows nothing of HTTP.

    Args:
        ca: Who signs.
        faults: What goes wrong.
        shape: The form of the reply.
        server_of: Tells for which server some names are, for faults at one server; empty for none.
    """

    def __init__(
        self,
        ca: LabCA,
        faults: FaultBoard,
        *,
        shape: Shape = "pem",
        server_of: Callable[[tuple[str, ...]], str] = lambda _names: "",
    ) -> None:
        self.ca = ca
        self.shape = shape
        self._faults = faults
        self._server_of = server_of
        self._requests: dict[str, str] = {}
        self._issued: dict[tuple[str, frozenset[str]], bytes] = {}
        self._given: dict[str, bytes] = {}
        self._waiting: set[str] = set()

    def take(self, csr_pem: str) -> str:
        """Take a CSR and give the order's id.

        Raises:
            CsrRefused: The CA does not sign it.
        """
        order = spki_sha256_of(read_csr(csr_pem))
        # The first CSR of a key stands; another one for the same key is the same order.
        if order not in self._requests:
            self._requests[order] = csr_pem
            try:
                self._reply(order)
            except CsrRefused:
                del self._requests[order]
                raise
        return order

    def remember(self, csr_pem: str, reply: bytes = b"") -> None:
        """Know an order from elsewhere, with its reply; without one it waits until :meth:`answer_all`.

        Raises:
            CsrRefused: It is no CSR.
        """
        order = spki_sha256_of(read_csr(csr_pem))
        self._requests[order] = csr_pem
        if reply:
            self._given[order] = reply
        else:
            self._waiting.add(order)

    def answer_all(self) -> None:
        """Answer the orders that wait."""
        self._waiting.clear()

    def reply(self, order: str) -> bytes | None:
        """Give the reply to an order, or None while the CA is slow.

        Raises:
            LookupError: No such order.
            CsrRefused: The CA does not sign it, and says so only now.
        """
        if order not in self._requests:
            raise LookupError(f"no request {order}")
        return self._reply(order)

    def _reply(self, order: str) -> bytes | None:
        csr_pem = self._requests[order]
        names = csr_names(read_csr(csr_pem))
        server = self._server_of(names)
        if order in self._waiting or self._faults.hits("ca-slow", server):
            return None
        if order in self._given:
            return self._given[order]
        faults = frozenset(name for name in _CA_FAULTS if self._faults.hits(name, server))
        kept = self._issued.get((order, faults))
        if kept is None:
            kept = self._issued[order, faults] = self._issue(csr_pem, names, faults)
        return kept

    def _issue(self, csr_pem: str, names: tuple[str, ...], faults: frozenset[str]) -> bytes:
        wanted = names
        if "ca-missing-name" in faults and names:
            parent = names[0].partition(".")[2]
            wanted = names[1:] or (f"www.{parent}",)
        if "ca-new-intermediate" in faults:
            self.ca.rotate_intermediate()
        leaf = self.ca.issue(
            csr_pem,
            names=wanted,
            public_key=make_key("rsa").public_key() if "ca-wrong-key" in faults else None,
            not_before=datetime.now(UTC) - timedelta(days=100) if "ca-expired" in faults else None,
        )
        return self.ca.reply(leaf, with_intermediate="ca-no-intermediate" not in faults, shape=self.shape)


class AuthorityServer:
    """The desk's HTTP front on a free port.

    Args:
        desk: Who answers.
        listen: Address to listen on.
    """

    def __init__(self, desk: AuthorityDesk, listen: str = "127.0.0.1") -> None:
        self.desk = desk
        self.url = ""
        self._listen = listen
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen, and let the CA's certificates point here."""
        app = web.Application(client_max_size=_MAX_CSR)
        app.add_routes(
            [
                web.post("/requests", self._submit),
                web.get("/requests/{id}", self._collect),
                web.get(r"/issuers/{number:\d+}.cer", self._issuer),
                web.get("/root.pem", self._root),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._listen, 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.desk.ca.aia = f"{self.url}/issuers"

    async def stop(self) -> None:
        """Stop listening and end open connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _submit(self, request: web.Request) -> web.Response:
        try:
            order = self.desk.take((await request.read()).decode("ascii"))
        except UnicodeDecodeError:
            return web.Response(status=400, text="the request is not ASCII; send it as PEM")
        except CsrRefused as refused:
            return web.Response(status=400, text=str(refused))
        issued = self.desk.reply(order) is not None
        body = {"id": order, "status": "issued" if issued else "pending"}
        return web.json_response(body, status=200 if issued else 202, headers={"Location": f"/requests/{order}"})

    async def _collect(self, request: web.Request) -> web.Response:
        try:
            reply = self.desk.reply(request.match_info["id"])
        except LookupError:
            return web.Response(status=404, text="there is no such request")
        except CsrRefused as refused:
            return web.Response(status=400, text=str(refused))
        if reply is None:
            return web.Response(status=202, text="the request is being looked at")
        kind = "application/pkcs7-mime" if self.desk.shape == "p7b" else "application/x-pem-file"
        return web.Response(body=reply, content_type=kind)

    async def _issuer(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        if not 1 <= number <= len(self.desk.ca.intermediates):
            return web.Response(status=404, text="there is no such issuer")
        der = self.desk.ca.intermediates[number - 1].public_bytes(Encoding.DER)
        return web.Response(body=der, content_type="application/pkix-cert")

    async def _root(self, _request: web.Request) -> web.Response:
        return web.Response(text=self.desk.ca.root_pem, content_type="application/x-pem-file")
