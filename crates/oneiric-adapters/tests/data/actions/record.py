"""Records what the Python package `oneiric` answers to the payloads in this folder.

    python3.13 -m pip install oneiric==0.17.0 httpx
    python3.13 record.py            # fills in `expect` of every case, in place
    python3.13 record.py --to DIR   # the same into another folder; compare it with this one

Each file is a list of cases, one a line:

    name      what the case shows
    key       of the action
    settings  of its provider; where there are none, the defaults
    payload   `{server}` in a text stands for the address of a local server, see server.json
    now       the time at which it happens; NOW below where it is unsaid
    redact    paths of values that hold chance or a duration: recorded as `<type length>`
    expect    what upstream did: {"ok": result}, {"error": code}, or {"exception": type} where it fell over
    ours      where we knowingly answer something else: {"ok": ...} or {"error": code}, and `why`

`name` to `redact`, `ours` and `why` are written by hand, `expect` is not.
"""

import argparse
import asyncio
import datetime
import io
import json
import logging
import os
import pathlib
import socketserver
import sys
import threading

HERE = pathlib.Path(__file__).parent
NOW = "2026-03-27T10:20:30.123456+00:00"
# The headers that the server says back under /echo.
ECHOED = ("content-type", "x-", "authorization", "accept")


def server(routes):
    """A server on a free port that answers as it is told, with no header of its own."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            method, target, _ = self.rfile.readline().decode().split(" ", 2)
            headers = {}
            while (line := self.rfile.readline().decode("latin-1").strip()):
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", 0))).decode()
            route = routes.get(target.split("?")[0])
            if target.split("?")[0] == "/echo":
                said = {n: v for n, v in sorted(headers.items()) if n.startswith(ECHOED) and n != "accept-encoding"}
                text = json.dumps({"method": method, "target": target, "headers": said, "body": body})
                route = {"status": 200, "reason": "OK", "headers": [["Content-Type", "application/json"]], "body": text}
            needed = (route or {}).get("requires")
            if route is None or (needed and headers.get(needed[0]) != needed[1]):
                route = {"status": 401, "reason": "Unauthorized", "headers": [], "body": ""}
            body = route["body"].encode()
            lines = [f"HTTP/1.1 {route['status']} {route['reason']}"]
            lines += [f"{name}: {value}" for name, value in route["headers"]]
            if route["status"] != 204:
                lines.append(f"Content-Length: {len(body)}")
            lines += ["Connection: close", "", ""]
            self.wfile.write("\r\n".join(lines).encode() + (b"" if method == "HEAD" else body))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    running = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    return running, f"http://127.0.0.1:{running.server_address[1]}"


def replaced(value, old, new):
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, list):
        return [replaced(item, old, new) for item in value]
    if isinstance(value, dict):
        return {replaced(key, old, new): replaced(item, old, new) for key, item in value.items()}
    return value


def redacted(value, path):
    """Replaces what lies at `a.0.b` with its type and length."""
    head, _, rest = path.partition(".")
    at = int(head) if isinstance(value, list) else head
    if rest:
        redacted(value[at], rest)
    else:
        old = value[at]
        value[at] = f"<str {len(old)}>" if isinstance(old, str) else f"<{type(old).__name__}>"


def frozen(now):
    """A datetime whose clock stands still."""

    class Frozen(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return now.astimezone(tz)

    return Frozen


async def answer(case, base, actions, modules):
    now = datetime.datetime.fromisoformat(case.get("now", NOW))
    for module in modules:
        module.datetime = frozen(now)
    kind = actions[case["key"]]
    settings = kind.metadata.settings_model(**case.get("settings", {}))
    try:
        result = await kind(settings).execute(replaced(case["payload"], "{server}", base))
        # What leaves the process is JSON: keys are text there, and no number is infinite.
        result = json.loads(json.dumps(result, default=str, allow_nan=False))
    except Exception as error:  # noqa: BLE001  whatever it is gets recorded
        if type(error).__name__ == "LifecycleError":
            return {"error": str(error)}
        return {"exception": type(error).__name__}
    result = replaced(result, base, "{server}")
    for path in case.get("redact", []):
        redacted(result, path)
    return {"ok": result}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--to", type=pathlib.Path, default=HERE)
    to = arguments.parse_args().to
    os.environ["NO_PROXY"] = "*"

    from oneiric.actions import bootstrap, debug, event, security, task, workflow

    logging.disable(logging.CRITICAL)
    kinds = [value for value in vars(bootstrap).values() if isinstance(value, type) and hasattr(value, "metadata")]
    actions = {kind.metadata.key: kind for kind in kinds}
    running, base = server(json.loads((HERE / "server.json").read_text(encoding="utf-8")))
    said, sys.stdout = sys.stdout, io.StringIO()
    count = 0
    for path in sorted(HERE.glob("*.json")):
        if path.name == "server.json":
            continue
        cases = json.loads(path.read_text(encoding="utf-8"))
        for case in cases:
            expect = asyncio.run(answer(case, base, actions, (debug, event, security, task, workflow)))
            case.pop("expect", None)
            tail = {name: case.pop(name) for name in ("ours", "why") if name in case}
            case.update({"expect": expect} | tail)
            count += 1
        lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
        (to / path.name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    sys.stdout = said
    running.shutdown()
    print(f"{count} cases recorded in {to}")


if __name__ == "__main__":
    main()
