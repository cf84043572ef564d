"""Runs a program, or "aws", with a botocore that has no client for Elastic Transcoder, as none has since 1.42.16."""

import importlib
import json
import os
import runpy
import sys
import tempfile


def hide(package, directory):
    """Gives a botocore a copy of its data in which there is nothing of the service."""
    loader = importlib.import_module(package + ".loaders").Loader
    data = loader.BUILTIN_DATA_PATH
    if not os.path.isdir(os.path.join(data, "elastictranscoder")):
        return  # it is a new one
    for name in os.listdir(data):
        if name not in ("elastictranscoder", "endpoints.json"):
            os.symlink(os.path.join(data, name), os.path.join(directory, name))
    with open(os.path.join(data, "endpoints.json")) as file:
        endpoints = json.load(file)
    for partition in endpoints["partitions"]:
        partition["services"].pop("elastictranscoder", None)
    with open(os.path.join(directory, "endpoints.json"), "w") as file:
        json.dump(endpoints, file)
    loader.BUILTIN_DATA_PATH = directory


sys.argv = sys.argv[1:]
with tempfile.TemporaryDirectory() as directory:
    if sys.argv[0] == "aws":
        try:
            hide("awscli.botocore", directory)  # version 2 has one of its own
        except ModuleNotFoundError:
            hide("botocore", directory)
        from awscli.clidriver import main

        sys.exit(main())
    hide("botocore", directory)
    runpy.run_path(sys.argv[0], run_name="__main__")
