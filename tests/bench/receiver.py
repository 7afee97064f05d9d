"""A receiver of webhooks as one would write it in an afternoon: FastAPI and SQLite, durable."""

import hashlib
import hmac
import os
import sqlite3

from fastapi import FastAPI, Request, Response

KEY = os.environ["SIGNATURE_TOKEN"].encode()
app = FastAPI()
db = sqlite3.connect(os.environ["FILE"], isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE inbox (token TEXT PRIMARY KEY, body BLOB)")


@app.post("/hooks/lever")
async def take(request: Request):
    hook = await request.json()
    signed = f"{hook['token']}{hook['triggeredAt']}".encode()
    if not hmac.compare_digest(hmac.new(KEY, signed, hashlib.sha256).hexdigest(), hook["signature"]):
        return Response(status_code=401)
    db.execute("INSERT OR IGNORE INTO inbox VALUES (?, ?)", (hook["token"], await request.body()))
    return {"status": "stored"}
