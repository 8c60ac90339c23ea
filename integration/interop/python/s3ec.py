"""Amazon S3 Encryption Client for Python, by the lines of ../protocol.ts."""

import functools
import json
import os
import sys

import boto3
from botocore.config import Config
from s3_encryption import S3EncryptionClient, S3EncryptionClientConfig
from s3_encryption.materials.kms_keyring import KmsKeyring
from s3_encryption.materials.materials import AlgorithmSuite, CommitmentPolicy

BYTES_OF_A_READ = 1 << 20


@functools.cache
def client_for(arn, message_format, legacy):
    keyring = KmsKeyring(
        boto3.client("kms", endpoint_url=os.environ["KMS_ENDPOINT"]),
        arn,
        enable_legacy_wrapping_algorithms=legacy,
    )
    if message_format == "V3":
        suite = AlgorithmSuite.ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY
        policy = CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    else:
        suite = AlgorithmSuite.ALG_AES_256_GCM_IV12_TAG16_NO_KDF
        policy = CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT
    config = S3EncryptionClientConfig(
        keyring=keyring,
        encryption_algorithm=suite,
        commitment_policy=policy,
        enable_legacy_unauthenticated_modes=legacy,
    )
    by_path = Config(s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"], config=by_path)
    return S3EncryptionClient(s3, config)


def handle(request):
    client = client_for(request["wrappingKey"]["arn"], request["format"], request.get("legacy", False))
    place = {"Bucket": request["bucket"], "Key": request["key"]}
    # With the wrap kms it takes what is stored, and refuses a context of the caller's.
    given = request["context"] if request["wrap"] != "kms" else {}
    context = {"EncryptionContext": given} if given else {}
    if request["op"] == "put" and "partSize" in request:
        client.upload_file(
            request["file"],
            request["bucket"],
            request["key"],
            multipart_threshold=1,
            multipart_chunksize=request["partSize"],
            **context,
        )
    elif request["op"] == "put":
        with open(request["file"], "rb") as file:
            client.put_object(**place, **context, Body=file.read())
    elif request["op"] == "get":
        if "suffix" in request:
            place["InstructionFileSuffix"] = request["suffix"]
        if "range" in request:
            place["Range"] = request["range"]
        body = client.get_object(**place, **context)["Body"]
        with open(request["file"], "wb") as file:
            while piece := body.read(BYTES_OF_A_READ):
                file.write(piece)
    elif request["op"] == "delete":
        client.delete_object(**place)
    else:
        raise ValueError(f"unknown op {request['op']}")


answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    request = json.loads(line)
    try:
        handle(request)
        answer = {"id": request["id"], "ok": True}
    except Exception as error:
        answer = {"id": request["id"], "ok": False, "error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
