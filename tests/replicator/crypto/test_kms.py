"""Seeds under a KMS: AWS against moto's, Google's against a client of the documented shape."""

from __future__ import annotations

from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from replicator.crypto.founding import found
from replicator.crypto.keyring import Keyring
from replicator.crypto.kms import kms_at
from replicator.crypto.kms.aws import AwsKms
from replicator.crypto.kms.gcp import GcpKms, crc32c
from replicator.crypto.protection import Unlocking
from replicator.errors import KeyLocked
from tests.replicator.crypto.rig import ring

REGION = "eu-central-1"


@pytest.fixture
def aws(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("kms", region_name=REGION)


def new_key(client) -> str:
    return client.create_key()["KeyMetadata"]["Arn"]


@pytest.mark.slow
def test_recipients_under_aws_kms_open_with_it_and_their_files_alone_say_nothing(aws, tmp_path):
    arn = new_key(aws)
    unlocking = Unlocking(passphrase=lambda _: b"", kms=kms_at)
    founded = found(tmp_path / "k", scope="s", how=f"aws-kms:{arn}", unlocking=unlocking)
    assert Keyring(tmp_path / "k", unlocking=unlocking).seed("escrow") == founded.seeds["escrow"]
    with pytest.raises(KeyLocked, match="no KMS"):
        ring(tmp_path / "k").seed("escrow")


def test_aws_kms_refuses_another_context(aws):
    kms = AwsKms(new_key(aws), aws)
    stored = kms.encrypt(b"s" * 32, {"drstack-key": "operator"})
    assert kms.decrypt(stored, {"drstack-key": "operator"}) == b"s" * 32
    with pytest.raises(KeyLocked):
        kms.decrypt(stored, {"drstack-key": "escrow"})


def test_aws_kms_is_asked_with_limits(aws):
    config = kms_at(f"aws-kms:{new_key(aws)}")._client.meta.config
    assert config.connect_timeout <= 10
    assert config.read_timeout <= 30
    assert config.retries["total_max_attempts"] <= 3


@pytest.mark.parametrize("url", ["vault:x", "aws-kms:", "aws-kms:alias/backup", "gcp-kms:", ""])
def test_a_url_that_names_no_key_is_refused(url):
    with pytest.raises(KeyLocked):
        kms_at(url)


class Google:
    """Answers as Cloud KMS does; `bend` changes an answer on its way."""

    def __init__(self, bend=lambda answer: answer):
        self.bend, self.limits = bend, []

    def encrypt(self, *, request, timeout):
        self.limits.append(timeout)
        assert request["plaintext_crc32c"] == crc32c(request["plaintext"])
        stored = b"!".join([request["name"].encode(), request["additional_authenticated_data"], request["plaintext"]])
        return self.bend(
            SimpleNamespace(
                ciphertext=stored, ciphertext_crc32c=SimpleNamespace(value=crc32c(stored)), verified_plaintext_crc32c=True,
                verified_additional_authenticated_data_crc32c=True,
            )
        )  # fmt: skip

    def decrypt(self, *, request, timeout):
        self.limits.append(timeout)
        name, aad, plain = request["ciphertext"].split(b"!", 2)
        if (name.decode(), aad) != (request["name"], request["additional_authenticated_data"]):
            raise PermissionError("decryption failed")
        return self.bend(SimpleNamespace(plaintext=plain, plaintext_crc32c=crc32c(plain)))


def test_google_kms_binds_the_context_checks_both_ways_and_has_limits():
    client = Google()
    kms = GcpKms("projects/p/k", client)
    stored = kms.encrypt(b"s" * 32, {"drstack-key": "operator"})
    assert kms.decrypt(stored, {"drstack-key": "operator"}) == b"s" * 32
    with pytest.raises(KeyLocked, match="did not decrypt"):
        kms.decrypt(stored, {"drstack-key": "escrow"})
    assert client.limits
    assert all(0 < limit <= 30 for limit in client.limits)


@pytest.mark.parametrize(
    "change",
    [
        {"ciphertext": b"x"},
        {"verified_plaintext_crc32c": False},
        {"verified_additional_authenticated_data_crc32c": False},
    ],
)
def test_google_kms_notices_bytes_that_changed_on_the_way(change):
    kms = GcpKms("projects/p/k", Google(lambda answer: SimpleNamespace(**{**vars(answer), **change})))
    with pytest.raises(KeyLocked, match="changed on the way"):
        kms.encrypt(b"s" * 32, {})


def test_google_kms_notices_a_seed_that_changed_on_the_way():
    stored = GcpKms("projects/p/k", Google()).encrypt(b"s" * 32, {})
    bent = GcpKms("projects/p/k", Google(lambda answer: SimpleNamespace(**{**vars(answer), "plaintext": b"t" * 32})))
    with pytest.raises(KeyLocked, match="changed on the way"):
        bent.decrypt(stored, {})


def test_crc32c_is_castagnolis():
    assert crc32c(b"123456789") == 0xE3069283
