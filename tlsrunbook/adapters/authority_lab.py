"""The lab's CA as an authority, asked over HTTP."""

from __future__ import annotations

import requests

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.errors import AuthorityFailed
from tlsrunbook.ports import Note

_MAX_REPLY = 1024 * 1024
_MAX_REASON = 200


class LabAuthority:
    """Submits to the lab's CA and collects from it.

    Args:
        url: Where ``tlsrunbook lab`` said its CA is, such as ``http://127.0.0.1:8123``.
        timeout: Seconds for connecting and for each answer.
    """

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout

    @property
    def name(self) -> str:
        """What people call it."""
        return f"lab {self._url}"

    @property
    def notes(self) -> tuple[Note, ...]:
        """Nothing: the lab's CA keeps orders and no folder of files."""
        return ()

    def submit(self, csr_pem: str, label: str) -> str:  # noqa: ARG002 - the lab keeps orders by key, not by label
        """Hand a CSR over and give the order's URL.

        Raises:
            AuthorityFailed: The lab does not answer, or its CA refuses the CSR.
            BadCertificateFile: It is not a CSR.
        """
        csr = read_csr(csr_pem)
        status, body = self._ask("POST", "/requests", csr.pem.encode("ascii"))
        if status not in (200, 202):
            raise self._refusal(status, body)
        return f"{self._url}/requests/{csr.spki_sha256}"

    def holds(self, csr_pem: str, label: str) -> bool:  # noqa: ARG002 - as above
        """Whether a CSR with this key was handed over already.

        Raises:
            AuthorityFailed: The lab does not answer, or with an error.
            BadCertificateFile: It is not a CSR.
        """
        status, body = self._ask("GET", f"/requests/{read_csr(csr_pem).spki_sha256}")
        if status not in (200, 202, 404):
            raise self._refusal(status, body)
        return status != 404

    def collect(self, csr_pem: str, label: str) -> bytes | None:  # noqa: ARG002 - as above
        """Give the CA's reply for this CSR's key, or None while there is none.

        Raises:
            AuthorityFailed: The lab does not answer, or with an error.
            BadCertificateFile: It is not a CSR.
        """
        status, body = self._ask("GET", f"/requests/{read_csr(csr_pem).spki_sha256}")
        if status in (202, 404):
            return None
        if status != 200:
            raise self._refusal(status, body)
        return body

    def _ask(self, method: str, path: str, data: bytes | None = None) -> tuple[int, bytes]:
        try:
            with requests.Session() as session:
                # A proxy from the environment has no business between here and a lab on loopback.
                session.trust_env = False
                answer = session.request(
                    method, self._url + path, data=data, timeout=self._timeout, stream=True, allow_redirects=False
                )
                with answer:
                    return answer.status_code, self._body(answer)
        except requests.RequestException as error:
            raise AuthorityFailed(
                f"the lab's CA does not answer ({type(error).__name__})",
                where=self.name,
                todo="see that `tlsrunbook lab` still runs and that authority.url in the site file is the one it wrote",
            ) from error

    def _body(self, answer: requests.Response) -> bytes:
        body = b""
        for piece in answer.iter_content(64 * 1024):
            body += piece
            if len(body) > _MAX_REPLY:
                raise AuthorityFailed(
                    f"the answer is longer than {_MAX_REPLY} bytes",
                    where=self.name,
                    todo="see that authority.url in the site file leads to the lab's CA",
                )
        return body

    def _refusal(self, status: int, body: bytes) -> AuthorityFailed:
        reason = body.decode("utf-8", "replace").strip()[:_MAX_REASON]
        what = f"the CA refuses the CSR: {reason}" if status == 400 else f"the CA answers with HTTP {status}"
        todo = "mend the CSR (site file) and request again" if status == 400 else "look at the lab's own output"
        return AuthorityFailed(what, where=self.name, todo=todo)
