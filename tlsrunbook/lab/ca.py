"""The lab's public certification authority: a root, intermediates, and leaves for foreign keys.

It issues as a public CA with domain validation does: the names come from the CSR, the organisation in it is dropped,
lifetimes keep within the limits of the CA/Browser Forum, and every extension is there that verifiers ask for. What a
bad CA does is an argument of :meth:`LabCA.issue`, so that a fault is one line elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from tlsrunbook.certificates.signatures import is_request_signed
from tlsrunbook.lab.signing import (
    KeyKind,
    Signer,
    ca_extensions,
    ca_name,
    ca_period,
    issuer_access,
    leaf_extensions,
    make_key,
)

Shape: TypeAlias = Literal["pem", "p7b"]

#: Days a leaf lives unless told otherwise; public CAs may give up to 200 since March 2026.
LEAF_DAYS = 90
#: CAs date certificates back, because clients' clocks are slow.
BACKDATED = timedelta(hours=1)
ROOT_DAYS = 20 * 365
INTERMEDIATE_DAYS = 5 * 365

SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
# Baseline Requirements: domain validated, organisation validated.
_DOMAIN_VALIDATED = ObjectIdentifier("2.23.140.1.2.1")
_ORGANIZATION_VALIDATED = ObjectIdentifier("2.23.140.1.2.2")

# Top labels that no public CA puts its name to (Baseline Requirements, internal names).
_INTERNAL = frozenset({"local", "localhost", "internal", "lan", "corp", "home", "test", "invalid", "example"})
_MIN_RSA_BITS = 2048


class CsrRefused(ValueError):
    """The CA does not sign this CSR; the message says why, as a CA's web page would."""


class LabCA:
    """A root and its intermediates, made afresh.

    Args:
        name: Goes into the CA certificates' subjects.
        keys: Kind of the CA's own keys: EC P-256 or RSA with 2048 bits.
        aia: URL prefix under which the intermediates can be fetched as ``1.cer`` and on; empty for none. May be set
            later.
    """

    def __init__(self, name: str = "tlsrunbook lab", *, keys: KeyKind = "ec", aia: str = "") -> None:
        self.name = name
        self.aia = aia
        self._keys = keys
        self._lock = Lock()
        self._last = datetime.min.replace(tzinfo=UTC)
        self._root = Signer.root(f"{name} root", name, keys=keys, days=ROOT_DAYS)
        self._intermediates: list[Signer] = []
        self.rotate_intermediate()

    @property
    def root(self) -> x509.Certificate:
        """The root certificate, which clients have to trust."""
        return self._root.certificate

    @property
    def root_pem(self) -> str:
        """The root certificate as PEM."""
        return self.root.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def intermediate(self) -> x509.Certificate:
        """The intermediate that signs now."""
        return self._intermediates[-1].certificate

    @property
    def intermediates(self) -> tuple[x509.Certificate, ...]:
        """All intermediates so far, the oldest first."""
        return tuple(signer.certificate for signer in self._intermediates)

    def _next_moment(self) -> datetime:
        """Give an hour ago, and never the same second twice: a renewal is told from the one before it by its date."""
        with self._lock:
            now = datetime.now(UTC).replace(microsecond=0)
            self._last = min(max(now - BACKDATED, self._last + timedelta(seconds=1)), now)
            return self._last

    def rotate_intermediate(self) -> x509.Certificate:
        """Make a new intermediate, with a new name and key, that signs from now on; public CAs do this often."""
        number = len(self._intermediates) + 1
        key = make_key(self._keys)
        extensions = (
            *ca_extensions(key, path_length=0),
            (x509.ExtendedKeyUsage([SERVER_AUTH, CLIENT_AUTH]), False),
        )
        subject = ca_name(f"{self.name} issuing CA {number}", self.name)
        certificate = self._root.sign(subject, key.public_key(), ca_period(INTERMEDIATE_DAYS), extensions)
        self._intermediates.append(Signer(certificate, key))
        return certificate

    def issue(
        self,
        csr_pem: str,
        *,
        names: Iterable[str] | None = None,
        public_key: CertificatePublicKeyTypes | None = None,
        not_before: datetime | None = None,
        days: int = LEAF_DAYS,
        usages: Iterable[ObjectIdentifier] = (SERVER_AUTH,),
        keep_organization: bool = False,
    ) -> x509.Certificate:
        """Sign a CSR with the intermediate of the day.

        Args:
            csr_pem: The CSR, PEM.
            names: DNS names of the certificate, the first is the CN; None for those of the CSR.
            public_key: A key to certify in place of the CSR's own, as a CA does that mixes up its orders.
            not_before: UTC; None for an hour ago.
            days: Lifetime.
            usages: Extended key usages; empty leaves the extension out.
            keep_organization: Keep the CSR's whole subject, as a CA does that validates organisations.

        Raises:
            CsrRefused: The CSR is not one, its signature is bad, its key weak, or a name not public.
        """
        csr = read_csr(csr_pem)
        wanted = tuple(names) if names is not None else csr_names(csr)
        _refuse_names(wanted)
        start = (not_before or self._next_moment()).replace(microsecond=0)
        # Lifetimes count both ends (RFC 5280), hence the second less.
        period = (start, start + timedelta(days=days, seconds=-1))
        key = public_key or csr.public_key()
        extensions = [*leaf_extensions(key, tuple(x509.DNSName(name) for name in wanted))]
        policy = _ORGANIZATION_VALIDATED if keep_organization else _DOMAIN_VALIDATED
        extensions.append((x509.CertificatePolicies([x509.PolicyInformation(policy, None)]), False))
        if listed := list(usages):
            extensions.append((x509.ExtendedKeyUsage(listed), False))
        if self.aia:
            extensions.append((issuer_access(f"{self.aia.rstrip('/')}/{len(self._intermediates)}.cer"), False))
        subject = _leaf_name(csr, wanted[0], keep_organization=keep_organization)
        return self._intermediates[-1].sign(subject, key, period, tuple(extensions))

    def issuer_of(self, certificate: x509.Certificate) -> x509.Certificate:
        """Give the intermediate that signed a leaf.

        Raises:
            LookupError: None of ours did.
        """
        for candidate in self.intermediates:
            if candidate.subject == certificate.issuer:
                return candidate
        raise LookupError(f"no intermediate of {self.name} signed {certificate.subject.rfc4514_string()}")

    def reply(self, leaf: x509.Certificate, *, with_intermediate: bool = True, shape: Shape = "pem") -> bytes:
        """Put a leaf into the form in which the CA delivers it.

        Args:
            leaf: What :meth:`issue` gave.
            with_intermediate: Whether its intermediate comes along.
            shape: PEM, leaf first; or PKCS #7 in DER, where the encoding decides the order.
        """
        chain = [leaf, self.issuer_of(leaf)] if with_intermediate else [leaf]
        if shape == "p7b":
            return pkcs7.serialize_certificates(chain, Encoding.DER)
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)


def read_csr(csr_pem: str) -> x509.CertificateSigningRequest:
    """Read a CSR and refuse what a public CA refuses at sight.

    Raises:
        CsrRefused: It is not a CSR, its signature is bad, or its key is weak.
    """
    try:
        csr = x509.load_pem_x509_csr(csr_pem.encode("ascii"))
    except ValueError as error:
        raise CsrRefused("this is not a certificate request (PKCS #10) in PEM") from error
    if not is_request_signed(csr):  # SHA-1 is fine here: the CSR's hash has no say in what is issued
        raise CsrRefused("the request's signature does not match its key")
    key = csr.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        raise CsrRefused(f"the key has {key.key_size} bits; at least {_MIN_RSA_BITS} are required")
    return csr


def csr_names(csr: x509.CertificateSigningRequest) -> tuple[str, ...]:
    """Give the DNS names a CSR asks for, lower case, the CN first, each once."""
    names = [str(item.value) for item in csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names += extension.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        pass  # Exchange leaves it out when there is one name.
    return tuple(dict.fromkeys(name.lower() for name in names))


def _refuse_names(names: tuple[str, ...]) -> None:
    if not names:
        raise CsrRefused("the request names no domain")
    for name in names:
        labels = name.split(".")
        if len(labels) < 2 or not all(labels) or labels[-1] in _INTERNAL or "_" in name or " " in name:
            raise CsrRefused(f"{name!r} is not a public domain name")


def _leaf_name(csr: x509.CertificateSigningRequest, cn: str, *, keep_organization: bool) -> x509.Name:
    common_name = x509.NameAttribute(NameOID.COMMON_NAME, cn)
    if not keep_organization:
        return x509.Name([common_name])
    return x509.Name([*(item for item in csr.subject if item.oid != NameOID.COMMON_NAME), common_name])
