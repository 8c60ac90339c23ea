"""The same with aws-encryption-sdk 4.x for Python: one task as JSON in the first argument, one answer on stdout."""

import json
import os
import resource
import sys
import time

import aws_encryption_sdk
from aws_encryption_sdk.identifiers import Algorithm, CommitmentPolicy, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider
from cryptography.hazmat.backends.openssl import backend

FRAME = 64 * 1024
DATA = 64 * 1024 * 1024


class Keys(RawMasterKeyProvider):
    provider_id = "bench"

    def __init__(self, **kwargs):
        super().__init__()
        self.key = WrappingKey(
            wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
            wrapping_key=os.urandom(32),
            wrapping_key_type=EncryptionKeyType.SYMMETRIC,
        )

    def _get_raw_key(self, key_id):
        return self.key


class Source:
    """A file of `length` bytes that repeats what is in memory."""

    def __init__(self, data, length):
        self.data, self.length, self.at = memoryview(data), length, 0

    def read(self, count=-1):
        at = self.at % len(self.data)
        left = min(self.length - self.at, len(self.data) - at)
        count = left if count is None or count < 0 else min(count, left)
        self.at += count
        return bytes(self.data[at : at + count])

    def tell(self):
        return self.at

    def close(self):
        pass

    closed = False


client = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
keys = Keys()
keys.add_master_key("bench")
suite = {"algorithm": Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY, "frame_length": FRAME}


def drained(stream):
    length = 0
    with stream:
        while chunk := stream.read(FRAME):
            length += len(chunk)
    return length


def encrypt(data, length):
    source = Source(data, length)
    return drained(client.stream(mode="e", source=source, key_provider=keys, source_length=length, **suite))


def decrypt(message):
    return drained(client.stream(mode="d", source=Source(message, len(message)), key_provider=keys))


task = json.loads(sys.argv[1])
size = task["size"]
data = os.urandom(DATA)
if task["operation"] == "encrypt":
    encrypt(data, DATA)
    run = lambda: encrypt(data, size)
else:
    message, _ = client.encrypt(source=data, key_provider=keys, **suite)
    decrypt(message)
    run = lambda: sum(decrypt(message) for _ in range(-(-size // DATA)))
cpu, start = time.process_time(), time.perf_counter()
length = run()
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
assert length >= size
print(
    json.dumps(
        {
            "seconds": seconds,
            "cpuSeconds": cpu,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "version": f"aws-encryption-sdk {aws_encryption_sdk.__version__}, {backend.openssl_version_text()}",
        }
    )
)
