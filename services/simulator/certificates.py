"""TLS for the simulator: from given files, or from a certificate made on the spot."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.simulator.settings import SimulatorSettings


def server_context(settings: SimulatorSettings) -> ssl.SSLContext | None:
    """The TLS context to serve with; None for plain HTTP.

    Raises RuntimeError when a certificate is to be made and the cryptography package is missing.
    """
    if settings.tls is None and not settings.self_signed:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if settings.tls is not None:
        context.load_cert_chain(settings.tls.certificate, settings.tls.key)
        return context
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = make_certificate(Path(folder), settings.host)
        context.load_cert_chain(certificate, key)
    return context


def make_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A self-signed certificate for `host`, valid for a week: the PEM files of certificate and key."""
    try:
        from cryptography import x509  # noqa: PLC0415  only for development and tests
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    except ImportError:
        raise RuntimeError(
            "making a certificate needs the cryptography package: install it, or "
            "set tls.certificate and tls.key"
        ) from None
    try:
        subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        subject = x509.DNSName(host)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    paths[1].touch(mode=0o600)
    paths[1].write_bytes(pem)
    return paths
