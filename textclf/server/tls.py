"""TLS for both ports, from one certificate and its key."""

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from textclf.errors import ConfigError, refusal
from textclf.store.keys import SECRET, read_guarded

if TYPE_CHECKING:
    import grpc


class Tls:
    """A certificate, the ones behind it up to the authority's, and its private key, all in PEM."""

    def __init__(self, certificate: str | Path, key: str | Path) -> None:
        """Read both.

        Args:
            certificate: The file of the certificates, the server's own first.
            key: The file of the private key, without a passphrase.

        Raises:
            ConfigError: One cannot be read, or they do not belong together.
            ExportError: Others than its owner can read the key.
        """
        try:
            self._certificate = Path(certificate).read_bytes()
            if b" PRIVATE KEY-----" in self._certificate and b" CERTIFICATE-----" not in self._certificate:
                raise ConfigError(f"'{certificate}': expected a certificate, got a private key. Are the two swapped?")
            self._key = read_guarded(Path(key), SECRET)
        except OSError as error:
            raise ConfigError(f"'{error.filename}' cannot be read: {refusal(error)}.") from None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """For REST: TLS 1.2 and newer."""
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self.context.load_cert_chain(certificate, key, password=_no_passphrase)
        except (ssl.SSLError, ValueError) as error:
            expected = "expected PEM, of the same pair, the key without a passphrase"
            raise ConfigError(f"'{certificate}' and '{key}': {expected}; {refusal(error)}.") from None

    def grpc_credentials(self) -> "grpc.ServerCredentials":
        """Return the same for gRPC."""
        import grpc

        return grpc.ssl_server_credentials([(self._key, self._certificate)])


def _no_passphrase() -> str:
    raise ValueError("the key wants a passphrase")
