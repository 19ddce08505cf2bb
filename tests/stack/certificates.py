"""An authority of the tests' own, and certificates as good or as bad as a test wants them."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from msgspec import Struct

DAY = timedelta(days=1)


class Certified(Struct, frozen=True, kw_only=True):
    """PEM files: a certificate, its key, and both in one."""

    certificate: Path
    key: Path
    both: Path

    def context(self) -> SSLContext:
        """A server's, which shows it."""
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Authority:
    """`folder` gets the PEM file of its own certificate, `ca`, and everything it signs."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(f"the tests' {name}")
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(self._signed(self._name, self._key, DAY, None).public_bytes(Encoding.PEM))

    def certify(self, stem: str, *, host: str = "127.0.0.1", lasts: timedelta = DAY) -> Certified:
        """For one name or address; a negative `lasts` makes it expired, that long ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = self._signed(_named(stem), key, lasts, host).public_bytes(Encoding.PEM)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        made = Certified(
            certificate=self._folder / f"{stem}.crt",
            key=self._folder / f"{stem}.key",
            both=self._folder / f"{stem}.pem",
        )
        made.certificate.write_bytes(public)
        made.key.write_bytes(private)
        made.both.write_bytes(private + public)
        return made

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: timedelta, host: str | None
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        authority = host is None
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * DAY)
            .not_valid_after(now + lasts)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if host is not None:
            certificate = certificate.add_extension(
                x509.SubjectAlternativeName([_alternative(host)]), critical=False
            )
        return certificate.sign(self._key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
