#!/usr/bin/env python3
"""Lets the Standard Webhooks package talk to the simulated gateway, and judge its signatures.

docs/gateway.md is our own contract, but how its webhooks are signed is not: the official package signs what is
posted to the gateway here, and verifies what the gateway posts.

    pip install standardwebhooks
    python3 tests/oracles/gateway.py http://127.0.0.1:4010 GATEWAY_SECRET GATEWAY_INBOUND_SECRET

The sandbox must run with `--carrier webhook` and own +12025550100, as it does by default. The gateway's webhook is
set to a small server of this script and stays so. Prints `N passed, N failed`; exits 1 if anything failed.
"""

import json
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone

from judge import Receiver, control, run
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

OURS = "+12025550100"
THEIRS = "+14157770001"


class Oracle:
    def __init__(self, base, secret, inbound_secret):
        self.base = base.rstrip("/")
        self.signer, self.verifier = Webhook(secret), Webhook(inbound_secret)
        self.receiver = Receiver()
        control(self.base, "gateway", {"webhook_url": self.receiver.base})

    def post(self, kind, data, id, late=0, signer=None):
        """Status and JSON of the answer."""
        at = datetime.now(timezone.utc) - timedelta(seconds=late)
        body = json.dumps({"type": kind, "timestamp": at.isoformat(), "data": data})
        headers = {
            "webhook-id": id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": (signer or self.signer).sign(id, at, body),
        }
        request = urllib.request.Request(f"{self.base}/gateway", body.encode(), headers)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.loads(response.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or "null")

    def send(self, mid=None, **more):
        mid = mid or str(uuid.uuid4())
        data = {"mid": mid, "to": THEIRS, "from": OURS, "text": "Hello!", "media": []} | more
        return self.post("message.send", data, mid)

    def event(self, kind):
        """The next webhook of that kind, after the official package has taken its signature."""
        while True:
            _, headers, body = self.receiver.next()
            event = self.verifier.verify(body, headers)
            if event["type"] == kind:
                return headers, body, event["data"]

    # What the sandbox must do, each a test.

    def takes_one_text_for_one_id(self):
        mid = str(uuid.uuid4())
        first, second = self.send(mid), self.send(mid)
        assert first == second and first[0] == 200, (first, second)
        assert self.send(mid, text="something else")[0] == 422
        assert self.send()[1]["provider_id"] != first[1]["provider_id"]

    def answers_a_ping(self):
        assert self.post("ping", {}, "ping_1") == (204, None)

    def refuses_strangers_and_what_is_late(self):
        stranger = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        assert self.post("ping", {}, "ping_2", signer=stranger)[0] == 401
        assert self.post("ping", {}, "ping_3", late=400)[0] == 401

    def news_are_signed(self):
        mid = str(uuid.uuid4())
        self.send(mid)
        seen = []
        while seen[-1:] != ["delivered"]:
            headers, body, data = self.event("message.status")
            if data["mid"] == mid:
                seen.append(data["status"])
        assert seen == ["sent", "delivered"], seen
        try:
            self.verifier.verify(body.replace("delivered", "sent"), headers)
        except WebhookVerificationError:
            return
        raise AssertionError("a changed body passed")

    def a_text_that_comes_in_is_announced_until_it_is_taken(self):
        self.receiver.refuse(2, "message.received")
        control(self.base, "inbound", {"from": THEIRS, "to": OURS, "body": "Yes, 9am works"})
        seen = [self.event("message.received") for _ in range(3)]
        assert len({headers["webhook-id"] for headers, _, _ in seen}) == 1
        assert {data["text"] for _, _, data in seen} == {"Yes, 9am works"}

    def stop_is_refused_until_start(self):
        for word, status in [("STOP", 422), ("START", 200)]:
            control(self.base, "inbound", {"from": THEIRS, "to": OURS, "body": word})
            self.event("message.received")
            assert self.send()[0] == status

    TESTS = [
        takes_one_text_for_one_id,
        answers_a_ping,
        refuses_strangers_and_what_is_late,
        news_are_signed,
        a_text_that_comes_in_is_announced_until_it_is_taken,
        stop_is_refused_until_start,
    ]


if __name__ == "__main__":
    run(Oracle, "gateway.py BASE_URL GATEWAY_SECRET GATEWAY_INBOUND_SECRET")
