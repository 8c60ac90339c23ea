"""The reference implementation of Crypt4GH, by the lines of ../protocol.ts (Crypt4ghRequest and KeyFileRequest)."""

import json
import logging
import os
import sys

from crypt4gh import CIPHER_DIFF, SEGMENT_SIZE, cli, header, lib, sodium
from crypt4gh.keys import c4gh, get_private_key, get_public_key

# It tells of every packet that it cannot open.
logging.disable(logging.CRITICAL)


def range_of(request):
    if "range" not in request:
        return {}
    start, end = request["range"]
    if request.get("commandLine"):
        start, span = cli.parse_range({"--range": f"{start}-{'' if end is None else end}"})
        return {"offset": start, "span": span}
    return {"offset": start, "span": None if end is None else end - start}


def writer_keys(request):
    # As its command line does it where no key is given.
    secret = bytes.fromhex(request["secretKey"]) if "secretKey" in request else os.urandom(32)
    return [(0, secret, bytes.fromhex(recipient)) for recipient in request["recipients"]]


def reader_keys(request):
    return [(0, bytes.fromhex(request["secretKey"]), None)]


def encrypt_with_packets(request, source, target):
    """As its library has no function for it: with an edit list, or with a last segment of no bytes."""
    key = os.urandom(32)
    packets = [header.make_packet_data_enc(0, key)]
    if "editList" in request:
        packets.append(header.make_packet_data_edit_list(map(int, request["editList"])))
    keys = writer_keys(request)
    target.write(header.serialize(sealed for packet in packets for sealed in header.encrypt(packet, keys)))
    segments = list(iter(lambda: source.read(SEGMENT_SIZE), b""))
    if request.get("emptySegment"):
        segments.append(b"")
    for segment in segments:
        sealed = bytearray(len(segment) + CIPHER_DIFF)
        length = sodium.chacha20poly1305_encrypt(sealed, segment, key)
        target.write(sealed[:length])


def encrypt(request, source, target):
    if "editList" in request or request.get("emptySegment"):
        encrypt_with_packets(request, source, target)
    elif "header" in request:
        with open(request["header"], "wb") as file:
            lib.encrypt(writer_keys(request), source, target, headerfile=file, **range_of(request))
    else:
        lib.encrypt(writer_keys(request), source, target, **range_of(request))


def decrypt(request, source, target):
    sender = bytes.fromhex(request["sender"]) if "sender" in request else None
    lib.decrypt(reader_keys(request), source, target, sender_pubkey=sender, **range_of(request))


def reencrypt(request, source, target):
    options = {"trim": request.get("trim", False), "header_only": request.get("headerOnly", False)}
    lib.reencrypt(reader_keys(request), writer_keys(request), source, target, **options)


def rearrange(request, source, target):
    secret = bytes.fromhex(request["secretKey"])
    lib.rearrange([(0, secret, sodium.derive_pk(secret))], source, target, **range_of(request))


FILES = {"encrypt-file": encrypt, "decrypt-file": decrypt, "reencrypt-file": reencrypt, "rearrange-file": rearrange}


def write_key(request):
    passphrase = request["passphrase"].encode() if "passphrase" in request else None
    comment = request["comment"].encode() if "comment" in request else None
    # What it takes where Python has no scrypt.
    c4gh.scrypt_supported = request["kdf"] != "bcrypt"
    c4gh.generate(request["to"], request["publicKeyTo"], passphrase, comment)


def read_key(request):
    key = get_private_key(request["from"], lambda: request["passphrase"])
    with open(request["to"], "wb") as file:
        file.write(key)


def read_public_key(request):
    with open(request["to"], "wb") as file:
        file.write(get_public_key(request["from"]))


KEY_FILES = {"write-key": write_key, "read-key": read_key, "read-public-key": read_public_key}


def handle(request):
    op = request["op"]
    if op in KEY_FILES:
        KEY_FILES[op](request)
        return
    with open(request["from"], "rb") as source, open(request["to"], "wb") as target:
        FILES[op](request, source, target)


answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    request = json.loads(line)
    try:
        handle(request)
        answer = {"id": request["id"], "ok": True}
    # Where a passphrase is wrong it ends the process.
    except (Exception, SystemExit) as error:
        answer = {"id": request["id"], "ok": False, "error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
