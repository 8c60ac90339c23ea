"""S3CSE of aioboto3, by the lines of ../protocol.ts."""

import asyncio
import json
import os
import sys

from aioboto3.s3.cse import AsymmetricCryptoContext, KMSCryptoContext, S3CSE, SymmetricCryptoContext
from botocore.config import Config
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key


def context_for(request):
    key = request["wrappingKey"]
    if key["kind"] == "kms":
        return KMSCryptoContext(
            keyid=key["arn"],
            kms_client_args={"endpoint_url": os.environ["KMS_ENDPOINT"]},
            authenticated_encryption=request["content"] == "GCM",
        )
    if key["kind"] == "rsa":
        public = load_pem_public_key(key["publicKey"].encode())
        private = load_pem_private_key(key["privateKey"].encode(), None)
        return AsymmetricCryptoContext(public, private, loop=asyncio.get_running_loop())
    return SymmetricCryptoContext(bytes.fromhex(key["hex"]), loop=asyncio.get_running_loop())


clients = {}


async def client_for(request):
    """One for each key and content algorithm: making them takes much longer than what they are asked."""
    name = json.dumps([request["wrappingKey"], request["content"]])
    if name not in clients:
        args = {"endpoint_url": os.environ["S3_ENDPOINT"], "config": Config(s3={"addressing_style": "path"})}
        clients[name] = S3CSE(context_for(request), s3_client_args=args)
        await clients[name].setup()
    return clients[name]


async def handle(request):
    s3 = await client_for(request)
    if request["op"] == "put":
        with open(request["file"], "rb") as file:
            await s3.put_object(Body=file.read(), Bucket=request["bucket"], Key=request["key"])
    elif request["op"] == "get":
        more = {"Range": request["range"]} if "range" in request else {}
        response = await s3.get_object(Bucket=request["bucket"], Key=request["key"], **more)
        with open(request["file"], "wb") as file:
            file.write(await response["Body"].read())
    else:
        raise ValueError(f"unknown op {request['op']}")


async def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            await handle(request)
            answer = {"id": request["id"], "ok": True}
        except Exception as error:
            answer = {"id": request["id"], "ok": False, "error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    for s3 in clients.values():
        await s3.close()


asyncio.run(main())
