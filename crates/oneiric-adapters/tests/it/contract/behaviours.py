"""Components that behave as their names say; see the contract of runtimes in testkit."""

import asyncio
import os
import signal
import sys


class Echo:
    def execute(self, payload):
        return payload

    async def run(self, payload=None):
        return payload

    async def handle(self, envelope):
        return {"topic": envelope.topic, "payload": envelope.payload, "headers": envelope.headers}


async def Capitals(text):
    return text.upper()


def FailsToday(payload):
    raise ConnectionError("not today")


class FailsForEver:
    class TooOld(Exception):
        retryable = False

    def run(self):
        raise self.TooOld("not ever")


class Waits:
    async def run(self, payload):
        with open("pid", "w") as file:
            file.write("%d\n" % os.getpid())
        try:
            await asyncio.sleep(1000)
        finally:
            os.remove("pid")

    execute = run


def Logs(payload):
    print("one")
    sys.stderr.write("two\n")
    sys.stdout.write("three")


class Letters:
    def run(self, count):
        return "x" * count


class Dies:
    def run(self, payload):
        if payload == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return payload


class Settings:
    def __init__(self, settings, *, client=None):
        self.settings = settings

    def run(self):
        return self.settings


class Unhealthy(Echo):
    async def check_health(self):
        raise RuntimeError("no pulse")
