"""What errors say to do, in the words of who asks: a program's parameters, or the command line's variables."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Advice:
    """Whole sentences.

    Attributes:
        key: When an API key is wanted, or another one.
        name: When there is no such model, or not this version.
        trust: When the server's certificate is not trusted.
        protocol: When something answers that speaks another protocol.
        plain: When a connection without TLS just ends; empty where it has TLS.
        less: When no answer came in time.
        smaller: When a request had more texts than the server takes.
    """

    key: str
    name: str
    trust: str
    protocol: str
    plain: str
    less: str
    smaller: str


_PROTOCOL = "Check the address, http or https, and its port: REST is mostly on 8501, gRPC on 8500."
_PLAIN = "If it wants TLS, its address begins with https."

PYTHON = Advice(
    key="Give an API key that may ask it.",
    name="Check the name; Client.status() says how its versions are.",
    trust="Name its certificate authority's file with `verify`, or use its right name.",
    protocol=_PROTOCOL,
    plain=_PLAIN,
    less="Ask for less at once, or give a longer deadline.",
    smaller="Ask with a smaller batch_size.",
)

GRPC = replace(
    PYTHON,
    trust="Name its certificate authority's file with `tls`, or use its right name.",
    plain="If it wants TLS, give `tls`.",
    protocol="Check whether it wants `tls`, and the port: REST is mostly on 8501, gRPC on 8500.",
)

COMMAND_LINE = Advice(
    key="Set TEXTCLF_API_KEY to a key that may ask it.",
    name="Check the name, the version and the address; `textclf versions` lists the versions of a model that is here.",
    trust="Set SSL_CERT_FILE to its certificate authority's file, or use its right name.",
    protocol=_PROTOCOL,
    plain=_PLAIN,
    less="Ask later, or for fewer texts at once.",
    smaller="Ask for fewer texts at once.",
)
