import base64
import hashlib
import re
import subprocess
import sys
import threading
import time
import unittest
from email.utils import formatdate
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_run import Answer, FakeRun, in_turn, json_answer, refusal

from isobar_federated.download import CHUNK_BYTES, download
from isobar_federated.errors import RequestError, Stopped
from isobar_federated.signing import authority_of, new_nonce
from isobar_federated.store import MemoryStore
from isobar_federated.transport import Backoff, Call, Transport, run_url

FINE = json_answer({"fine": True})


class Transports(unittest.TestCase):
    def transport(self, run: FakeRun, **backoff: float) -> Transport:
        self.key = Ed25519PrivateKey.generate()
        self.events: list = []
        given = Backoff(**{"first": 0.001, "most": 0.002, "give_up": 10, **backoff})
        made = Transport(run_url(run.url, "run_1"), self.key, given, self.events.append)
        made.keyid = "cl_1"
        self.addCleanup(made.close)
        return made

    def test_requests_are_signed(self) -> None:
        with FakeRun(in_turn(FINE)) as run:
            transport = self.transport(run)
            transport.json(Call("POST", "/updates/1.cl_1/commit?x=1", body=b"{}", has_nonce=True))
            headers = run.seen[0].headers
            parameters = headers["signature-input"][len("sig1=") :]
            digest = base64.b64encode(hashlib.sha256(b"{}").digest()).decode()
            base = (
                f'"@method": POST\n"@authority": {run.url[7:]}\n"@path": /v1/runs/run_1/updates/1.cl_1/commit\n'
                f'"@query": ?x=1\n"content-digest": sha-256=:{digest}:\n"@signature-params": {parameters}'
            )
            signature = base64.b64decode(headers["signature"][len("sig1=:") : -1])
            self.key.public_key().verify(signature, base.encode())
            self.assertRegex(parameters, r';keyid="cl_1";alg="ed25519";nonce="[\w-]{16,64}"$')

    def test_a_retry_is_signed_anew(self) -> None:
        lost = Answer(200, b'{"fine": tr', {}, 5)
        answers = in_turn(refusal(503, "run_unavailable", x_should_retry="true"), lost, refusal(409, "nonce_replayed"), FINE)
        with FakeRun(answers) as run:
            call = Call("POST", "/clients", body=b"{}", has_nonce=True)
            self.assertEqual(self.transport(run).json(call), {"fine": True})
            nonces = {re.search('nonce="(.*)"', each.headers["signature-input"]).group(1) for each in run.seen}
            self.assertEqual(len(nonces), 4)
            self.assertEqual(len(self.events), 3)

    def test_a_refusal_is_raised_at_once(self) -> None:
        with FakeRun(in_turn(refusal(409, "parts_missing", x_should_retry="false"))) as run:
            with self.assertRaises(RequestError) as caught:
                self.transport(run).json(Call("GET", "/task"))
            self.assertEqual((caught.exception.code, caught.exception.status), ("parts_missing", 409))
            self.assertEqual(caught.exception.details, {"of": "parts_missing"})
            self.assertEqual(len(run.seen), 1)

    def test_retry_after_is_kept_and_a_request_given_up(self) -> None:
        with FakeRun(in_turn(refusal(429, "rate_limited", retry_after="3"))) as run:
            with self.assertRaises(RequestError):
                self.transport(run, give_up=2).json(Call("GET", "/task"))
            self.assertEqual(len(run.seen), 1)

    def test_the_clock_is_set_by_the_runs(self) -> None:
        for ahead in (-4000, 4000):

            def answer(seen, number):
                created = int(re.search(r"created=(\d+)", seen.headers["signature-input"]).group(1))
                now = time.time() + ahead
                if abs(created - now) < 60:
                    return FINE
                return refusal(401, "signature_expired", date=formatdate(now, usegmt=True))

            with FakeRun(answer) as run:
                transport = self.transport(run)
                transport.json(Call("GET", "/task"))
                transport.json(Call("GET", "/task"))
                self.assertEqual(len(run.seen), 3)

    def test_signatures_that_expire_although_the_clocks_agree_end_a_request(self) -> None:
        with FakeRun(lambda seen, number: refusal(401, "signature_expired", date=formatdate(usegmt=True))) as run:
            with self.assertRaises(RequestError):
                self.transport(run).json(Call("GET", "/task"))
            self.assertEqual(len(run.seen), 1)

    def test_a_connection_is_used_again_and_replaced_when_it_was_closed(self) -> None:
        with FakeRun(in_turn(FINE, Answer(200, b"{}", {"connection": "close"}), FINE)) as run:
            transport = self.transport(run)
            for _ in range(4):
                transport.json(Call("GET", "/task"))
            self.assertEqual(self.events, [])

    def test_stop_ends_a_request_and_a_pause(self) -> None:
        release = threading.Event()

        def answer(seen, number):
            release.wait(5)
            return FINE

        with FakeRun(answer) as run:
            transport = self.transport(run)
            threading.Timer(0.1, transport.stop).start()
            start = time.monotonic()
            with self.assertRaises(Stopped):
                transport.json(Call("GET", "/task?wait=30"))
            self.assertLess(time.monotonic() - start, 3)
            release.set()
            with self.assertRaises(Stopped):
                transport.sleep(10)

    def test_stop_may_be_called_by_a_signal_at_any_moment(self) -> None:
        script = (
            "import os, signal\n"
            "from isobar_federated.connections import Connections\n"
            "connections = Connections('http://127.0.0.1:1', None)\n"
            "signal.signal(signal.SIGTERM, lambda *_: connections.shut())\n"
            "with connections._lock:\n"
            "    os.kill(os.getpid(), signal.SIGTERM)\n"
            "print('went on')\n"
        )
        folder = Path(__file__).parents[1]
        ended = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=20, cwd=folder, check=True
        )
        self.assertEqual(ended.stdout.strip(), "went on")

    def test_a_redirect_is_not_followed(self) -> None:
        with FakeRun(in_turn(Answer(302, b"", {"location": "http://elsewhere.example.com"}))) as run:
            with self.assertRaises(RequestError):
                self.transport(run).json(Call("GET", "/task"))

    def test_authority(self) -> None:
        self.assertEqual(authority_of("https://Isobar.Example.com:443/v1"), "isobar.example.com")
        self.assertEqual(authority_of("http://isobar.example.com:8787"), "isobar.example.com:8787")
        self.assertEqual(authority_of("http://[::1]:80/"), "[::1]")
        self.assertRegex(new_nonce(), r"^[\w-]{16,64}$")


class Downloads(unittest.TestCase):
    def test_cut_downloads_go_on(self) -> None:
        file = bytes(range(251)) * 40_000

        def answer_with(cuts):
            left = list(cuts)

            def answer(seen, number):
                found = re.fullmatch(r"bytes=(\d+)-", seen.headers.get("range", ""))
                begin = int(found.group(1)) if found else 0
                headers = {"content-range": f"bytes {begin}-{len(file) - 1}/{len(file)}"}
                cut = left.pop(0) if left else 2**62
                return Answer(206 if found else 200, file[begin:], headers, cut)

            return answer

        store = MemoryStore()
        key = Ed25519PrivateKey.generate()

        def pull(run: FakeRun) -> bytes:
            transport = Transport(run_url(run.url, "run_1"), key, Backoff(0.001, 0.002, 0.5), lambda event: None)
            self.addCleanup(transport.close)
            return download(transport, store, "model.x", "/versions/x", lambda done, total: None, lambda done: None)

        def gone(seen, number):
            return answer_with([5_000_000])(seen, number) if number == 0 else refusal(410, "version_gone")

        with FakeRun(gone) as run:
            with self.assertRaises(RequestError):
                pull(run)
        with FakeRun(answer_with([1_000_000, 3])) as run:
            self.assertEqual(pull(run), file)
            self.assertEqual(run.seen[0].headers["range"], f"bytes={CHUNK_BYTES}-")
            self.assertEqual(len(run.seen), 3)
            self.assertEqual(pull(run), file)
            self.assertEqual(len(run.seen), 3)
