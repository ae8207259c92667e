"""The signing key: named on the command line, by the environment, in the keyring, or made on first use.

It is read by the controlling process only. :data:`KEY_VARIABLE` is taken out of the environment of every process that
executes notebooks (``run.engine``), so a kernel does not even learn where the key is.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tlsrunbook.adapters.own_key import config_folder, leave_public_half
from tlsrunbook.errors import CredentialError
from tlsrunbook.evidence.dsse import KEY_VARIABLE, PublicKey, Signer, public_key_of

#: Service under which the keyring holds keys, as PEM.
SERVICE = "tlsrunbook/signing-key"

_FILE = "signing-key.pem"
_RING = "keyring:"
_MAKE = "openssl ecparam -name prime256v1 -genkey -noout -out key.pem makes one"


def load_signer(key: str = "", environ: Mapping[str, str] | None = None) -> Signer:
    """Give the signer.

    Args:
        key: Path of a PEM file with a private key on P-256, or ``keyring:NAME``. Empty: :data:`KEY_VARIABLE`, else the
            user's own key, which is made when there is none.
        environ: The environment; the process's own by default.

    Raises:
        CredentialError: The key is not there, others can read it, or it is of another kind.
    """
    named = key or (os.environ if environ is None else environ).get(KEY_VARIABLE, "")
    if named.startswith(_RING):
        return _signer(_from_keyring(named.removeprefix(_RING)), b"", where=named)
    path = Path(named).expanduser() if named else config_folder(environ) / _FILE
    if not named and not path.exists():
        make_key(path)
    pem = _read_private(path)
    beside = path.with_name(f"{path.stem}.chain.pem")
    chain = beside.read_bytes() if beside.is_file() else b""
    signer = _signer(pem, chain, where=str(path))
    if not named:
        leave_public_half(path.parent, signer.public)
    return signer


def make_key(path: Path) -> PublicKey:
    """Make a key that only the user can read (0600), never over another file; the folder is made too.

    Raises:
        CredentialError: The disk refuses.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the user's key
            _publish(part, path)
    except OSError as error:
        raise CredentialError(
            f"the signing key cannot be made: {error.strerror or error}",
            where=str(path),
            todo=f"name a key: set {KEY_VARIABLE} or give --key; {_MAKE}",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return public_key_of(_private_key(_read_private(path), where=str(path)).public_key())


def _publish(part: Path, path: Path) -> None:
    """Let the finished file appear under its name, whole, and never over another one."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        part.rename(path)


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise CredentialError(
                    f"others can use the signing key (mode {stat.S_IMODE(status.st_mode):03o})",
                    where=str(path),
                    todo=f"chmod 600 {path}",
                )
            return file.read()
    except OSError as error:
        raise CredentialError(
            f"the signing key cannot be read: {error.strerror or type(error).__name__}",
            where=str(path),
            todo=f"give the path of a PEM file that only you can read; {_MAKE}",
        ) from error


def _from_keyring(name: str) -> bytes:
    import keyring  # noqa: PLC0415 - heavy, and needed only when it is named

    todo = f"store the key's PEM text: keyring set {SERVICE} {name or 'NAME'}"
    problem = ""
    try:
        found = keyring.get_password(SERVICE, name)
    except Exception as error:  # noqa: BLE001 - each backend has its own kinds
        found, problem = None, f"the keyring cannot be used: {type(error).__name__}"
    if not found:
        raise CredentialError(problem or "the keyring has no such signing key", where=f"{_RING}{name}", todo=todo)
    return found.encode("utf-8")


def _signer(pem: bytes, chain: bytes, *, where: str) -> Signer:
    key = _private_key(pem, where=where)
    public = public_key_of(key.public_key())
    if chain:
        _refuse_other_chain(chain, public, where=where)
    return Signer(public, lambda message: key.sign(message, ec.ECDSA(hashes.SHA256())), chain)


def _private_key(pem: bytes, *, where: str) -> ec.EllipticCurvePrivateKey:
    problem = "the signing key is not a private key on the curve P-256"
    try:
        key = serialization.load_pem_private_key(pem, None)
    except TypeError:
        key, problem = None, "the signing key is locked with a passphrase"
    except (ValueError, UnsupportedAlgorithm):
        key, problem = None, "the signing key is no PEM private key"
    # Raised outside the handlers, so that no exception holds the file's text.
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise CredentialError(problem, where=where, todo=f"name another one; {_MAKE}")


def _refuse_other_chain(chain: bytes, public: PublicKey, *, where: str) -> None:
    from cryptography import x509  # noqa: PLC0415 - only needed where there is a chain

    try:
        leaf = x509.load_pem_x509_certificates(chain)[0].public_key()
        same = isinstance(leaf, ec.EllipticCurvePublicKey) and public_key_of(leaf) == public
    except (ValueError, UnsupportedAlgorithm):
        same = False
    if not same:
        raise CredentialError(
            "the certificate chain beside the signing key does not begin with this key's certificate",
            where=where,
            todo="put the chain, leaf first, as PEM into <key>.chain.pem, or take that file away",
        )
