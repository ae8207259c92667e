"""The tables of a site file that are about the whole site, and the kinds of values they hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    ValidationInfo,
    WithJsonSchema,
)

from tlsrunbook.site import names, values
from tlsrunbook.site.subject import x500
from tlsrunbook.site.wrong import wrong

Whole: TypeAlias = Annotated[int, Strict()]
Flag: TypeAlias = Annotated[bool, Strict()]
Text: TypeAlias = Annotated[str, AfterValidator(values.one_line)]
Port: TypeAlias = Annotated[Whole, Field(ge=1, le=65535), AfterValidator(values.winrm_port)]
Wave: TypeAlias = Annotated["int | str", PlainValidator(values.wave), WithJsonSchema(values.WAVE_SCHEMA)]


def _in_folder(path: Path, info: ValidationInfo) -> Path:
    if not path.parts:
        raise wrong("is empty", "write a path, absolute or relative to the site file's folder")
    resolve: Callable[[Path], Path] | None = (info.context or {}).get("resolve")
    return resolve(path) if resolve else path


def _approver(value: object, info: ValidationInfo) -> Path | str:
    key = values.approver(value)
    return key if isinstance(key, str) else _in_folder(key, info)


#: A public key: a path like :data:`SitePath`, or the PEM text itself.
Approver: TypeAlias = Annotated["Path | str", PlainValidator(_approver), WithJsonSchema({"type": "string"})]

#: A path. ``load_site`` makes it absolute, against the folder of the site file.
SitePath: TypeAlias = Annotated[Path, AfterValidator(_in_folder)]


class Table(BaseModel):
    """One table of the site file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CertificateSettings(Table):
    """What the certificates of this site look like."""

    country: Annotated[str, AfterValidator(values.country)] = Field(
        default="",
        description="`C` of the subject: two letters of ISO 3166. Some CAs need it at renewal.",
        examples=["GB"],
    )
    organization: Annotated[Text, Field(max_length=64)] = Field(
        default="",
        description="`O` of the subject: the registered name of who owns the domains.",
        examples=["Example Corp"],
    )
    organizational_unit: Annotated[Text, Field(max_length=64)] = Field(
        default="",
        description="`OU` of the subject. Public CAs leave it out of what they issue.",
        examples=["Messaging"],
    )
    locality: Annotated[Text, Field(max_length=128)] = Field(
        default="", description="`L` of the subject: the town.", examples=["London"]
    )
    state: Annotated[Text, Field(max_length=128)] = Field(
        default="", description="`S` of the subject: state or province.", examples=["Greater London"]
    )
    key_size: Annotated[Literal[2048, 4096], BeforeValidator(values.key_size)] = Field(
        default=2048,
        description="Bits of the RSA key. 1024 is refused: no public CA signs it any more.",
        examples=[2048],
    )
    exportable: Flag = Field(
        default=False, description="Whether the private key may leave the server later.", examples=[False]
    )
    friendly_name: Annotated[Text, Field(min_length=1, max_length=63)] = Field(
        default="tlsrunbook smtp",
        description="How the certificate is called on the server; under 64 characters.",
        examples=["tlsrunbook smtp"],
    )
    renew_before_days: Annotated[Whole, Field(ge=1, le=180)] = Field(
        default=30, description="A certificate that ends within this many days is asked for anew.", examples=[30]
    )

    @property
    def subject_parts(self) -> dict[str, str]:
        """The parts of the subject besides the common name, empty ones left out; ``ST`` is the state."""
        parts = {
            "C": self.country,
            "ST": self.state,
            "L": self.locality,
            "O": self.organization,
            "OU": self.organizational_unit,
        }
        return {name: value for name, value in parts.items() if value}

    def subject(self, fqdn: str) -> str:
        """Give the X.500 text for ``-SubjectName``, such as ``C=GB,O=Example Corp,CN=mx1.example.net``.

        Args:
            fqdn: The server's FQDN, the common name.
        """
        return x500(
            (
                ("C", self.country),
                ("S", self.state),
                ("L", self.locality),
                ("O", self.organization),
                ("OU", self.organizational_unit),
                ("CN", fqdn),
            )
        )


class FolderAuthoritySettings(Table):
    """A person takes the CSR to a CA, and puts the CA's answer back."""

    kind: Literal["folder"] = Field(description="Who issues: `folder` (a person) or `lab`.", examples=["folder"])
    outbox: SitePath = Field(description="Folder that CSRs are written to.", examples=["ca/outbox"])
    inbox: SitePath = Field(
        description="Folder that the CA's answers are put into, under any name.", examples=["ca/inbox"]
    )
    roots: SitePath | None = Field(
        default=None,
        description="PEM file of the root certificates to trust; without it, those of the certificate store in use.",
        examples=["ca/roots.pem"],
    )


class LabAuthoritySettings(Table):
    """The lab's own CA, which signs at once. Loopback only."""

    kind: Literal["lab"] = Field(description="Who issues: `folder` (a person) or `lab`.", examples=["lab"])
    url: Annotated[str, AfterValidator(values.loopback_url)] = Field(
        description="Where the lab's CA listens.", examples=["http://127.0.0.1:8080"]
    )
    roots: SitePath = Field(description="PEM file of the lab's root certificate.", examples=["lab-root.pem"])


#: Who issues the certificates.
AuthoritySettings: TypeAlias = Annotated[FolderAuthoritySettings | LabAuthoritySettings, Field(discriminator="kind")]


class Policy(Table):
    """How carefully things are changed."""

    approval: Literal["none", "required"] = Field(
        default="none", description="`required`: nothing is applied that was not approved before.", examples=["none"]
    )
    approvers: tuple[Approver, ...] = Field(
        default=(),
        description="Public keys whose approval counts: PEM files (ECDSA P-256), or the PEM text itself.",
        examples=[["keys/alice.pem"]],
    )
    separate_approver: Flag = Field(
        default=False,
        description="Whether an approval by a key that also signs the run (the operator's own) is refused.",
        examples=[True],
    )
    valid_for: Annotated[str, AfterValidator(values.duration)] = Field(
        default="7d",
        description="How long an approval lasts: hours (`12h`) or days (`7d`), at most a year.",
        examples=["7d"],
    )
    default_smtp_certificate: Literal["keep", "replace"] = Field(
        default="keep",
        description="What happens to the default SMTP certificate (internal transport) when a new one gets SMTP.",
        examples=["keep"],
    )
    waves: Annotated[tuple[Wave, ...], AfterValidator(values.waves)] = Field(
        default=(1, "25%", "100%"),
        description="How many servers are done after each wave: numbers, or shares of those asked for, rounded up; "
        "growing, the last one `100%`.",
        examples=[[1, "25%", "100%"]],
    )
    stop_after_failures: Annotated[Whole, Field(ge=1)] = Field(
        default=1, description="No further server is started after this many failures.", examples=[1]
    )
    logons_per_minute: Annotated[Whole, Field(ge=0, le=6000)] = Field(
        default=0,
        description="So many servers are begun per minute at most, each with a logon. 0: no limit.",
        examples=[30],
    )

    @property
    def approval_lasts(self) -> timedelta:
        """How long an approval lasts."""
        return values.lasting(self.valid_for)


class Dns(Table):
    """Which DNS server is asked."""

    server: Annotated[str, AfterValidator(names.resolver)] = Field(
        default="",
        description="IP address, `:port` when it is not 53. Empty: what this computer uses.",
        examples=["192.0.2.53"],
    )


class CredentialsSettings(Table):
    """Where credentials may lie. They are never in the site file itself."""

    file: SitePath | None = Field(
        default=None,
        description="TOML file with a table per credential name (`user`, `password`), readable by you alone.",
        examples=["credentials.toml"],
    )


class Rehearsal(Table):
    """Written by `tlsrunbook rehearse`, never by people: everything in this file is the lab on this computer."""

    of: Annotated[Text, Field(min_length=1)] = Field(
        description="The site file that is rehearsed. It stands in every record.", examples=["sites/london.toml"]
    )
    authority: Annotated[str, AfterValidator(values.loopback_url)] = Field(
        description="Where the lab's CA listens; it issues in place of the site's authority.",
        examples=["http://127.0.0.1:8080"],
    )
    roots: SitePath = Field(
        description="PEM file of the lab's root certificate, trusted besides the site's roots.",
        examples=["lab-root.pem"],
    )


class Logon(Table):
    """How to log on to a server."""

    method: Literal["ntlm", "kerberos", "credssp", "certificate", "basic"] = Field(
        default="ntlm", description="How WinRM authenticates.", examples=["ntlm"]
    )
    port: Port = Field(
        default=5986, description="WinRM over HTTPS. 5985, its port without TLS, is refused.", examples=[5986]
    )
    ca_file: SitePath | None = Field(
        default=None,
        description="PEM file of the CA that signed the WinRM certificate; without it, the computer's own roots.",
        examples=["winrm-ca.pem"],
    )
    credential: Annotated[str, AfterValidator(values.credential_name)] = Field(
        description="Name of a credential; where its user and password come from is in the guide.",
        examples=["exchange-admin"],
    )
