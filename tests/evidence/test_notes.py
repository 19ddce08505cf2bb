"""Signed notes, checkpoints and proofs, as C2SP and the Go implementation have them."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from evidence.checkpoints import Checkpoint, claimed_checkpoint, origin_of, verified_checkpoint
from evidence.merkle import ProofRefused, inclusion_ranges
from evidence.notes import (
    MalformedKey,
    MalformedNote,
    NotSigned,
    SigningKey,
    signed,
    verified_text,
    verifier_key,
)
from evidence.proofs import MalformedProof, Proof, proof_of
from tests.builders import identity
from tests.evidence.trees import Tree

GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_NOTE = (
    f"{GO_TEXT}\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of golang.org/x/mod/sumdb/note."""

ORIGIN = origin_of(identity("installation"), 3)
KEY = SigningKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"k" * 32))
OTHER = SigningKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"o" * 32))
ENTRIES = [b"entry %d" % number for number in range(11)]
CHECKPOINT = Checkpoint(ORIGIN, 11, Tree(ENTRIES).root)
NOTE = signed(CHECKPOINT.text, KEY)


def proof(index: int = 6) -> Proof:
    tree = Tree(ENTRIES)
    return Proof(ENTRIES[index], index, [tree.root_of(each) for each in inclusion_ranges(index, 11)], NOTE)


def test_a_note_that_another_implementation_signed_is_accepted() -> None:
    assert verified_text(GO_NOTE, [verifier_key(GO_KEY)]) == GO_TEXT


def test_a_verifier_key_is_written_as_it_was_read() -> None:
    assert str(verifier_key(f"{GO_KEY}\n")) == GO_KEY
    assert verifier_key(str(KEY.verifier)) == KEY.verifier


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no key",
        GO_KEY.replace("c74f", "c74e"),
        GO_KEY.replace("ARpc", "ArPc"),
        f"{GO_KEY[:-4]}",
        "a+00000000+AAAA",
    ],
)
def test_a_damaged_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(MalformedKey):
        verifier_key(text)


def test_a_checkpoint_comes_back_from_its_note() -> None:
    assert verified_checkpoint(NOTE, [KEY.verifier]) == CHECKPOINT
    assert claimed_checkpoint(NOTE) == CHECKPOINT


def test_one_signature_of_several_is_enough() -> None:
    witnessed = f"{NOTE}— witness.example {'A' * 90}AA==\n"
    assert verified_checkpoint(witnessed, [OTHER.verifier, KEY.verifier]) == CHECKPOINT


def test_a_checkpoint_that_another_key_signed_is_refused_and_both_are_named() -> None:
    with pytest.raises(NotSigned) as refused:
        verified_checkpoint(NOTE, [OTHER.verifier])
    assert KEY.verifier.key_id.hex() in str(refused.value)
    assert OTHER.verifier.key_id.hex() in str(refused.value)


@pytest.mark.parametrize(
    "changed", [NOTE.replace("\n11\n", "\n12\n"), NOTE.replace(ORIGIN, f"{ORIGIN}1", 1)]
)
def test_a_text_that_was_changed_after_it_was_signed_is_refused(changed: str) -> None:
    with pytest.raises(NotSigned):
        verified_checkpoint(changed, [KEY.verifier])


@pytest.mark.parametrize(
    "note", ["", "\n\n", "text\n", NOTE[:-1], NOTE[:-40], NOTE.replace("— ", "- "), NOTE.replace("\n11", "\r\n11"), "\n" + NOTE.partition("\n\n")[2]]
)  # fmt: skip
def test_what_is_no_signed_note_is_refused(note: str) -> None:
    with pytest.raises((MalformedNote, NotSigned)):
        verified_checkpoint(note, [KEY.verifier])


@pytest.mark.parametrize("text", ["hello\n", f"{ORIGIN}\n011\nAAAA\n", f"{CHECKPOINT.text}more\n"])
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedNote, match="no checkpoint"):
        verified_checkpoint(signed(text, KEY), [KEY.verifier])


def test_a_proof_comes_back_from_its_file_and_proves_the_entry() -> None:
    assert proof_of(proof().text) == proof()
    assert proof().require([KEY.verifier]) == CHECKPOINT


def test_a_proof_has_the_lines_of_the_specification() -> None:
    lines = proof().text.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1].startswith("extra ")
    assert lines[2] == "index 6"
    assert lines[3 + len(proof().path)] == ""
    assert "\n".join(lines[4 + len(proof().path) :]) == NOTE


def test_a_proof_of_another_entry_proves_nothing() -> None:
    forged = Proof(b"another", 6, proof().path, NOTE)
    with pytest.raises(ProofRefused):
        forged.require([KEY.verifier])
    with pytest.raises(NotSigned):
        proof().require([OTHER.verifier])


@pytest.mark.parametrize(
    "text",
    ["", "c2sp.org/tlog-proof@v1\nindex 6\n\n", proof().text[:60], proof().text.replace("@v1", "@v2")],
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(MalformedProof):
        proof_of(text)


def test_a_signing_key_does_not_show_what_is_secret() -> None:
    assert "private" not in repr(KEY)
    assert str(KEY.verifier) in repr(KEY)
