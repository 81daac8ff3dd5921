"""API keys: made, kept as hashes, shown and refused."""

import stat
from pathlib import Path

import pytest

from textclf.engine.errors import Code, RequestError
from textclf.errors import ConfigError, ExportError
from textclf.server import access
from textclf.server.access import Access, add_key
from textclf.server.calls import NOBODY, Call, Caller, answering, check_model, check_reload, current_call


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.yaml"


def test_each_key_has_its_own_rights(path: Path) -> None:
    shop = add_key(path, "shop", ["messages"])
    everything = add_key(path, "ops", ["*"], may_reload=True)
    known = Access.read(path)
    assert known.caller(f"Bearer {shop}") == Caller("shop", frozenset({"messages"}), may_reload=False)
    assert known.caller(f"bearer  {everything}") == Caller("ops", None, may_reload=True)


def test_the_file_holds_no_key_and_is_its_owners_alone(path: Path) -> None:
    key = add_key(path, "shop", ["messages"])
    text = path.read_text(encoding="utf-8")
    assert key not in text
    assert text.startswith("# Who may ask which models")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key) == 43  # 32 bytes in base64, without padding


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer wrong", "Bearer \udcff"])
def test_who_shows_no_known_key_is_nobody(path: Path, shown: str | None) -> None:
    add_key(path, "shop", ["messages"])
    with pytest.raises(RequestError) as refused:
        Access.read(path).caller(shown)
    assert refused.value.code is Code.UNAUTHENTICATED


def test_without_a_file_everybody_may_all() -> None:
    assert Access().caller(None) == Caller()
    assert Caller().sees("anything") and Caller().may_reload


@pytest.mark.parametrize("name", ["1e5", "7", "yes", "null", "a\u0085b", "验证码"])
def test_a_name_that_looks_like_something_else_is_read_as_it_was_given(path: Path, name: str) -> None:
    key = add_key(path, name, [name])
    assert Access.read(path).caller(f"Bearer {key}") == Caller(name, frozenset({name}), may_reload=False)


def test_a_name_is_given_once(path: Path) -> None:
    add_key(path, "shop", ["messages"])
    with pytest.raises(ConfigError, match="has a key 'shop' already"):
        add_key(path, "shop", ["messages"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keys: [", "cannot be read"),
        ("keys: [{name: a, sha256: '00', models: []}]", "the sha256 of 'a' should have 64 digits"),
        ("keys: [{name: a, models: []}]", "keys.0.sha256: Field required"),
        ("keys: [{name: a, sha256: x, models: all}]", "keys.0.models"),
        ("kys: []", "keys: Field required"),
        ("", r"as `textclf keys api NAME` writes it, got nothing\."),
        ("- ada", r"as `textclf keys api NAME` writes it, got \['ada'\]\."),
    ],
)
def test_a_file_that_says_something_else_lets_nobody_in(path: Path, text: str, message: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=message):
        Access.read(path)


def test_a_key_that_stands_twice_is_refused(path: Path) -> None:
    entry = "sha256: '" + "0" * 64 + "', models: []"
    path.write_text(f"keys: [{{name: a, {entry}}}, {{name: b, {entry}}}]", encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"holds the sha256 '0000.* more than once"):
        Access.read(path)


def test_a_file_that_others_can_write_is_refused(path: Path) -> None:
    add_key(path, "shop", ["messages"])
    path.chmod(0o666)
    with pytest.raises(ExportError, match="can be written by others"):
        Access.read(path)


def written(path: Path, count: int) -> int:
    """Write a file of so many keys, and return its size."""
    entries = [
        f"- {{name: client-{number:05}, sha256: '{number:064x}', models: [messages]}}" for number in range(count)
    ]
    path.write_text("\n".join(["keys:", *entries, ""]), encoding="utf-8")
    path.chmod(0o600)
    return path.stat().st_size


def test_a_file_of_many_keys_is_read_whole(path: Path) -> None:
    assert written(path, 700) > 1 << 16
    assert len(access._read(path).keys) == 700
    add_key(path, "new", ["messages"])
    assert [key.name for key in access._read(path).keys[-2:]] == ["client-00699", "new"]


def test_what_is_not_read_whole_is_refused_and_not_written_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = written(path, 5)
    before = path.read_bytes()
    monkeypatch.setattr(access, "_MOST_BYTES", size - 1)
    for use in (lambda: Access.read(path), lambda: add_key(path, "new", ["messages"])):
        with pytest.raises(ExportError, match=f"too long: expected {size - 1} bytes at most"):
            use()
    assert path.read_bytes() == before


def test_no_key_is_added_that_makes_the_file_too_long(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = add_key(path, "first", ["messages"])
    before = path.read_bytes()
    monkeypatch.setattr(access, "_MOST_BYTES", len(before))
    with pytest.raises(ConfigError, match="Remove keys that nobody needs"):
        add_key(path, "second", ["messages"])
    assert path.read_bytes() == before
    assert Access.read(path).caller(f"Bearer {key}").name == "first"


def test_who_has_no_right_is_refused_and_so_is_who_asks_outside_of_a_request() -> None:
    with answering(Call("REST", caller=Caller("shop", frozenset({"messages"}), may_reload=False))):
        check_model("messages")
        with pytest.raises(RequestError, match="The key 'shop' has no right to the model 'other'") as refused:
            check_model("other")
        assert refused.value.code is Code.PERMISSION_DENIED
        with pytest.raises(RequestError, match="no right to change what is served"):
            check_reload()
    assert current_call().caller is NOBODY
    with pytest.raises(RequestError):
        check_model("messages")
