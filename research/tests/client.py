#!/usr/bin/env python3
"""A person at a kernel: Jupyter's own gateway client, told what to do by lines of JSON.

    <python of the gateway> research/tests/client.py --url http://127.0.0.1:8890 --token-file FILE

    {"do": "start", "kernel": "kubetrader-s"}        -> {"id": "…", "seconds": 0.1}
    {"do": "run", "code": "1+1", "timeout": 10}      -> {"status": "ok", "text": "2", "error": "", …}
    {"do": "connect"}                                -> {} (a new connection to the same kernel)
    {"do": "stop"}                                   -> {}

A request that fails is answered by {"failed": "…"}. `status` is `ok`, `error`, `timeout` or `died`.
"""

import argparse
import asyncio
import json
import pathlib
import queue
import sys
import time
from typing import Any

import connection  # type: ignore[import-not-found]  # found beside this script when it is run


class Person:
    """One kernel and one connection to it."""

    def __init__(self, manager_class: Any) -> None:
        self.manager_class = manager_class
        self.manager: Any = None
        self.client: Any = None

    async def start(self, kernel: str) -> dict[str, Any]:
        begun = time.monotonic()
        self.manager = self.manager_class(kernel_name=kernel)
        await self.manager.start_kernel(kernel_name=kernel)
        await self.connect()
        return {"id": self.manager.kernel_id, "seconds": time.monotonic() - begun}

    async def connect(self) -> dict[str, Any]:
        if self.client is not None:
            self.client.stop_channels()
        self.client = self.manager.client()
        await self.client.start_channels()
        return {}

    async def run(self, code: str, timeout: float) -> dict[str, Any]:
        begun = time.monotonic()
        asked = self.client.execute(code)
        told: dict[str, Any] = {"status": "timeout", "text": "", "error": "", "states": []}
        replied = idle = False
        while not (replied and idle) and time.monotonic() < begun + timeout:
            message = self.next_message()
            if message is None:
                await asyncio.sleep(0.002)
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] in ("restarting", "dead"):
                told["states"].append(content["execution_state"])
                told["status"] = "died"
                break
            if message["parent_header"].get("msg_id") != asked:
                continue
            if kind == "execute_reply":
                replied = True
                told["status"] = content["status"]
            elif kind == "status":
                idle = content["execution_state"] == "idle"
            elif kind == "stream":
                told["text"] += content["text"]
            elif kind == "execute_result":
                told["text"] += content["data"].get("text/plain", "")
            elif kind == "error":
                told["error"] = f"{content['ename']}: {content['evalue']}"
        told["seconds"] = time.monotonic() - begun
        return told

    def next_message(self) -> Any:
        for channel in (self.client.iopub_channel, self.client.shell_channel):
            try:
                return channel.get(block=False)
            except queue.Empty:
                continue
        return None

    async def stop(self) -> dict[str, Any]:
        self.client.stop_channels()
        await self.manager.shutdown_kernel(now=True)
        return {}


async def obey(person: Person, order: dict[str, Any]) -> dict[str, Any]:
    if order["do"] == "start":
        return await person.start(order["kernel"])
    if order["do"] == "run":
        return await person.run(order["code"], order.get("timeout", 30))
    if order["do"] == "connect":
        return await person.connect()
    return await person.stop()


async def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--token-file", required=True, type=pathlib.Path)
    options = arguments.parse_args()
    person = Person(connection.manager(options.url, options.token_file))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        try:
            answer = await obey(person, json.loads(line))
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
