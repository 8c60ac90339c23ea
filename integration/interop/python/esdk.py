"""AWS Encryption SDK for Python with the material providers library, by the lines of ../protocol.ts (MessageRequest)."""

import functools
import json
import os
import sys

import aws_encryption_sdk
import boto3
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    AesWrappingAlg,
    CreateAwsKmsKeyringInput,
    CreateDefaultCryptographicMaterialsManagerInput,
    CreateMultiKeyringInput,
    CreateRawAesKeyringInput,
    CreateRawRsaKeyringInput,
    CreateRequiredEncryptionContextCMMInput,
    PaddingScheme,
)
from aws_encryption_sdk.identifiers import Algorithm, CommitmentPolicy

providers = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
WRAPPING = {
    16: AesWrappingAlg.ALG_AES128_GCM_IV12_TAG16,
    24: AesWrappingAlg.ALG_AES192_GCM_IV12_TAG16,
    32: AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
}


@functools.cache
def kms_at(endpoint):
    return boto3.client("kms", endpoint_url=endpoint)


def keyring_of(key):
    if key["kind"] == "kms":
        wanted = CreateAwsKmsKeyringInput(kms_key_id=key["arn"], kms_client=kms_at(key["endpoint"]))
        return providers.create_aws_kms_keyring(wanted)
    names = {"key_namespace": key["namespace"], "key_name": key["name"]}
    if key["kind"] == "aes":
        wrapping_key = bytes.fromhex(key["hex"])
        wrapping_alg = WRAPPING[len(wrapping_key)]
        wanted = CreateRawAesKeyringInput(**names, wrapping_key=wrapping_key, wrapping_alg=wrapping_alg)
        return providers.create_raw_aes_keyring(wanted)
    padding = key["padding"] if key["padding"] == "PKCS1" else key["padding"] + "_MGF1"
    wanted = CreateRawRsaKeyringInput(
        **names,
        padding_scheme=getattr(PaddingScheme, padding),
        public_key=key["publicKey"].encode(),
        private_key=key["privateKey"].encode(),
    )
    return providers.create_raw_rsa_keyring(wanted)


def materials_of(request):
    generator, *children = map(keyring_of, request["keys"])
    keyring = generator
    if children:
        wanted = CreateMultiKeyringInput(generator=generator, child_keyrings=children)
        keyring = providers.create_multi_keyring(wanted)
    if not request["required"]:
        return {"keyring": keyring}
    # It takes no keyring itself, although its input has one.
    usual = CreateDefaultCryptographicMaterialsManagerInput(keyring=keyring)
    wanted = CreateRequiredEncryptionContextCMMInput(
        required_encryption_context_keys=request["required"],
        underlying_cmm=providers.create_default_cryptographic_materials_manager(usual),
    )
    return {"materials_manager": providers.create_required_encryption_context_cmm(wanted)}


def handle(request):
    client = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy[request["policy"]],
        max_encrypted_data_keys=request.get("maxEncryptedDataKeys"),
    )
    with open(request["from"], "rb") as file:
        source = file.read()
    given = {"source": source, "encryption_context": request["context"], **materials_of(request)}
    if request["op"] == "encrypt":
        suite = request["suite"].removeprefix("ALG_").removesuffix("_NO_KDF")
        result, _ = client.encrypt(**given, algorithm=Algorithm[suite], frame_length=request["frameLength"])
    elif request["op"] == "decrypt":
        result, _ = client.decrypt(**given)
    else:
        raise ValueError(f"unknown op {request['op']}")
    with open(request["to"], "wb") as file:
        file.write(result)


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
