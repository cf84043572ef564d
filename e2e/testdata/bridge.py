"""Calls a service of AWS's through boto3: each line of the input names an
operation and its parameters, each line of the output has what came of it. The
first line of the output has the version."""

import json
import os
import re
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

client = boto3.client(
    os.environ.get("SERVICE", "elastictranscoder"),
    endpoint_url=os.environ["EDGE"],
    config=Config(retries={"max_attempts": 0}),
)

print(json.dumps({"version": boto3.__version__}), flush=True)
for line in sys.stdin:
    call = json.loads(line)
    name = re.sub("(?<=.)([A-Z])", r"_\1", call["operation"]).lower()
    try:
        reply = getattr(client, name)(**call["params"])
        reply.pop("ResponseMetadata")
        said = {"reply": reply}
    except ClientError as e:
        said = {"code": e.response["Error"]["Code"], "message": str(e)}
    except Exception as e:
        said = {"code": type(e).__name__, "message": str(e)}
    print(json.dumps(said), flush=True)
