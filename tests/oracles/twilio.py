#!/usr/bin/env python3
"""Lets Twilio's own Python package talk to the simulated Twilio, and judge its signatures.

The sandbox is written from the same notes as the daemon, so a mistake in the notes would pass every test that
has only the two of them. The official package shares nothing with either: if it creates, pages, redacts and
deletes through the sandbox and accepts its webhooks, the shapes are Twilio's.

    pip install twilio
    python3 tests/oracles/twilio.py http://127.0.0.1:4010 ACCOUNT_SID AUTH_TOKEN

The sandbox must own +12025550100 and must have a messaging service with the SID MG and 32 twos, as it does by
default. Its webhook address is set to a small server of this script and stays so. Prints
`N passed, N failed`; exits 1 if anything failed.
"""

import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from judge import Hooks, Receiver, control, run

# This file has the package's name: without this it would import itself.
sys.path = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

from twilio.base.exceptions import TwilioException, TwilioRestException  # noqa: E402
from twilio.http.http_client import TwilioHttpClient  # noqa: E402
from twilio.request_validator import RequestValidator  # noqa: E402
from twilio.rest import Client  # noqa: E402

OURS = "+12025550100"
SERVICE = "MG" + "2" * 32


class Rewriting(TwilioHttpClient):
    """The package's HTTP client, led to the sandbox: it has no option for another host."""

    def __init__(self, base):
        super().__init__()
        self.base = urlsplit(base)

    def request(self, method, url, *args, **kwargs):
        parts = urlsplit(url)._replace(scheme=self.base.scheme, netloc=self.base.netloc)
        return super().request(method, urlunsplit(parts), *args, **kwargs)


class TwiML(Hooks):
    """Keeps the fields of the form, and answers as an application of Twilio's does."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True))
        self.server.hooks.put((self.path, self.headers, fields))
        answer = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Oracle:
    def __init__(self, base, sid, token):
        self.base, self.sid, self.token = base.rstrip("/"), sid, token
        self.client = self.client_with(sid, token)
        self.receiver = Receiver(TwiML)
        self.validator = RequestValidator(token)
        # A recipient of this run, so that what an earlier one left does not count.
        self.to = "+1415777" + datetime.now().strftime("%f")[:3] + "1"

    def client_with(self, user, password):
        return Client(user, password, self.sid, http_client=Rewriting(self.base))

    def create(self, **more):
        arguments = {"to": self.to, "from_": OURS, "body": "Hello! \U0001f44d"} | more
        return self.client.messages.create(**arguments)

    def refused(self, code, status, call):
        try:
            call()
        except TwilioRestException as error:
            assert (error.code, error.status) == (code, status), (error.code, error.status, error.msg)
        else:
            raise AssertionError(f"not refused with {code}")

    # What the sandbox must do, each a test.

    def creates_a_message_with_every_property(self):
        message = self.create()
        assert message.sid.startswith("SM") and len(message.sid) == 34, message.sid
        assert message.status == "queued" and message.direction == "outbound-api"
        assert (message.num_segments, message.num_media) == ("1", "0")
        assert (message.to, message.from_, message.body) == (self.to, OURS, "Hello! \U0001f44d")
        assert message.account_sid == self.sid and message.api_version == "2010-04-01"
        assert isinstance(message.date_created, datetime) and message.date_sent is None
        assert message.error_code is None and message.error_message is None
        assert message.messaging_service_sid is None and message.price is None
        assert message.price_unit == "USD"
        assert message.uri == f"/2010-04-01/Accounts/{self.sid}/Messages/{message.sid}.json"
        assert message.subresource_uris["media"].endswith(f"/{message.sid}/Media.json")

    def fetches_what_it_created(self):
        sid = self.create().sid
        assert self.client.messages(sid).fetch().sid == sid

    def a_service_has_no_sender_yet(self):
        message = self.client.messages.create(to=self.to, messaging_service_sid=SERVICE, body="Hi")
        assert message.status == "accepted" and message.from_ is None
        assert message.num_segments == "0" and message.messaging_service_sid == SERVICE

    def several_media_make_an_mms(self):
        message = self.create(media_url=["https://x.example/a.jpg", "https://x.example/b.jpg"])
        assert message.sid.startswith("MM") and message.num_media == "2"
        media = self.client.messages(message.sid).media.list()
        assert [item.parent_sid for item in media] == [message.sid, message.sid]
        assert self.client.messages(message.sid).media(media[0].sid).fetch().sid == media[0].sid

    def lists_and_streams_over_several_pages(self):
        to = self.to[:-1] + "2"
        made = [self.create(to=to, body=f"text {number}").sid for number in range(7)]
        newest_first = made[::-1]
        assert [message.sid for message in self.client.messages.list(to=to, page_size=3)] == newest_first
        assert [message.sid for message in self.client.messages.stream(to=to, page_size=2)] == newest_first
        assert [message.sid for message in self.client.messages.list(to=to, limit=4)] == newest_first[:4]
        page = self.client.messages.page(to=to, page_size=3)
        following = page.next_page()
        assert [message.sid for message in following] == newest_first[3:6]
        assert [message.sid for message in following.previous_page()] == newest_first[:3]

    def filters_by_the_day_of_sending(self):
        to = self.to[:-1] + "9"
        callback = f"{self.receiver.base}/filter"
        sid = self.create(to=to, status_callback=callback).sid
        self.await_status(sid, "delivered")
        today = datetime.now(timezone.utc).date()
        tomorrow, yesterday = today + timedelta(days=1), today - timedelta(days=1)

        def listed(**filters):
            return [message.sid for message in self.client.messages.list(to=to, **filters)]

        assert listed(date_sent_after=yesterday) == [sid]
        assert listed(date_sent_before=tomorrow, date_sent_after=yesterday) == [sid]
        assert listed(date_sent_after=tomorrow) == [] and listed(date_sent_before=yesterday) == []
        assert listed(date_sent=date(2001, 1, 1)) == []

    def redacts_and_deletes_what_has_ended(self):
        callback = f"{self.receiver.base}/end"
        sid = self.create(status_callback=callback).sid
        self.refused(20009, 409, lambda: self.client.messages(sid).delete())
        self.await_status(sid, "delivered")
        assert self.client.messages(sid).update(body="").body == ""
        assert self.client.messages(sid).delete() is True
        self.refused(20404, 404, lambda: self.client.messages(sid).fetch())

    def cancels_only_what_is_scheduled(self):
        at = datetime.now(timezone.utc) + timedelta(hours=1)
        message = self.client.messages.create(
            to=self.to, messaging_service_sid=SERVICE, body="Later", schedule_type="fixed", send_at=at
        )
        assert message.status == "scheduled"
        assert self.client.messages(message.sid).update(status="canceled").status == "canceled"
        sent = self.create().sid
        self.refused(30409, 409, lambda: self.client.messages(sent).update(status="canceled"))

    def refuses_with_the_real_codes(self):
        for code, arguments in [
            (21211, {"to": "415-555-0123"}),
            (21211, {"to": "+15005550001"}),
            (21612, {"to": "+15005550002"}),
            (21408, {"to": "+15005550003"}),
            (21610, {"to": "+15005550004"}),
            (21614, {"to": "+15005550009"}),
            (21212, {"from_": "+15005550001"}),
            (21606, {"from_": "+15005550007"}),
            (21611, {"from_": "+15005550008"}),
            (21602, {"body": ""}),
            (21617, {"body": "a" * 1601}),
            (21609, {"status_callback": "https://under_score.example/"}),
            (21624, {"validity_period": 36001}),
        ]:
            self.refused(code, 400, lambda: self.create(**arguments))
        self.refused(21603, 400, lambda: self.client.messages.create(to=self.to, body="Hi"))
        self.refused(
            21701, 404, lambda: self.client.messages.create(to=self.to, body="Hi", messaging_service_sid="MG0")
        )

    def refuses_strangers(self):
        stranger = self.client_with(self.sid, "wrong")
        self.refused(20003, 401, lambda: stranger.messages.create(to=self.to, from_=OURS, body="Hi"))
        try:
            stranger.messages.list()
        except TwilioException:
            pass
        else:
            raise AssertionError("a stranger may list")

    def shows_the_account(self):
        account = self.client.api.accounts(self.sid).fetch()
        assert (account.sid, account.status, account.type) == (self.sid, "active", "Full")

    def status_callbacks_are_signed_and_in_order(self):
        url = f"{self.receiver.base}/status?mid=a%2Bb"
        sid = self.create(status_callback=f"{url}#rc=5&rp=all").sid
        states = []
        for _ in range(2):
            path, headers, fields = self.receiver.next()
            assert path == "/status?mid=a%2Bb", path
            assert fields["MessageSid"] == sid and "Body" not in fields
            assert self.validator.validate(url, fields, headers["X-Twilio-Signature"])
            states.append(fields["MessageStatus"])
        assert states == ["sent", "delivered"], states

    def a_landline_is_reported_undelivered(self):
        self.create(to="+14157770006", status_callback=f"{self.receiver.base}/status")
        self.receiver.next()
        _, _, fields = self.receiver.next()
        assert (fields["MessageStatus"], fields["ErrorCode"]) == ("undelivered", "30006"), fields

    def inbound_webhooks_are_signed(self):
        url = f"{self.receiver.base}/message"
        control(self.base, "twilio", {"base_url": self.base, "message_url": f"{url}#rc=5&rp=all"})
        control(self.base, "inbound", {"from": self.to, "to": OURS, "body": "Yes, 9am works \U0001f44d"})
        path, headers, fields = self.receiver.next()
        assert path == "/message" and headers["User-Agent"] == "TwilioProxy/1.1"
        assert fields["Body"] == "Yes, 9am works \U0001f44d" and fields["AccountSid"] == self.sid
        signature = headers["X-Twilio-Signature"]
        assert self.validator.validate(url, fields, signature)
        assert not self.validator.validate(url, fields | {"Body": "No"}, signature)
        assert not RequestValidator("another token").validate(url, fields, signature)
        message = self.client.messages(fields["MessageSid"]).fetch()
        assert (message.direction, message.status, message.from_) == ("inbound", "received", self.to)

    def stop_is_refused_until_start(self):
        person = self.to[:-1] + "7"
        for word, refused in [("STOP", True), ("START", False)]:
            control(self.base, "inbound", {"from": person, "to": OURS, "body": word})
            self.receiver.next()
            if refused:
                self.refused(21610, 400, lambda: self.create(to=person))
            else:
                self.create(to=person)

    def await_status(self, sid, status):
        while True:
            _, _, fields = self.receiver.next()
            if (fields["MessageSid"], fields["MessageStatus"]) == (sid, status):
                return

    TESTS = [
        creates_a_message_with_every_property,
        fetches_what_it_created,
        a_service_has_no_sender_yet,
        several_media_make_an_mms,
        lists_and_streams_over_several_pages,
        filters_by_the_day_of_sending,
        redacts_and_deletes_what_has_ended,
        cancels_only_what_is_scheduled,
        refuses_with_the_real_codes,
        refuses_strangers,
        shows_the_account,
        status_callbacks_are_signed_and_in_order,
        a_landline_is_reported_undelivered,
        inbound_webhooks_are_signed,
        stop_is_refused_until_start,
    ]


if __name__ == "__main__":
    run(Oracle, "twilio.py BASE_URL ACCOUNT_SID AUTH_TOKEN")
