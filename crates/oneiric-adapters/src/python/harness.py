"""Runs one Python component as a worker of Oneiric: JSON lines on what was standard input and output.

Standard library only, Python 3.8 or later. The protocol is described in docs/worker-protocol.md; what a
component may look like, in the documentation of the runtime for Python.
"""

import sys

# With `-c` the working folder comes first, where any file could stand in for a standard module.
sys.path[:] = [place for place in sys.path if place]

if sys.version_info < (3, 8):
    sys.stderr.write("Python 3.8 or later is needed, this is %d.%d\n" % sys.version_info[:2])
    sys.exit(78)

import asyncio
import base64
import collections.abc
import concurrent.futures
import contextvars
import dataclasses
import datetime
import decimal
import difflib
import enum
import importlib
import inspect
import io
import json
import math
import os
import pathlib
import pkgutil
import re
import signal
import threading
import traceback
import typing
import uuid

PROTOCOL = 1
MADE_OF = {
    "task": ("run", "execute", "handle"),
    "event": ("handle", "execute", "run"),
    "action": ("execute", "run", "handle", "describe", "status"),
}
HEALTH = ("health", "check_health", "is_healthy", "ready")
CLEANUP = ("cleanup", "close", "shutdown")
CLASSES = ("transient", "permanent", "denied", "unknown_outcome")
# Names under which a component may want what it is called with.
INPUTS = ("payload", "input", "inputs", "data", "context", "envelope", "event", "message", "body")
SETTINGS = ("settings", "config")
CONTEXTS = ("context", "ctx", "cx")

current = contextvars.ContextVar("oneiric_call", default=None)


class Wrong(Exception):
    """A fault that is found here, not in the component."""

    def __init__(self, code, message, kind="permanent"):
        super().__init__(message)
        self.code, self.kind = code, kind


# ---------------------------------------------------------------------------------------------- the wire


class Wire:
    """The two pipes of the protocol, out of reach of the component's own input and output."""

    def __init__(self):
        self.owner = os.getpid()
        self.lock = threading.Lock()
        self.source = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
        self.target = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        # What writes past sys.stdout, as libraries in C do, is logged.
        os.dup2(2, 1)
        os.register_at_fork(after_in_child=leave_the_wire)
        self.line_bytes = 8192

    def say(self, **message):
        self.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))

    def write(self, line):
        self.only_here()
        view = memoryview(line + b"\n")
        with self.lock:
            while view:
                view = view[os.write(self.target, view):]

    def only_here(self):
        """Ends a child that the component forked and that came back: it has nothing to say."""
        if os.getpid() != self.owner:
            os._exit(0)

    def log(self, call, stream, line):
        # In bytes, a character may be four times as long.
        message = {"type": "log", "stream": stream, "line": line[: self.line_bytes + 1]}
        if call is not None:
            message["id"] = call.id
        self.say(**message)


def leave_the_wire():
    """What a forked child prints is logged as what any other program prints."""
    target = io.FileIO(2, "w", closefd=False)
    sys.stdout = sys.stderr = io.TextIOWrapper(target, "utf-8", "backslashreplace", line_buffering=True)


class Printed(io.TextIOBase):
    """`sys.stdout` and `sys.stderr` of the component: whole lines, each with the call that wrote it."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, wire, stream):
        self.wire, self.stream = wire, stream
        self.open = {}
        self.guard = threading.RLock()
        self.buffer = PrintedBytes(self)

    def writable(self):
        return True

    def isatty(self):
        return False

    def fileno(self):
        return 1 if self.stream == "stdout" else 2

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        call = current.get()
        with self.guard:
            begun = self.open.pop(call, "")
            *lines, rest = (begun + text).split("\n")
            if len(rest) > self.wire.line_bytes:
                rest = rest[: self.wire.line_bytes + 1]
            if rest:
                self.open[call] = rest
        for line in lines:
            self.wire.log(call, self.stream, line.encode("utf-8", self.errors).decode("utf-8"))
        return len(text)

    def flush(self):
        pass

    def finish(self, call):
        with self.guard:
            rest = self.open.pop(call, "")
        if rest:
            self.wire.log(call, self.stream, rest.encode("utf-8", self.errors).decode("utf-8"))


class PrintedBytes(io.RawIOBase):
    def __init__(self, text):
        self.text = text

    def writable(self):
        return True

    def write(self, data):
        self.text.write(bytes(data).decode("utf-8", "replace"))
        return len(data)


# -------------------------------------------------------------------------------------- what is handed in


class Settings(dict):
    """Settings as a mapping whose keys are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclasses.dataclass
class Envelope(collections.abc.Mapping):
    """An event, with attributes and as a mapping."""

    topic: str
    payload: typing.Any = None
    headers: typing.Dict[str, typing.Any] = dataclasses.field(default_factory=dict)

    def __getitem__(self, name):
        if name in ("topic", "payload", "headers"):
            return getattr(self, name)
        raise KeyError(name)

    def __iter__(self):
        return iter(("topic", "payload", "headers"))

    def __len__(self):
        return 3


class Call:
    """One call; what a component sees where it asks for a context."""

    def __init__(self, message, wire):
        self._wire = wire
        self.id, self.role = message["id"], message["role"]
        self.run, self.workflow = message.get("run"), message.get("workflow")
        self.node, self.attempt = message.get("node"), message.get("attempt", 1)
        self.idempotency_key = message.get("idempotency_key")
        self._cancelled = threading.Event()

    def cancelled(self):
        """Whether the call should stop."""
        return self._cancelled.is_set()

    def heartbeat(self):
        """Says that the call is alive; for those whose entry has a `heartbeat_timeout`."""
        self.progress()

    def progress(self, fraction=None, text=None):
        """Says that the call is alive, and how far it is: a fraction from 0 to 1, a short text, or both."""
        message = {"type": "progress", "id": self.id}
        if fraction is not None and math.isfinite(fraction):
            message["fraction"] = float(fraction)
        if text is not None:
            message["text"] = str(text)[:200]
        self._wire.say(**message)


# ------------------------------------------------------------------------------------ what is handed back


def plain(value):
    """What `json` does not know, as something that it knows."""
    if isinstance(value, Envelope):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (pathlib.PurePath, uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode("ascii")
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(value)
        except TypeError:
            return list(value)
    if not isinstance(value, type):
        if callable(getattr(value, "model_dump", None)):
            return value.model_dump(mode="json")
        if hasattr(value, "__struct_fields__"):
            return {name: getattr(value, name) for name in value.__struct_fields__}
        if hasattr(value, "__attrs_attrs__"):
            return {field.name: getattr(value, field.name) for field in value.__attrs_attrs__}
    if isinstance(value, collections.abc.Mapping):
        return dict(value)
    raise Wrong("bad-output", "a value of type `%s` is no JSON" % type_name(type(value)))


def type_name(kind):
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def to_json(value):
    try:
        text = json.dumps(value, default=plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8")
    except RecursionError:
        raise Wrong("bad-output", "the result is nested too deeply") from None
    except UnicodeEncodeError as error:
        raise Wrong("bad-output", "the result is not text in UTF-8: %s" % error) from None
    except (TypeError, ValueError) as error:
        raise Wrong("bad-output", "the result is no JSON: %s" % error) from None


def kebab(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).replace("_", "-").lower()


def fault_of(error, name):
    """An exception as a fault. Everything may be tried again, unless the exception says otherwise."""
    if isinstance(error, Wrong):
        return {"class": error.kind, "code": error.code, "message": "`%s`: %s" % (name, error)}
    kind = getattr(error, "oneiric_class", None)
    if kind not in CLASSES:
        kind = "permanent" if getattr(error, "retryable", None) is False else "transient"
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be read)"
    what = type(error).__qualname__
    fault = {"class": kind, "code": kebab(type(error).__name__)}
    fault["message"] = "`%s`: %s: %s" % (name, what, text) if text else "`%s`: %s" % (name, what)
    after = getattr(error, "retry_after", None)
    if isinstance(after, (int, float)) and not isinstance(after, bool) and 0 <= after < 1e9:
        fault["retry_after_ms"] = int(after * 1000)
    return fault


# ------------------------------------------------------------------------------------ finding and building


def near(name, known):
    found = difflib.get_close_matches(name, list(known), 1)
    return "; did you mean `%s`?" % found[0] if found else ""


def load_module(module):
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing == module or module.startswith(missing + "."):
            parent = missing.rpartition(".")[0]
            places = getattr(sys.modules.get(parent), "__path__", sys.path) if parent else sys.path
            places = [str(place) for place in places]
            known = {(parent + "." if parent else "") + found.name for found in pkgutil.iter_modules(places)}
            raise Wrong(
                "unknown-module",
                "no module `%s` in %s%s" % (missing, ", ".join(places), near(missing, known)),
            ) from None
        raise Wrong(
            "import-failed", "module `%s` needs `%s`, which is not installed in %s" % (module, missing, sys.prefix)
        ) from None
    except SyntaxError as error:
        place = "%s, line %s" % (error.filename, error.lineno)
        raise Wrong("syntax-error", "module `%s`: %s: %s" % (module, place, error.msg)) from None
    except BaseException as error:
        traceback.print_exc()
        what = "%s: %s" % (type(error).__qualname__, error)
        raise Wrong("import-failed", "module `%s` cannot be imported: %s" % (module, what)) from None


def load(module, attr):
    found, path = load_module(module), module
    for part in attr.split("."):
        if not hasattr(found, part):
            known = [name for name in dir(found) if not name.startswith("_")]
            raise Wrong("unknown-attribute", "`%s` has no `%s`%s" % (path, part, near(part, known)))
        found, path = getattr(found, part), path + "." + part
    return found


def parameters(function):
    """The parameters of a callable; `None` where Python does not know them."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def annotation_of(function, parameter):
    """What a parameter is annotated with; strings are looked up."""
    found = parameter.annotation
    if found is inspect.Parameter.empty:
        return None
    if isinstance(found, str):
        target = function.__init__ if isinstance(function, type) else function
        try:
            found = typing.get_type_hints(target).get(parameter.name)
        except Exception:
            return None
    if typing.get_origin(found) is typing.Union or type(found).__name__ == "UnionType":
        known = [kind for kind in typing.get_args(found) if kind is not type(None)]
        found = known[0] if len(known) == 1 else None
    return found if isinstance(found, type) else None


def as_settings(kind, settings):
    """The settings as the type that is asked for, where it is one that holds settings."""
    if kind is None or issubclass(kind, collections.abc.Mapping):
        return Settings(settings)
    if callable(getattr(kind, "model_validate", None)):
        return kind.model_validate(dict(settings))
    if hasattr(kind, "__struct_fields__"):
        import msgspec

        return msgspec.convert(dict(settings), kind)
    if dataclasses.is_dataclass(kind) or hasattr(kind, "__attrs_attrs__"):
        return kind(**settings)
    return Settings(settings)


def construct(factory, settings):
    """Calls a class or a factory with the settings, in the way in which it takes them."""
    known = parameters(factory)
    if known is None:
        return factory()
    args, named = [], {}
    Kind = inspect.Parameter
    holder = next((p for p in known if p.name in SETTINGS), None)
    for parameter in known:
        if parameter.kind in (Kind.VAR_POSITIONAL, Kind.VAR_KEYWORD):
            continue
        required = parameter.default is Kind.empty
        if parameter is holder:
            if not required and not settings:
                continue
            value = as_settings(annotation_of(factory, parameter), settings)
        elif holder is None and parameter.name in settings:
            value = settings[parameter.name]
        elif required:
            raise Wrong(
                "bad-signature",
                "`%s` is required; put it into the settings of the provider" % parameter.name
                if holder is None
                else "`%s` is required beside the settings; nobody can know it" % parameter.name,
            )
        elif parameter.kind is Kind.POSITIONAL_ONLY:
            break
        else:
            continue
        if parameter.kind is Kind.POSITIONAL_ONLY:
            args.append(value)
        else:
            named[parameter.name] = value
    return factory(*args, **named)


async def settled(value):
    while inspect.isawaitable(value):
        value = await value
    return value


def is_component(kind):
    names = {name for names in MADE_OF.values() for name in names}
    return isinstance(kind, type) and any(callable(getattr(kind, name, None)) for name in names)


def makes_component(function):
    """Whether a function says that it returns a component."""
    try:
        return is_component(typing.get_type_hints(function).get("return"))
    except Exception:
        return False


def takes_input(function):
    """Whether a function has a parameter for what it is called with."""
    known = parameters(function)
    if known is None:
        return True
    Kind = inspect.Parameter
    if any(p.kind in (Kind.VAR_POSITIONAL, Kind.VAR_KEYWORD) for p in known):
        return True
    return any(p.name not in SETTINGS for p in known)


# ------------------------------------------------------------------------------------------- the component


class Component:
    def __init__(self, name, domain, settings, factory):
        self.name, self.domain, self.settings = name, domain, settings
        self.target, self.factory = None, factory
        # A function without parameters may be the work or what makes the worker: its first result tells.
        self.undecided = False

    async def build(self, found):
        if isinstance(found, type) or self.factory is True:
            self.target = await settled(construct(found, self.settings))
        elif not inspect.isroutine(found) or self.factory is False:
            self.target = found
        elif makes_component(found):
            self.target = await settled(construct(found, self.settings))
        else:
            self.target, self.undecided = found, not takes_input(found)
        if not self.undecided:
            await self.init()

    async def init(self):
        init = getattr(self.target, "init", None)
        if callable(init) and not isinstance(self.target, type) and not (
            [p for p in parameters(init) or [] if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
        ):
            await settled(init())

    def method(self, role):
        for name in MADE_OF[role]:
            method = getattr(self.target, name, None)
            if callable(method):
                return method
        return self.target if callable(self.target) and not isinstance(self.target, type) else None

    def roles(self):
        if self.undecided:
            return list(MADE_OF)
        if self.domain in MADE_OF:
            return [self.domain] if self.method(self.domain) else []
        roles = ["action"] if self.method("action") else []
        return roles + (["task"] if callable(getattr(self.target, "run", None)) else [])

    async def call(self, call, value, threads):
        if call.role == "health":
            return await self.health(threads)
        if call.role == "event":
            value = Envelope(value["topic"], value.get("payload"), value.get("headers") or {})
        if self.undecided:
            return await self.first(call, value, threads)
        method = self.method(call.role)
        if method is None:
            raise Wrong("missing-role", "it has none of %s" % ", ".join(MADE_OF[call.role]))
        args, named = bind(method, value, call)
        return await invoke(method, args, named, threads)

    async def first(self, call, value, threads):
        made = await invoke(lambda: construct(self.target, self.settings), (), {}, threads)
        if not is_component(type(made)):
            return made
        self.target, self.undecided = made, False
        await self.init()
        return await self.call(call, value if call.role != "event" else dict(value), threads)

    async def health(self, threads):
        for name in HEALTH:
            probe = getattr(self.target, name, None)
            if callable(probe) and not isinstance(self.target, type):
                if await invoke(probe, (), {}, threads) is False:
                    raise Wrong("unhealthy", "%s() says False" % name, "transient")
                return None
        return None

    def has_health(self):
        return not self.undecided and any(callable(getattr(self.target, name, None)) for name in HEALTH)

    async def cleanup(self):
        if self.undecided or isinstance(self.target, type):
            return
        for name in CLEANUP:
            method = getattr(self.target, name, None)
            if callable(method):
                await settled(method())
                return


async def invoke(function, args, named, threads):
    """Calls what is async here and all else in a thread, so that the process keeps listening."""
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):
        return await function(*args, **named)
    loop, owner = asyncio.get_running_loop(), os.getpid()
    context, answer = contextvars.copy_context(), loop.create_future()

    def work():
        try:
            end = context.run(function, *args, **named), None
        except BaseException as error:
            end = None, error
        if os.getpid() != owner:
            # Forked by the component, and back in a thread that nobody waits for.
            os._exit(0)
        loop.call_soon_threadsafe(answer.set_result, end)

    threads.submit(work)
    try:
        result, error = await asyncio.shield(answer)
    except asyncio.CancelledError:
        # Nothing can stop a thread. Its end is waited for as long as the process is let live.
        await answer
        raise
    if error is not None:
        raise error
    return await settled(result)


def bind(function, value, call):
    """The arguments with which a method takes its input."""
    known = parameters(function)
    if known is None:
        return (value,), {}
    Kind = inspect.Parameter
    by_place = [p for p in known if p.kind in (Kind.POSITIONAL_ONLY, Kind.POSITIONAL_OR_KEYWORD)]
    by_name = [p for p in known if p.kind is Kind.KEYWORD_ONLY]
    fields = value if isinstance(value, dict) else {}
    named = {p.name: call for p in by_name if p.name in CONTEXTS and p.name not in fields}
    if by_place:
        first, others = by_place[0], by_place[1:]
        needed = [p for p in others if p.default is Kind.empty]
        if needed and all(p.name in fields for p in [first] + needed if p.default is Kind.empty):
            # Several parameters, each a field of the input.
            args = []
            for parameter in by_place:
                if parameter.name not in fields:
                    break
                args.append(fields[parameter.name])
            return tuple(args), named
        args = [value]
        if others and others[0].name in CONTEXTS:
            args.append(call)
        return tuple(args), {**named, **wanted(by_name, fields, named)}
    if any(p.kind is Kind.VAR_POSITIONAL for p in known):
        return (value,), named
    for parameter in by_name:
        if parameter.name in INPUTS and parameter.name not in named and parameter.name not in fields:
            return (), {**named, parameter.name: value}
    if any(p.kind is Kind.VAR_KEYWORD for p in known):
        return (), {**fields, **named}
    return (), {**named, **wanted(by_name, fields, named)}


def wanted(parameters, fields, named):
    return {p.name: fields[p.name] for p in parameters if p.name in fields and p.name not in named}


# ----------------------------------------------------------------------------------------------- the loop


class Worker:
    def __init__(self, wire):
        self.wire = wire
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.calls = {}
        self.component = None
        self.threads = None
        self.result_bytes = 0
        sys.stdout = self.stdout = Printed(wire, "stdout")
        sys.stderr = self.stderr = Printed(wire, "stderr")

    def main(self):
        hello = self.receive()
        if hello is None:
            return
        self.wire.line_bytes = hello["line_bytes"]
        self.result_bytes = hello["result_bytes"]
        concurrency = hello["concurrency"]
        self.threads = concurrent.futures.ThreadPoolExecutor(concurrency + 1, "oneiric")
        about = hello["python"]
        name = "%s:%s" % (about["module"], about["attr"])
        sys.path[:0] = about["path"]
        sys.path.append(os.getcwd())
        self.component = Component(name, hello["component"]["domain"], hello["settings"], about["factory"])
        try:
            found = load(about["module"], about["attr"])
            self.run(self.component.build(found))
        except BaseException as error:
            if not isinstance(error, Wrong):
                traceback.print_exc()
            self.finish_lines(None)
            fault = fault_of(error, name)
            if not isinstance(error, Wrong):
                fault["code"] = "build-failed"
            self.wire.say(type="fault", **fault)
            return
        self.finish_lines(None)
        self.wire.say(
            type="ready",
            protocol=PROTOCOL,
            name=name,
            roles=self.component.roles(),
            concurrency=concurrency,
            health=self.component.has_health(),
        )
        threading.Thread(target=self.listen, name="oneiric-wire", daemon=True).start()
        self.loop.run_forever()
        try:
            self.run(self.component.cleanup())
        except BaseException:
            traceback.print_exc()
        self.finish_lines(None)
        # Threads that still work would hold the process up; whoever stops it has waited for calls.
        os._exit(0)

    def run(self, coroutine):
        return self.loop.run_until_complete(self.loop.create_task(sheltered(coroutine)))

    def receive(self):
        line = self.wire.source.readline()
        return json.loads(line) if line else None

    def listen(self):
        while True:
            message = self.receive()
            if message is None:
                # Nobody is there any more. What runs here must not outlive that.
                os.killpg(os.getpgrp(), signal.SIGKILL)
            kind = message["type"]
            if kind == "ping":
                self.wire.say(type="pong")
            elif kind == "call":
                self.loop.call_soon_threadsafe(self.begin, message)
            elif kind == "cancel":
                self.loop.call_soon_threadsafe(self.cancel, message["id"])
            elif kind == "stop":
                self.loop.call_soon_threadsafe(self.loop.stop)
                return

    def begin(self, message):
        call = Call(message, self.wire)
        # The task copies the context: what it prints is known to be of this call.
        token = current.set(call)
        self.calls[call.id] = call, self.loop.create_task(self.answer(call, message["input"]))
        current.reset(token)

    def cancel(self, number):
        if number in self.calls:
            call, task = self.calls[number]
            call._cancelled.set()
            task.cancel()

    async def answer(self, call, value):
        name = self.component.name
        try:
            output = to_json(await self.component.call(call, value, self.threads))
            if len(output) > self.result_bytes:
                most = self.result_bytes
                raise Wrong("output-too-large", "the result has %d bytes, at most %d are allowed" % (len(output), most))
            line = b'{"type":"result","id":%d,"output":%s}' % (call.id, output)
        except asyncio.CancelledError:
            how = "was cancelled" if call.cancelled() else "cancelled itself"
            fault = {"class": "transient", "code": "cancelled", "message": "`%s` %s" % (name, how)}
            line = self.fault(call, fault)
        except BaseException as error:
            if not isinstance(error, Wrong):
                traceback.print_exc()
            line = self.fault(call, fault_of(error, name))
        self.finish_lines(call)
        self.calls.pop(call.id, None)
        self.wire.write(line)

    @staticmethod
    def fault(call, fault):
        line = json.dumps({"type": "fault", "id": call.id, **fault}, ensure_ascii=False)
        return line.encode("utf-8", "replace")

    def finish_lines(self, call):
        self.stdout.finish(call)
        self.stderr.finish(call)


async def sheltered(coroutine):
    """An end of the program that a component asks for must not end the loop in the middle."""
    try:
        return await coroutine
    except (SystemExit, KeyboardInterrupt) as error:
        raise Wrong("build-failed", "%s: %s" % (type(error).__qualname__, error), "transient") from None


if __name__ == "__main__":
    Worker(Wire()).main()
