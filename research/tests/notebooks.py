#!/usr/bin/env python3
"""Executes notebooks through the proxy by a real client, as an editor would.

    <python of the gateway> research/tests/notebooks.py --url http://127.0.0.1:8890 --token-file FILE [--out DIR]
        [--timeout SECONDS] [NOTEBOOK…]

The client is nbclient with Jupyter's own gateway manager. One line of JSON for each notebook; exit code 1 when one of
them failed. `--out` keeps what was executed, outputs included; the notebooks themselves stay without any.
"""

import argparse
import json
import pathlib
import sys
import time
from typing import Any

import connection  # type: ignore[import-not-found]  # found beside this script when it is run

NOTEBOOKS = pathlib.Path(__file__).resolve().parent.parent / "notebooks"


def execute(manager: Any, path: pathlib.Path, out: pathlib.Path | None, timeout: int) -> dict[str, Any]:
    """Runs one notebook in a kernel of its own."""
    # After the environment says where the gateway is: Jupyter reads it when it is imported.
    import nbformat
    from nbclient import NotebookClient

    book: Any = nbformat.read(str(path), as_version=4)  # type: ignore[no-untyped-call]
    name = book.metadata.kernelspec.name
    begun = time.monotonic()
    error = None
    client = NotebookClient(book, timeout=timeout, kernel_name=name, kernel_manager_class=manager)
    try:
        client.execute()
    except Exception as caught:
        error = f"{type(caught).__name__}: {caught}"[-3000:]
    if out is not None:
        nbformat.write(book, str(out / path.name))  # type: ignore[no-untyped-call]
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    return {
        "notebook": path.name,
        "cells": sum(1 for cell in book.cells if cell.get("execution_count")),
        "images": sum(1 for output in outputs if "image/png" in output.get("data", {})),
        "text": "".join(output.text for output in outputs if output.get("name") == "stdout"),
        "warnings": "".join(output.text for output in outputs if output.get("name") == "stderr"),
        "error": error,
        "seconds": round(time.monotonic() - begun, 2),
    }


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--url", required=True, help="the proxy")
    arguments.add_argument("--token-file", required=True, type=pathlib.Path)
    arguments.add_argument("--out", type=pathlib.Path)
    arguments.add_argument("--timeout", type=int, default=300, help="seconds that one cell may take")
    arguments.add_argument("notebooks", nargs="*", type=pathlib.Path, help="default: all of research/notebooks")
    options = arguments.parse_args()
    manager = connection.manager(options.url, options.token_file)
    failed = False
    for path in options.notebooks or sorted(NOTEBOOKS.glob("*.ipynb")):
        result = execute(manager, path, options.out, options.timeout)
        failed |= result["error"] is not None
        print(json.dumps(result), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
