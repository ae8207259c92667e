"""Named misbehaviours of the lab, so that a test can cause them and a person can rehearse them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tlsrunbook.errors import UsageError


@dataclass(frozen=True)
class Fault:
    """One misbehaviour.

    Args:
        name: Kebab-case; what ``lab --fault`` takes.
        text: What happens, one sentence.
        once: Whether it happens once and is then used up.
        takes_cmdlet: Whether a cmdlet may be named after a colon.
    """

    name: str
    text: str
    once: bool = False
    takes_cmdlet: bool = False


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("winrm-refused", "The WinRM port refuses connections."),
        Fault("winrm-untrusted", "The WinRM endpoint shows a TLS certificate of a CA nobody trusts."),
        Fault("logon-refused", "The server refuses every password."),
        Fault("hop-refused", "The WinRM logon works, the inner Exchange session refuses the credential."),
        Fault("gone-before-run", "The server goes away before the cmdlet runs.", once=True, takes_cmdlet=True),
        Fault(
            "gone-after-run",
            "The cmdlet runs, and the server goes away before it answers.",
            once=True,
            takes_cmdlet=True,
        ),
        Fault(
            "send-times-out",
            "The WinRM Send answers with a time-out although the input arrived.",
            once=True,
            takes_cmdlet=True,
        ),
        Fault("exchange-error", "The cmdlet answers with an error and changes nothing.", takes_cmdlet=True),
        Fault("edgesync-slow", "EdgeSync says that it is done, and the Edge has its copy some looks later.", once=True),
        Fault("edgesync-stuck", "EdgeSync says that it is done, and the Edge never gets its copy."),
        Fault("ca-wrong-key", "The CA signs somebody else's key."),
        Fault("ca-missing-name", "The CA leaves the FQDN out of the certificate."),
        Fault("ca-no-intermediate", "The CA's reply holds the leaf only."),
        Fault("ca-expired", "The CA's certificate has expired already."),
        Fault("ca-slow", "The CA takes the CSR and does not answer."),
        Fault("smtp-closed", "The SMTP port refuses connections."),
        Fault("smtp-no-starttls", "The SMTP listener does not offer STARTTLS, whatever the connector says."),
        Fault("smtp-old-certificate", "The SMTP listener goes on showing the certificate it had at start."),
        Fault("ca-new-intermediate", "The CA signs each certificate with a new intermediate, as CAs do now and then."),
        Fault("certificates-raw-only", "Get-ExchangeCertificate gives raw data alone: services are unknown."),
        Fault("key-acl-locked", "The account may not let the transport service read a certificate's private key."),
        Fault("put-back-ignored", "Enabling SMTP anew on the old default certificate does not make it the default."),
        Fault("default-missing", "The default SMTP certificate is not in the store, so it cannot be put back."),
        Fault("fqdn-underscore", "A receive connector's Fqdn has an underscore, so that SMTP cannot be enabled."),
        Fault(
            "name-stale",
            "Receive connectors, and the send connector to Office 365, name a certificate that is gone, of an "
            "intermediate that signs no more.",
        ),
        Fault("foreign-route", "Somebody else's send connector takes the mail to a partner, without TLS."),
        Fault(
            "newer-twin",
            "Once the certificate is activated, somebody imports a newer one of the same issuer and subject, and does "
            "not enable SMTP.",
        ),
        Fault("smtp-leaf-only", "The SMTP listener sends the leaf without its intermediates."),
    )
}


class FaultBoard:
    """The faults in force, lab-wide or for one server.

    A fault is written ``name``, ``name:Cmdlet``, ``name@server`` or ``name:Cmdlet@server``.
    """

    def __init__(self, *texts: str) -> None:
        self._active: list[tuple[Fault, str, str]] = []
        self._watchers: list[Callable[[], None]] = []
        for text in texts:
            self.set(text)

    def set(self, text: str) -> None:
        """Put a fault in force.

        Raises:
            UsageError: No such fault, or it takes no cmdlet.
        """
        head, _, server = text.partition("@")
        name, _, cmdlet = head.partition(":")
        fault = FAULTS.get(name)
        if fault is None:
            raise UsageError(f"there is no fault {name!r}", todo=f"use one of: {', '.join(FAULTS)}")
        if cmdlet and not fault.takes_cmdlet:
            raise UsageError(f"the fault {name!r} takes no cmdlet", todo=f"write {name} or {name}@SERVER")
        self._active.append((fault, cmdlet, server.lower()))
        self._tell()

    def clear(self) -> None:
        """End all faults."""
        self._active.clear()
        self._tell()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have something called whenever the faults in force were changed, in the thread that changed them."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Have it called no more."""
        self._watchers.remove(watcher)

    def _tell(self) -> None:
        for watcher in tuple(self._watchers):
            watcher()

    def hits(self, name: str, server: str = "", cmdlet: str = "") -> bool:
        """Whether a fault applies here; one that happens once is used up by a hit.

        Args:
            name: The fault's name.
            server: NetBIOS name; a fault for another server does not hit.
            cmdlet: What runs; a fault that names another cmdlet does not hit.
        """
        for entry in self._active:
            fault, wanted, where = entry
            if fault.name != name or where not in ("", server.lower()) or wanted not in ("", cmdlet):
                continue
            if fault.once:
                self._active.remove(entry)
            return True
        return False
