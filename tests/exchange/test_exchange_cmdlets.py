import pytest
from exchange_targets import THUMBPRINT, VERSIONS, target

from tlsrunbook.errors import UsageError
from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.exchange.state import AddressSpace
from tlsrunbook.secret import Secret

EVERYWHERE = (AddressSpace("*"),)


def names(command: Command) -> list[str]:
    return [name for name, _ in command.parameters]


def test_a_request_is_text_and_names_its_server() -> None:
    command = cmdlets.new_certificate_request(
        target(), "C=DE, O=Example, CN=mail.example.com", ("mail.example.com",), key_size=4096, friendly_name="smtp"
    )
    assert command.name == "New-ExchangeCertificate"
    assert command.parameters == (
        ("Server", "MBX1"),
        ("GenerateRequest", True),
        ("SubjectName", "C=DE, O=Example, CN=mail.example.com"),
        ("DomainName", ("mail.example.com",)),
        ("KeySize", 4096),
        ("PrivateKeyExportable", False),
        ("FriendlyName", "smtp"),
        ("Force", True),
    )
    assert command.select == ("Value",)


@pytest.mark.parametrize("reported", [None, {"New-ExchangeCertificate": frozenset({"Path", "GenerateRequest"})}])
def test_2007_writes_the_request_to_a_file(reported: dict | None) -> None:
    server = target("2007", parameters=reported)
    command = cmdlets.new_certificate_request(server, "CN=a.example", ("a.example",), path="c:\\a.req")
    assert command.get("Path") == "c:\\a.req"
    assert "Server" not in names(command)
    with pytest.raises(ValueError, match="2007 writes"):
        cmdlets.new_certificate_request(server, "CN=a.example", ("a.example",))


@pytest.mark.parametrize("product", ["2010", "2013", "2016", "2019", "SE"])
def test_later_versions_take_no_path_and_never_use_the_removed_file_parameters(product: str) -> None:
    with pytest.raises(ValueError, match="only 2007"):
        cmdlets.new_certificate_request(target(product), "CN=a.example", ("a.example",), path="c:\\a.req")
    request = cmdlets.new_certificate_request(target(product), "CN=a.example", ("a.example",))
    answer = cmdlets.import_certificate(target(product), b"DER")
    assert not {"RequestFile", "FileName", "Path"} & {*names(request), *names(answer)}


@pytest.mark.parametrize(("subject", "domains"), [("", ("a.example",)), ("CN=a", ()), ("CN=a", ("a.example", ""))])
def test_a_request_without_subject_or_name_is_refused(subject: str, domains: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="needs a subject and at least one DNS name"):
        cmdlets.new_certificate_request(target(), subject, domains)


def test_an_import_carries_the_bytes_and_only_what_is_given() -> None:
    assert cmdlets.import_certificate(target(), b"DER").parameters == (("Server", "MBX1"), ("FileData", b"DER"))
    password = Secret("x")
    full = cmdlets.import_certificate(target(), b"PFX", exportable=True, friendly_name="smtp", password=password)
    assert full.parameters[2:] == (("FriendlyName", "smtp"), ("PrivateKeyExportable", True), ("Password", password))


def test_2007_imports_from_a_path_and_says_so_when_there_is_none() -> None:
    command = cmdlets.import_certificate(target("2007"), b"DER", path="c:\\a.cer")
    assert command.parameters == (("Path", "c:\\a.cer"),)
    with pytest.raises(UsageError, match="takes no bytes on Exchange 2007"):
        cmdlets.import_certificate(target("2007"), b"DER")
    with pytest.raises(UsageError, match="does not have it"):
        cmdlets.import_certificate(target("2007"), b"DER", path="c:\\a.cer", exportable=True)


def test_an_account_without_the_parameter_is_not_taken_for_exchange_2007() -> None:
    hidden = {"Import-ExchangeCertificate": frozenset({"Server", "Instance"})}
    assert cmdlets.takes_certificate_as_bytes(target("SE", parameters=hidden))
    with pytest.raises(UsageError, match="management role hides it"):
        cmdlets.import_certificate(target("SE", parameters=hidden), b"DER")
    assert not cmdlets.takes_certificate_as_bytes(target("2007"))
    capable = {"Import-ExchangeCertificate": frozenset({"Path", "Password"})}
    assert not cmdlets.takes_certificate_as_bytes(target("SE", parameters=capable)), "what it reports goes first"


def test_enabling_answers_the_question_about_the_default_certificate() -> None:
    assert cmdlets.enable_smtp(target(), THUMBPRINT).parameters == (
        ("Server", "MBX1"),
        ("Thumbprint", THUMBPRINT),
        ("Services", "SMTP"),
        ("Force", True),
    )
    assert cmdlets.enable_smtp_piped(target()).parameters == (("Services", "SMTP"), ("Force", True))
    assert "Server" not in names(cmdlets.enable_smtp(target("2007"), THUMBPRINT))


def test_enabling_is_refused_where_the_account_could_not_answer_the_question() -> None:
    hidden = {"Enable-ExchangeCertificate": frozenset({"Thumbprint", "Services", "Server"})}
    with pytest.raises(UsageError, match="management role hides it"):
        cmdlets.enable_smtp(target(parameters=hidden), THUMBPRINT)


@pytest.mark.parametrize("thumbprint", ["", " ", "abc", THUMBPRINT.lower(), THUMBPRINT + "\n", THUMBPRINT[:-1] + "G"])
@pytest.mark.parametrize(
    "build",
    [
        cmdlets.get_certificate,
        cmdlets.enable_smtp,
        cmdlets.remove_certificate,
        cmdlets.remove_store_certificate,
        lambda server, thumbprint: cmdlets.export_certificate(server, thumbprint, Secret("x")),
    ],
)
def test_what_is_no_thumbprint_cannot_be_sent(build, thumbprint: str) -> None:
    with pytest.raises(ValueError, match="is not a thumbprint"):
        build(target(), thumbprint)


def test_a_thumbprint_certificate_or_name_may_be_known_later() -> None:
    later = Later("thumbprint of the certificate to be issued")
    assert cmdlets.enable_smtp(target(), later).unresolved == (later.what,)
    assert cmdlets.import_certificate(target(), later).unresolved == (later.what,)
    assert cmdlets.set_receive_connector(target(), "MBX1\\A", tls_certificate_name=later).unresolved == (later.what,)


@pytest.mark.parametrize(
    ("product", "edge", "name", "parameters"),
    [
        ("2019", False, "Get-TransportService", (("Identity", "MBX1"),)),
        ("2019", True, "Get-TransportService", ()),
        ("2010", False, "Get-TransportServer", (("Identity", "MBX1"),)),
        ("2007", True, "Get-TransportServer", ()),
    ],
)
def test_the_default_certificate_is_asked_for_in_the_servers_words(product, edge, name, parameters) -> None:
    command = cmdlets.get_transport_service(target(product, edge=edge))
    assert (command.name, command.parameters) == (name, parameters)


def test_what_a_server_reports_goes_before_its_version() -> None:
    reports = {"Get-TransportService": frozenset({"Identity"}), "Get-ExchangeCertificate": frozenset({"Thumbprint"})}
    assert cmdlets.get_transport_service(target("2010", parameters=reports)).name == "Get-TransportService"
    assert cmdlets.get_certificates(target("2019", parameters=reports)).parameters == ()


@pytest.mark.parametrize("identity", ["", "  "])
@pytest.mark.parametrize(
    "build",
    [
        lambda server, identity: cmdlets.set_receive_connector(server, identity, require_tls=False),
        lambda server, identity: cmdlets.set_send_connector(server, identity, require_tls=False),
        cmdlets.remove_receive_connector,
        cmdlets.remove_send_connector,
        lambda server, identity: cmdlets.new_send_connector(server, identity, EVERYWHERE),
        lambda server, identity: cmdlets.new_receive_connector(server, identity, ("192.0.2.1:25",)),
    ],
)
def test_an_empty_identity_cannot_be_sent(build, identity: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        build(target(), identity)


def test_a_receive_connector_is_set_with_only_what_is_given_and_null_for_nothing() -> None:
    command = cmdlets.set_receive_connector(
        target(),
        "MBX1\\Default Frontend MBX1",
        auth_mechanism={"ExchangeServer", "Tls"},
        fqdn="",
        tls_certificate_name=None,
    )
    assert command.parameters == (
        ("Identity", "MBX1\\Default Frontend MBX1"),
        ("Fqdn", None),
        ("TlsCertificateName", None),
        ("AuthMechanism", "Tls, ExchangeServer"),
    )


def test_no_flag_at_all_is_none() -> None:
    command = cmdlets.set_receive_connector(target(), "MBX1\\A", permission_groups=())
    assert command.get("PermissionGroups") == "None"


def test_unknown_flags_settings_and_nothing_to_set_are_refused() -> None:
    with pytest.raises(ValueError, match="Telepathy"):
        cmdlets.set_receive_connector(target(), "MBX1\\A", auth_mechanism={"Telepathy"})
    with pytest.raises(TypeError, match="no setting colour"):
        cmdlets.set_send_connector(target(), "A", colour="red")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="nothing to set"):
        cmdlets.set_send_connector(target(), "A")


def test_a_new_receive_connector_is_for_the_internet() -> None:
    command = cmdlets.new_receive_connector(
        target(), "Internet", ("192.0.2.1:25",), transport_role="FrontendTransport", fqdn="mail.example.com"
    )
    assert command.parameters == (
        ("Name", "Internet"),
        ("Usage", "Internet"),
        ("Server", "MBX1"),
        ("Bindings", ("192.0.2.1:25",)),
        ("TransportRole", "FrontendTransport"),
        ("Fqdn", "mail.example.com"),
    )
    with pytest.raises(ValueError, match="needs bindings"):
        cmdlets.new_receive_connector(target(), "Internet", ())


def test_an_edge_server_has_no_transport_role_to_set() -> None:
    kept = cmdlets.new_receive_connector(
        target(edge=True), "Internet", ("192.0.2.1:25",), transport_role="", require_tls=False
    )
    assert "TransportRole" not in names(kept)
    with pytest.raises(ValueError, match="have no transport role"):
        cmdlets.set_receive_connector(target(edge=True), "EDGE1\\A", transport_role="HubTransport")


def test_a_send_connector_carries_its_tls_settings() -> None:
    command = cmdlets.new_send_connector(
        target(),
        "TLS required",
        (AddressSpace("partner.example", 5),),
        source_transport_servers=("MBX1",),
        require_tls=True,
        ignore_starttls=False,
        tls_auth_level="DomainValidation",
        tls_domain="mx.partner.example",
        fqdn="mail.example.com",
    )
    assert command.parameters == (
        ("Name", "TLS required"),
        ("Usage", "Internet"),
        ("AddressSpaces", ("SMTP:partner.example;5",)),
        ("SourceTransportServers", ("MBX1",)),
        ("Fqdn", "mail.example.com"),
        ("RequireTLS", True),
        ("IgnoreSTARTTLS", False),
        ("TlsAuthLevel", "DomainValidation"),
        ("TlsDomain", "mx.partner.example"),
    )
    with pytest.raises(ValueError, match="needs address spaces"):
        cmdlets.new_send_connector(target(), "TLS required", (), require_tls=True)
    with pytest.raises(ValueError, match="and once"):
        cmdlets.new_send_connector(target(), "TLS required", EVERYWHERE, address_spaces=EVERYWHERE)


def test_an_edge_server_is_its_own_source() -> None:
    own = cmdlets.set_send_connector(
        target(edge=True), "A", source_transport_servers=("edge1",), address_spaces=EVERYWHERE
    )
    assert names(own) == ["Identity", "AddressSpaces"]
    with pytest.raises(ValueError, match="own only source, not OTHER"):
        cmdlets.set_send_connector(target(edge=True), "A", source_transport_servers=("OTHER",))


def test_what_2010_lacks_is_left_out_when_it_would_only_be_off_and_refused_when_it_means_something() -> None:
    off = cmdlets.set_send_connector(
        target("2010"), "A", tls_certificate_name="", frontend_proxy_enabled=False, require_tls=True
    )
    assert names(off) == ["Identity", "RequireTLS"]
    with pytest.raises(UsageError, match="Exchange 2010 does not have it") as refused:
        cmdlets.set_send_connector(target("2010"), "A", tls_certificate_name="<I>CN=a<S>CN=b")
    assert refused.value.where == "MBX1"


def test_what_a_role_hides_is_never_left_out_silently() -> None:
    hidden = {"Set-SendConnector": frozenset({"Identity", "Fqdn"})}
    with pytest.raises(UsageError, match="management role hides it"):
        cmdlets.set_send_connector(target(parameters=hidden), "A", require_tls=False)


@pytest.mark.parametrize("product", VERSIONS)
def test_properties_are_selected_by_version(product: str) -> None:
    receive = cmdlets.get_receive_connectors(target(product)).select
    send = cmdlets.get_send_connectors(target(product)).select
    has_names = product not in ("2007", "2010")
    assert ("TlsCertificateName" in receive, "TlsCertificateName" in send) == (has_names, has_names)
    assert ("TlsAuthLevel" in send) == (product != "2007")


def test_removals_answer_their_question() -> None:
    for command in (
        cmdlets.remove_certificate(target(), THUMBPRINT),
        cmdlets.remove_receive_connector(target(), "MBX1\\A"),
        cmdlets.remove_send_connector(target(), "A"),
    ):
        assert command.get("Confirm") is False
        assert command.changes


def test_the_store_commands_are_about_intermediates() -> None:
    assert cmdlets.get_store_certificates(target()).parameters == (("StoreName", "CA"),)
    assert cmdlets.add_store_certificate(target(), b"DER").parameters == (("StoreName", "CA"), ("RawData", b"DER"))
    assert cmdlets.remove_store_certificate(target(), THUMBPRINT).get("Thumbprint") == THUMBPRINT
    with pytest.raises(ValueError, match="empty"):
        cmdlets.add_store_certificate(target(), b"")
