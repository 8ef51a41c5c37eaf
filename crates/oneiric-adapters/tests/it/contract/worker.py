"""A worker that behaves as its argument says; see the contract of runtimes in testkit."""

import json
import os
import sys

BEHAVIOUR, settings = sys.argv[1], None


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def wait(number):
    """Works until it is told to stop: the next line is read here."""
    with open("pid", "w") as file:
        file.write("%d\n" % os.getpid())
    while json.loads(sys.stdin.readline() or '{"type":"cancel"}')["type"] != "cancel":
        pass
    os.remove("pid")
    say(type="fault", id=number, code="stopped", message="stopped")


def answer(number, role, value):
    if role == "health":
        if BEHAVIOUR == "Unhealthy":
            return say(type="fault", id=number, message="no pulse")
        return say(type="result", id=number)
    if BEHAVIOUR == "Capitals":
        value = value.upper()
    elif BEHAVIOUR == "FailsToday":
        return say(type="fault", id=number, code="weather", message="not today")
    elif BEHAVIOUR == "FailsForEver":
        return say(type="fault", id=number, **{"class": "permanent"}, code="age", message="not ever")
    elif BEHAVIOUR == "Waits":
        return wait(number)
    elif BEHAVIOUR == "Logs":
        sys.stderr.write("one\n")
        sys.stderr.flush()
        say(type="log", id=number, line="two")
        sys.stderr.write("three")
        sys.stderr.flush()
        value = None
    elif BEHAVIOUR == "Letters":
        value = "x" * value
        if len(value) > limit:
            return say(type="fault", id=number, **{"class": "permanent"}, code="output-too-large")
    elif BEHAVIOUR == "Dies" and value == "die":
        os._exit(3)
    elif BEHAVIOUR == "Settings":
        value = settings
    say(type="result", id=number, output=value)


for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "hello":
        settings, limit = message["settings"], message["result_bytes"]
        say(type="ready", health=True)
    elif message["type"] == "call":
        answer(message["id"], message["role"], message["input"])
    elif message["type"] == "ping":
        say(type="pong")
    elif message["type"] == "stop":
        break
