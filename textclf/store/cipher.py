"""A stream of bytes, encrypted in chunks that can neither be altered nor moved, left out or cut off at the end.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015, "Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance") with AES-256-GCM, as in Tink's streaming AEAD and in age. Each file has its own key, by
HKDF-SHA256 from the user's and 32 random bytes, so that no nonce comes twice under one key however many files there
are; a chunk's nonce is its number and whether it is the last; the header is authenticated with every chunk.

    header: magic 8 | id of the key 8 | salt 32 | bytes of plain text 8, big-endian
    chunks: 1 MiB each but the last, with the tag of 16 bytes behind each
"""

import os
import struct
from pathlib import Path
from typing import IO, Any, NamedTuple

from textclf.errors import ExportError
from textclf.optional import import_optional
from textclf.store.keys import KEY_BYTES, key_id_of

MAGIC = b"textclf\x01"
"""Seven letters and the version of the format."""
CHUNK = 1 << 20
TAG = 16
_HEADER = struct.Struct(">8s8s32sQ")
_SALT = 32


def check_length(path: Path) -> None:
    """Refuse a file that is none, or has another size than its header says, without a key.

    Raises:
        ExportError: Why it cannot be whole.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        Header.parse(file.read(_HEADER.size), path).check_size(os.fstat(file.fileno()).st_size, path)


class Header(NamedTuple):
    """What stands before the chunks.

    Attributes:
        key_id: Which key opens the file.
        salt: What makes the file's own key of it.
        size: How long the plain text is.
    """

    key_id: bytes
    salt: bytes
    size: int

    @classmethod
    def parse(cls, content: bytes, path: Path) -> "Header":
        """Read a header; its size is not to be believed before the first chunk has been opened.

        Raises:
            ExportError: It is another format's, or cut off.
        """
        if content[: len(MAGIC) - 1] != MAGIC[:-1]:
            raise ExportError(f"'{path}' is no sealed version, or is damaged at its beginning.")
        if len(content) < _HEADER.size:
            raise ExportError(f"'{path}' is cut off: it ends within its first {_HEADER.size} bytes. Fetch it again.")
        magic, *fields = _HEADER.unpack(content)
        if magic != MAGIC:
            raise ExportError(
                f"'{path}' is sealed in format {magic[-1]}, or damaged; this textclf reads format {MAGIC[-1]}."
            )
        return cls(*fields)

    def pack(self) -> bytes:
        """Return the bytes."""
        return _HEADER.pack(MAGIC, *self)

    def check_size(self, size: int, path: Path) -> None:
        """Refuse a file of another size than this header says.

        Raises:
            ExportError: It is longer or shorter.
        """
        if size != self.file_size:
            what = "is cut off" if size < self.file_size else "is longer than it was written"
            raise ExportError(f"'{path}' {what}: expected {self.file_size:,} bytes, got {size:,}. Fetch it again.")

    @property
    def num_chunks(self) -> int:
        """How many chunks follow; the last one may be shorter."""
        return max(1, -(-self.size // CHUNK))

    @property
    def file_size(self) -> int:
        """How long the file is."""
        return _HEADER.size + self.size + self.num_chunks * TAG


class Encrypter:
    """What takes plain text by `write` and puts it encrypted into a file, which `finish` makes whole.

    Args:
        file: Where the header and the chunks go.
        key: The user's key, 32 bytes.
        size: How long the plain text will be.
    """

    def __init__(self, file: IO[bytes], key: bytes, size: int) -> None:
        """Write the header."""
        self._header = Header(key_id_of(key), os.urandom(_SALT), size)
        self._chunks = _Chunks(key, self._header)
        self._file = file
        self._waiting = bytearray()
        self._file.write(self._header.pack())

    def write(self, data: bytes) -> int:
        """Take plain text; a chunk waits until more comes, since the last one is encrypted as such."""
        self._waiting += data
        while len(self._waiting) > CHUNK:
            self._file.write(self._chunks.encrypt(bytes(self._waiting[:CHUNK])))
            del self._waiting[:CHUNK]
        return len(data)

    def finish(self) -> None:
        """Write the last chunk.

        Raises:
            ExportError: There was more or less to write than was said.
        """
        self._file.write(self._chunks.encrypt(bytes(self._waiting)))
        if self._file.tell() != self._header.file_size:
            raise ExportError("The files changed while they were sealed. Seal the version again.")


class Decrypter:
    """What gives by `read` the plain text of a file, all of it authentic as far as it was read.

    Args:
        file: An encrypted file, at its beginning.
        key: The user's key, 32 bytes.
        path: What messages call the file.

    Raises:
        ExportError: It is none, was encrypted with another key, or is longer or shorter than its header says.
    """

    def __init__(self, file: IO[bytes], key: bytes, path: Path) -> None:
        """Read the header."""
        self._header = header = Header.parse(file.read(_HEADER.size), path)
        if header.key_id != key_id_of(key):
            raise ExportError(
                f"'{path}' is sealed with another key, or damaged at its beginning: expected the key "
                f"{header.key_id.hex()}, got {key_id_of(key).hex()}."
            )
        header.check_size(os.fstat(file.fileno()).st_size, path)
        self._chunks = _Chunks(key, header)
        self._file = file
        self._path = path
        self._opened = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return the next bytes of plain text, fewer at the end of a chunk, none at the end of the last.

        Raises:
            ExportError: A chunk is not as it was written, or not where it was.
        """
        if not self._opened and self._chunks.done < self._header.num_chunks:
            chunk = self._chunks.decrypt(self._file.read(CHUNK + TAG))
            if chunk is None:
                raise ExportError(
                    f"'{self._path}' is damaged: chunk {self._chunks.done:,} of {self._header.num_chunks:,} is not as "
                    "it was written. Fetch it again."
                )
            self._opened = memoryview(chunk)
        data, self._opened = self._opened[:size], self._opened[size:]
        return bytes(data)


class _Chunks:
    """AES-256-GCM of one chunk after the other under a file's own key.

    Attributes:
        done: How many chunks went through.
    """

    def __init__(self, key: bytes, header: Header) -> None:
        if len(key) != KEY_BYTES:
            raise ExportError(f"An encryption key has {KEY_BYTES} bytes, got {len(key)}.")
        modules = ("ciphers.aead", "kdf.hkdf", "hashes")
        aead, hkdf, hashes = (
            import_optional(f"cryptography.hazmat.primitives.{name}", "secure", "Encryption") for name in modules
        )
        own_key = hkdf.HKDF(hashes.SHA256(), KEY_BYTES, salt=header.salt, info=MAGIC).derive(key)
        exceptions = import_optional("cryptography.exceptions", "secure", "Encryption")
        self._aes: Any = aead.AESGCM(own_key)
        self._invalid_tag: type[Exception] = exceptions.InvalidTag
        self._associated = header.pack()
        self._num_chunks = header.num_chunks
        self.done = 0

    def encrypt(self, data: bytes) -> bytes:
        """Return the next chunk with its tag."""
        chunk: bytes = self._aes.encrypt(self._next_nonce(), data, self._associated)
        return chunk

    def decrypt(self, data: bytes) -> bytes | None:
        """Return the next chunk's plain text; None if it is not what was encrypted as that chunk of that file."""
        try:
            chunk: bytes = self._aes.decrypt(self._next_nonce(), data, self._associated)
        except self._invalid_tag:
            return None
        return chunk

    def _next_nonce(self) -> bytes:
        """Return 11 bytes for the number and one for whether it is the last."""
        self.done += 1
        return (self.done - 1).to_bytes(11, "big") + bytes([self.done == self._num_chunks])
