"""Starts the fake upstream and `tierway serve` as their users would, and looks at what the upstream saw."""

import itertools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARIES = pathlib.Path(os.environ.get("TIERWAY_BINARIES", ROOT / "target" / "debug"))

# One provider for each API that tierway can speak upstream. Their models need no entry in the config.
PROVIDERS = ["chat", "resp", "anthropic", "gemini", "ollama", "converse"]

CONFIG = """
[server]
listen = "127.0.0.1:0"
grace_seconds = 5
max_body_mb = 12

[providers.chat]
kind = "openai_compatible"
base_url = "{url}/v1"

[providers.resp]
kind = "openai_compatible"
format = "openai_responses"
base_url = "{url}/v1"

[providers.openai]
kind = "openai" # its prices are in the catalogue
base_url = "{url}/v1"

[providers.anthropic]
kind = "anthropic"
base_url = "{url}/v1"

[providers.gemini]
kind = "gemini"
format = "gemini"
base_url = "{url}/v1beta"

[providers.ollama]
kind = "ollama"
format = "ollama_chat"
base_url = "{url}"

[providers.converse]
kind = "bedrock"
format = "bedrock_converse"
base_url = "{url}"
region = "eu-central-1"
key_command = ["echo", '{{"AccessKeyId": "AKIDFAKE", "SecretAccessKey": "fake/secret+key"}}']

[[tiers]]
name = "nano"
targets = [{{ provider = "chat", model = "small", context_window = 4000000, price = {{ input = 0.15, output = 0.60 }}, capabilities = {{ vision = false }} }}]

[[tiers]]
name = "standard"
targets = [{{ provider = "chat", model = "middle", context_window = 4000000, price = {{ input = 5, output = 15 }} }}]

[[tiers]]
name = "reasoning"
targets = [{{ provider = "anthropic", model = "large", context_window = 4000000, price = {{ input = 3, output = 12 }} }}]

[dispatch]
# What the upstream says is to be seen by the client at once; retries and fallbacks have tests of their own.
max_retries = 0
breaker_failures = 1000
{more}
"""


class Process:
    """A program that says on its first lines where it listens."""

    def __init__(self, arguments, says, stream, cwd, env=None):
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log", prefix="tierway-", delete=False)
        pipe = {"stdout": subprocess.PIPE if stream == "stdout" else self.log, "stderr": self.log}
        self.child = subprocess.Popen(arguments, cwd=cwd, env=env, text=True, **pipe)
        self.address = self._address(says, stream)

    def _address(self, says, stream):
        if stream == "stdout":
            return re.search(says, self.child.stdout.readline()).group(1)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.child.poll() is None:
            found = re.search(says, self.said())
            if found:
                return found.group(1)
            time.sleep(0.01)
        raise RuntimeError(f"did not start: {self.said()}")

    def said(self):
        return pathlib.Path(self.log.name).read_text()

    def stop(self):
        self.child.terminate()
        code = self.child.wait(timeout=20)
        self.log.close()
        os.unlink(self.log.name)
        return code


class Upstream(Process):
    """The fake provider. Strict; fails on demand; writes down what it saw."""

    def __init__(self):
        super().__init__([BINARIES / "tierway-fake-upstream"], r'"url":"([^"]+)"', "stdout", ROOT)

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data=data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def fail(self, model, kind, **details):
        """From now on every call to the model fails so (`Fault` of the testkit)."""
        self._ask("PUT", f"/_fake/plan/{model}", {"then": {"kind": kind, **details}})

    def traits(self, model, **traits):
        self._ask("PUT", f"/_fake/traits/{model}", traits)

    def seen(self, model):
        """The requests that named the model; `json` is the body."""
        # Of this model alone: to write down all that a long suite sent holds the upstream up for a tenth of a second.
        seen = self._ask("GET", f"/_fake/requests/{model}")
        for one in seen:
            one["json"] = json.loads(one["body"]) if one["body"] else None
            one["headers"] = dict(one["headers"])
        return seen

    def until(self, model, wanted, within=5.0):
        """Waits until a request to the model is as wanted, and gives it."""
        deadline = time.monotonic() + within
        while True:
            for one in self.seen(model):
                if wanted(one):
                    return one
            assert time.monotonic() < deadline, f"not within {within} s: {self.seen(model)}"
            time.sleep(0.01)


    def lag_ms(self, model, leave):
        """How long after a client left the call to the model ended. `leave` asks, and comes back when it has left."""
        earlier = len(self.seen(model))
        started = time.monotonic()
        leave()
        elapsed_ms = (time.monotonic() - started) * 1000
        seen = self.until(model, lambda one: one["call"] == earlier and one["ended"]["how"] == "client_gone")
        # Both clocks started with the request; the upstream's a moment later than ours.
        return seen["ended"]["at_ms"] - seen["at_ms"] - elapsed_ms

    def stops_within(self, bar_ms, through, control, tries=5):
        """A call to the provider ends that soon after the client left, beside what the client alone takes to reach the provider on
        this machine at this time: a busy machine is late now and then, a router that does not stop always. Both are (model upstream,
        `leave`)."""
        added = []
        for _ in range(tries):
            direct = self.lag_ms(*control)
            added.append(self.lag_ms(*through) - max(direct, 0))
            if added[-1] < bar_ms:
                return
        raise AssertionError(f"the router added {added} ms each time")


class Watch(Process):
    """Stands in front of a gateway and holds every stream against the strict grammar of its API."""

    # Over all gateways of the suite.
    streams, left = 0, 0

    def __init__(self, gateway):
        super().__init__([BINARIES / "tierway-stream-watch", gateway], r'"url":"([^"]+)"', "stdout", ROOT)

    def stop(self):
        with urllib.request.urlopen(self.address + "/_watch") as answer:
            found = json.load(answer)
        super().stop()
        Watch.streams += found["streams"]
        Watch.left += found["left"]
        assert not found["breaches"], "\n".join(found["breaches"][:20])


class Tierway(Process):
    """`tierway serve` with a config of its own, in a directory of its own. Clients reach it through a watch."""

    def __init__(self, upstream, more="", config=CONFIG, files=(), env=()):
        self.dir = tempfile.mkdtemp(prefix="tierway-")
        pathlib.Path(self.dir, "tierway.toml").write_text(config.format(url=upstream.address, more=more))
        for name, text in dict(files).items():
            pathlib.Path(self.dir, name).write_text(text)
        keys = {"ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k", "OPENAI_API_KEY": "k"}
        env = {"PATH": os.environ["PATH"], **keys, **dict(env)}
        command = [BINARIES / "tierway", "serve", "--config", "tierway.toml"]
        super().__init__(command, r"listens on (http://\S+)", "stderr", self.dir, env)
        self.watch = Watch(self.address)
        self.address = self.watch.address

    def stop(self):
        try:
            self.watch.stop()
        finally:
            code = super().stop()
        return code

    @property
    def v1(self):
        return self.address + "/v1"

    def record(self, request_id, within=5.0):
        """The row of one request; rows are written a moment after their answers."""
        deadline = time.monotonic() + within
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/api/v1/requests/{request_id}") as answer:
                    return json.load(answer)["record"]
            except urllib.error.HTTPError:
                assert time.monotonic() < deadline, f"no record of {request_id}"
                time.sleep(0.02)


_numbers = itertools.count(1)


def fresh(provider):
    """A model that nobody else uses, so that its plan and its calls are this test's own."""
    # Bedrock's models take different things, which their names say.
    name = f"{'amazon.nova' if provider == 'converse' else 'model'}-{os.getpid()}-{next(_numbers)}"
    return name, f"{provider}/{name}"
