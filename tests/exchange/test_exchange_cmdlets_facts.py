"""Every parameter the builders can send exists in Exchange's reference, in one parameter set, on every version."""

import pytest
from exchange_targets import FACTS, THUMBPRINT, facts, target

from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.cmdlets_certificate import CERTIFICATE_PROPERTIES
from tlsrunbook.exchange.cmdlets_connector import AUTH_MECHANISMS, PERMISSION_GROUPS
from tlsrunbook.exchange.command import Command
from tlsrunbook.exchange.decode import TLS_AUTH_LEVELS
from tlsrunbook.exchange.decode_certificate import SERVICES, STATUSES
from tlsrunbook.exchange.dialect import version_has
from tlsrunbook.exchange.state import AddressSpace
from tlsrunbook.exchange.version import Target
from tlsrunbook.secret import Secret

pytestmark = pytest.mark.skipif(not FACTS.exists(), reason="the facts are not beside this checkout")


def without(settings: dict, key: str) -> dict:
    return {name: value for name, value in settings.items() if name != key}


def every_command(server: Target) -> list[Command]:
    """Each builder with everything it can send."""
    thumbprint, secret = THUMBPRINT, Secret("x")
    receive = {
        "fqdn": "a.example",
        "tls_certificate_name": "<I>CN=a<S>CN=b",
        "auth_mechanism": ("Tls",),
        "permission_groups": ("AnonymousUsers",),
        "bindings": ("192.0.2.1:25",),
        "remote_ip_ranges": ("192.0.2.0/24",),
        "require_tls": False,
        "enabled": True,
        "domain_secure_enabled": False,
        "transport_role": "" if server.is_edge else "FrontendTransport",
    }
    send = {
        "enabled": True,
        "address_spaces": (AddressSpace("*"),),
        "fqdn": "a.example",
        "tls_certificate_name": "<I>CN=a<S>CN=b",
        "require_tls": True,
        "ignore_starttls": False,
        "tls_auth_level": "DomainValidation",
        "tls_domain": "a.example",
        "dns_routing_enabled": True,
        "domain_secure_enabled": False,
        "smart_hosts": ("b.example",),
        "source_transport_servers": (server.name,),
        "frontend_proxy_enabled": True,
        "cloud_services_mail_enabled": False,
        "is_scoped": False,
        "port": 25,
        "max_message_size": "35 MB",
    }
    assert receive.keys() == cmdlets.ReceiveSettings.__annotations__.keys()
    assert send.keys() == cmdlets.SendSettings.__annotations__.keys()
    return [
        cmdlets.get_exchange_server(server),
        cmdlets.get_transport_service(server),
        cmdlets.get_certificates(server),
        cmdlets.get_certificate(server, thumbprint),
        cmdlets.get_exportable(server, thumbprint),
        cmdlets.new_certificate_request(server, "CN=a.example", ("a.example",), friendly_name="a"),
        cmdlets.import_certificate(server, b"x", exportable=True, friendly_name="a", password=secret),
        cmdlets.export_certificate(server, thumbprint, secret),
        cmdlets.enable_smtp(server, thumbprint),
        cmdlets.enable_smtp_piped(server),
        cmdlets.remove_certificate(server, thumbprint),
        cmdlets.get_receive_connectors(server),
        cmdlets.set_receive_connector(server, "A", **receive),
        cmdlets.new_receive_connector(server, "A", receive["bindings"], **without(receive, "bindings")),
        cmdlets.remove_receive_connector(server, "A"),
        cmdlets.get_send_connectors(server),
        cmdlets.set_send_connector(server, "A", **send),
        cmdlets.new_send_connector(server, "A", send["address_spaces"], **without(send, "address_spaces")),
        cmdlets.remove_send_connector(server, "A"),
        cmdlets.get_edge_subscriptions(server),
        cmdlets.start_edge_synchronization(server, "EDGE1"),
        cmdlets.test_edge_synchronization(server, "EDGE1"),
        cmdlets.get_accepted_domains(server),
    ]


def test_no_builder_is_left_out() -> None:
    # The bootstrap's own commands are in no reference; and two names are questions about a dialect.
    own = {name for name in cmdlets.__all__ if "store" in name or "server_file" in name}
    questions = {"gives_csr_as_text", "takes_certificate_as_bytes"}
    builders = {name for name in cmdlets.__all__ if not name.endswith("Settings")} - own - questions
    assert len(every_command(target())) == len(builders)


@pytest.mark.parametrize("edge", [False, True], ids=["mailbox", "edge"])
@pytest.mark.parametrize("product", ["2013", "2016", "2019", "SE"])
def test_every_parameter_exists_in_one_set_of_its_cmdlet(product: str, edge: bool) -> None:
    reference = facts()["cmdlets"]
    for command in every_command(target(product, edge=edge)):
        known = reference[command.name]["parameters"]
        used = [name for name, _ in command.parameters]
        assert set(used) <= set(known), command
        sets = [set(known[name]["sets"]) for name in used]
        assert not sets or set.intersection(*sets) or set.union(*sets) == {"(All)"}, command
        for name in used:
            assert f"Exchange Server {product}" in known[name]["applicable"], (command.name, name)
            if edge:
                assert "not-on-edge" not in known[name].get("flags", []), (command.name, name)


@pytest.mark.parametrize("product", ["2013", "2016", "2019", "SE"])
def test_every_required_parameter_of_some_set_is_given(product: str) -> None:
    reference = facts()["cmdlets"]
    for command in every_command(target(product)):
        if command.name == "Enable-ExchangeCertificate" and not command.get("Thumbprint"):
            continue  # second of a pipeline: the first gives the certificate
        used = {name for name, _ in command.parameters}
        parameters = reference[command.name]["parameters"]
        complete = [
            name
            for name in reference[command.name]["parameter_sets"]
            if {p for p, facts_ in parameters.items() if facts_["sets"].get(name, {}).get("required")} <= used
        ]
        assert complete, command


def test_the_version_table_agrees_with_the_version_windows() -> None:
    for window in facts()["version_windows"]["parameters"]:
        if window["param"] in ("RequestFile", "FileName", "Identity", "Path"):
            continue  # never sent, or only where the server is 2007
        verbs = {"ExchangeCertificate": ("Get", "New", "Import", "Export", "Enable", "Remove")}
        noun = window["cmdlet"].split("-")[1]
        names = [window["cmdlet"]]
        if window["cmdlet"].startswith("*"):
            names = [f"{verb}-{noun}" for verb in verbs.get(noun, ("New", "Set"))]
        for name in names:
            for product, present in window["present"].items():
                assert version_has(target(product), name, window["param"]) == present, (name, window, product)


def test_the_selected_properties_are_properties_of_real_objects() -> None:
    objects = facts()["output_objects"]
    server = target()
    for command, kind in (
        (cmdlets.get_exchange_server(server), "ExchangeServer"),
        (cmdlets.get_receive_connectors(server), "ReceiveConnector"),
        (cmdlets.get_send_connectors(server), "SendConnector"),
        (cmdlets.get_accepted_domains(server), "AcceptedDomain"),
    ):
        assert set(command.select) <= set(objects[kind]["properties"]), kind
    certificate = objects["ExchangeCertificate"]
    inherited = {"Thumbprint", "Subject", "TlsCertificateName", "CertificateDomains", "Services"}
    listed = {*certificate["table"], *certificate["list"], *certificate["all"], *inherited}
    assert set(CERTIFICATE_PROPERTIES) <= listed


def test_the_enums_are_exchanges() -> None:
    enums = facts()["enums"]
    assert set(SERVICES) | {"None"} == set(enums["ExchangeCertificate.Services"])
    assert set(STATUSES) == set(enums["ExchangeCertificate.Status"])
    assert ("None", *AUTH_MECHANISMS) == tuple(enums["ReceiveConnector.AuthMechanism"]["flags"])
    assert ("None", *PERMISSION_GROUPS) == tuple(enums["ReceiveConnector.PermissionGroups"]["flags"])
    assert tuple(enums["SendConnector.TlsAuthLevel"]["values"]) == TLS_AUTH_LEVELS
