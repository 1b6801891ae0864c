"""An S3 server for the tests, until standard input ends. Prints its port, and then
carries out commands, a line of JSON each, and answers each with a line of JSON."""

import gzip
import json
import sys

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
client = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{port}",
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
)


def bucket(name, versions=False, lock=False):
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
    if versions:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if lock:
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
        client.put_object_lock_configuration(
            Bucket=name,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
        )


def put(name, key, file):
    with open(file, "rb") as body:
        checksum = {"ChecksumAlgorithm": "SHA256"}
        return client.put_object(Bucket=name, Key=key, Body=body, **checksum).get("VersionId")


def get(name, key):
    body = client.get_object(Bucket=name, Key=key)["Body"].read()
    return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()


def delete(name, key, version=None):
    which = {"VersionId": version} if version else {}
    try:
        client.delete_object(Bucket=name, Key=key, **which)
        return True
    except client.exceptions.ClientError:
        return False


def keys(name):
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=name)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


print(port, flush=True)
for line in sys.stdin:
    command = json.loads(line)
    does = {"bucket": bucket, "put": put, "get": get, "delete": delete, "keys": keys}
    does = does[command.pop("do")]
    print(json.dumps(does(**command)), flush=True)
