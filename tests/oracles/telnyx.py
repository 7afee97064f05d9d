#!/usr/bin/env python3
"""Lets Telnyx' own Python package talk to the simulated Telnyx, and judge its signatures.

The sandbox is written from the same notes as the daemon, so a mistake in the notes would pass every test that
has only the two of them. The official package shares nothing with either: if it sends, reads and is refused
through the sandbox and accepts its webhooks, the shapes are Telnyx'.

    pip install 'telnyx[webhooks]'
    python3 tests/oracles/telnyx.py http://127.0.0.1:4010 API_KEY PUBLIC_KEY

The sandbox must run with `--carrier telnyx` and own +12025550100, as it does by default. Its profile's webhook is
set to a small server of this script and stays so. Prints `N passed, N failed`; exits 1 if anything failed.
"""

import json
import sys
import uuid
from datetime import datetime
from pathlib import Path

from judge import Receiver, control, run

# This file has the package's name: without this it would import itself.
sys.path = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

import telnyx  # noqa: E402
from telnyx.lib.webhook_verification import (  # noqa: E402
    WebhookVerificationError,
    verify_webhook_signature,
)

OURS = "+12025550100"


class Oracle:
    def __init__(self, base, api_key, public_key):
        self.base, self.public_key = base.rstrip("/"), public_key
        self.client = self.client_with(api_key)
        self.receiver = Receiver()
        control(self.base, "telnyx", {"webhook_url": f"{self.receiver.base}/profile"})
        # A recipient of this run, so that what an earlier one left does not count.
        self.to = "+1415777" + datetime.now().strftime("%f")[:3] + "1"

    def client_with(self, api_key):
        return telnyx.Telnyx(api_key=api_key, base_url=f"{self.base}/v2", max_retries=0)

    def send(self, key=None, **more):
        arguments = {"to": self.to, "from_": OURS, "text": "Hello! \U0001f44d"} | more
        headers = {"Idempotency-Key": key} if key else {}
        return self.client.messages.send(**arguments, extra_headers=headers).data

    def refused(self, kind, code, call):
        try:
            call()
        except kind as error:
            codes = [one["code"] for one in error.body["errors"]]
            assert codes == [code], codes
        else:
            raise AssertionError(f"not refused with {code}")

    def event(self, wanted=None):
        """The next webhook, or the next of that kind, after the official package has taken its signature."""
        while True:
            path, headers, body = self.receiver.next()
            verify_webhook_signature(body, headers, self.public_key)
            event = self.client.webhooks.unsafe_unwrap(body)
            if wanted in (None, event.data.event_type):
                return path, headers, body, event

    # What the sandbox must do, each a test.

    def sends_a_message_with_every_property(self):
        message = self.send()
        uuid.UUID(message.id)
        assert (message.record_type, message.direction, message.type) == ("message", "outbound", "SMS")
        assert (message.from_.phone_number, message.text) == (OURS, "Hello! \U0001f44d")
        assert [(to.phone_number, to.status) for to in message.to] == [(self.to, "queued")]
        assert message.errors == [] and message.parts == 1
        assert isinstance(message.received_at, datetime) and message.sent_at is None
        uuid.UUID(message.messaging_profile_id)

    def one_key_is_one_message(self):
        key = str(uuid.uuid4())
        first, second = self.send(key), self.send(key)
        assert first.id == second.id and second.to[0].status == "queued"
        other = telnyx.UnprocessableEntityError
        self.refused(other, "10015", lambda: self.send(key, text="something else"))
        assert self.send(str(uuid.uuid4())).id != first.id

    def reads_what_it_sent(self):
        sent = self.send()
        read = self.client.messages.retrieve(sent.id).data
        assert read.id == sent.id and read.text == sent.text
        self.refused(telnyx.NotFoundError, "10005", lambda: self.client.messages.retrieve(str(uuid.uuid4())))

    def refuses_with_the_real_codes(self):
        bad = telnyx.BadRequestError
        self.refused(bad, "40310", lambda: self.send(to="12"))
        self.refused(bad, "40305", lambda: self.send(from_="+12025559999"))
        self.refused(bad, "40302", lambda: self.send(text="a" * 1600))

    def refuses_strangers(self):
        stranger = self.client_with("KEY0")
        self.refused(telnyx.AuthenticationError, "10009", stranger.balance.retrieve)

    def shows_the_balance(self):
        assert self.client.balance.retrieve().data.currency == "USD"

    def news_are_signed_and_go_where_the_message_says(self):
        message = self.send(webhook_url=f"{self.receiver.base}/news?mid=a1")
        for kind, status in [("message.sent", "sent"), ("message.finalized", "delivered")]:
            path, headers, body, event = self.event(kind)
            while event.data.payload.id != message.id:
                path, headers, body, event = self.event(kind)
            assert path == "/news?mid=a1", path
            payload = event.data.payload
            assert payload.to[0].status == status, payload.to
            assert payload.webhook_url.endswith("/news?mid=a1")
        for changed in [body.replace("delivered", "sent"), body + " "]:
            try:
                verify_webhook_signature(changed, headers, self.public_key)
            except WebhookVerificationError:
                continue
            raise AssertionError("a changed body passed")

    def a_landline_is_reported_with_its_code(self):
        self.send(to="+14157770006")
        while True:
            payload = self.event("message.finalized")[3].data.payload
            if payload.to[0].status == "delivery_failed":
                break
        assert [error.code for error in payload.errors] == ["40001"]

    def a_text_that_comes_in_is_announced_until_it_is_taken(self):
        self.receiver.refuse(2, "message.received")
        control(self.base, "inbound", {"from": self.to, "to": OURS, "body": "Yes, 9am works"})
        seen = []
        for attempt in [1, 2, 3]:
            path, _, body, event = self.event("message.received")
            assert path == "/profile" and json.loads(body)["meta"]["attempt"] == attempt
            payload = event.data.payload
            assert (payload.direction, payload.text) == ("inbound", "Yes, 9am works")
            assert (payload.from_.phone_number, payload.to[0].phone_number) == (self.to, OURS)
            seen.append((event.data.id, payload.id))
        assert len(set(seen)) == 1, seen

    def stop_is_refused_until_start(self):
        person = self.to[:-1] + "7"
        for word, refused in [("STOP", True), ("START", False)]:
            control(self.base, "inbound", {"from": person, "to": OURS, "body": word})
            self.event("message.received")
            if refused:
                self.refused(telnyx.BadRequestError, "40300", lambda: self.send(to=person))
            else:
                self.send(to=person)

    TESTS = [
        sends_a_message_with_every_property,
        one_key_is_one_message,
        reads_what_it_sent,
        refuses_with_the_real_codes,
        refuses_strangers,
        shows_the_balance,
        news_are_signed_and_go_where_the_message_says,
        a_landline_is_reported_with_its_code,
        a_text_that_comes_in_is_announced_until_it_is_taken,
        stop_is_refused_until_start,
    ]


if __name__ == "__main__":
    run(Oracle, "telnyx.py BASE_URL API_KEY PUBLIC_KEY")
