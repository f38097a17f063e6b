"""Servers with good and bad certificates on this machine, and an authority that the clients of a test trust."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HERE = "127.0.0.1"
BAD = {
    "self-signed": "it signed its certificate itself",
    "unknown authority": "its certificate is from no authority that this machine trusts",
    "expired": "its certificate has expired",
    "another host": "its certificate is for another host",
}
"""Each certificate that must be refused, and what the sentence says."""


class Certificates:
    """An authority, its certificate in a file, and servers' certificates: good ones and each kind of bad one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name, self._key = _name("The tests' authority"), generate_private_key(SECP256R1())
        self.authority = folder / "authority.pem"
        certificate = _signed(self._name, self._key, self._name, self._key, authority=True)
        self.authority.write_bytes(certificate.public_bytes(Encoding.PEM))

    def server(self, kind: str = "good") -> ssl.SSLContext:
        """Return the context of a server with a certificate that is good, or bad as `BAD` says."""
        key, name = generate_private_key(SECP256R1()), _name("A server")
        issuer, signer = (self._name, self._key) if kind != "unknown authority" else (_name("Another"), self._other())
        if kind == "self-signed":
            issuer, signer = name, key
        certificate = _signed(
            name,
            key,
            issuer,
            signer,
            host="192.0.2.1" if kind == "another host" else HERE,
            age=timedelta(days=-1) if kind == "expired" else timedelta(days=1),
        )
        file = self._folder / f"{kind}.pem"
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    @staticmethod
    def _other() -> EllipticCurvePrivateKey:
        return generate_private_key(SECP256R1())


@dataclass
class Listener:
    """A server that notes what it is sent; over TLS it answers every request with an empty object."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    """What arrived: the plain text if the connection is encrypted."""


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None) -> AsyncGenerator[Listener]:
    """Listen over TLS; without a certificate accept connections and never answer, so that a handshake hangs."""
    listener, over = Listener(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            listener.heard += await reader.read(65_536)
            if tls is None:
                await over.wait()
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}")
                await writer.drain()
        except (OSError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, HERE, 0, ssl=tls)
    listener.port = int(server.sockets[0].getsockname()[1])
    try:
        yield listener
    finally:
        over.set()
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def stalling_mail_server() -> AsyncGenerator[Listener]:
    """Run a mail server that agrees to STARTTLS and then says nothing more."""
    listener, over = Listener(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in ("220 mail.test ready", "250-mail.test\r\n250-AUTH PLAIN\r\n250 STARTTLS", "220 go ahead"):
            writer.write(f"{answer}\r\n".encode())
            listener.heard += await reader.read(65_536)
        await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, HERE, 0)
    listener.port = int(server.sockets[0].getsockname()[1])
    try:
        yield listener
    finally:
        over.set()
        server.close()
        await server.wait_closed()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(  # noqa: PLR0913 - the parts of a certificate
    name: x509.Name,
    key: EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: EllipticCurvePrivateKey,
    *,
    host: str = HERE,
    age: timedelta = timedelta(days=1),
    authority: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + age)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256())
