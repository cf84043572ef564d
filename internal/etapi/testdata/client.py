"""What a Python application does with Elastic Transcoder, for TestBoto3."""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

sent = 0


def count(**_):
    global sent
    sent += 1


client = boto3.client(
    "elastictranscoder",
    region_name="us-west-2",
    endpoint_url=sys.argv[1],
    # What is wrong is said by the server, not by botocore.
    config=Config(parameter_validation=False),
)
client.meta.events.register("before-send.elastic-transcoder.*", count)


def error(call, **params):
    """Returns the code and status of the error that a call ends with."""
    global sent
    sent = 0
    try:
        call(**params)
    except ClientError as e:
        assert sent == 1, f"{e} was sent {sent} times"
        assert e.response["Error"]["Message"], e
        return e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError(f"{call.__name__} raised nothing")


def equal(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


pages = client.get_paginator("list_pipelines").paginate()
pipeline = next(p for page in pages for p in page["Pipelines"] if p["Name"] == "music")
equal(pipeline["Status"], "Active")
equal(pipeline["ThumbnailConfig"], {"Bucket": "media", "Permissions": []})

presets = client.list_presets()["Presets"]
equal(len(presets), 62)
equal(sum(1 for page in client.get_paginator("list_presets").paginate() for _ in page["Presets"]), 62)

answer = client.create_job(
    PipelineId=pipeline["Id"],
    Input={
        "Key": "media/Für Elise.wav",
        "FrameRate": "auto",
        "Resolution": "auto",
        "AspectRatio": "auto",
        "Interlaced": "auto",
        "Container": "auto",
    },
    Outputs=[
        {"Key": "transcoded/a.mp3", "PresetId": "1351620000001-300040"},
        {"Key": "transcoded/a.wav", "PresetId": "1351620000001-300300"},
        {"Key": "transcoded/a.flac", "PresetId": "1351620000001-300110"},
    ],
)
equal(answer["ResponseMetadata"]["HTTPStatusCode"], 201)
assert answer["ResponseMetadata"]["RequestId"], answer
job = client.read_job(Id=answer["Job"]["Id"])["Job"]
equal(job, answer["Job"])
equal(job["Status"], "Submitted")
equal(job["Input"]["Key"], "media/Für Elise.wav")
equal([o["Id"] for o in job["Outputs"]], ["1", "2", "3"])
equal(job["Output"], job["Outputs"][0])
equal(client.list_jobs_by_pipeline(PipelineId=pipeline["Id"])["Jobs"], [job])
equal(client.list_jobs_by_status(Status="Error", Ascending="true")["Jobs"], [])

equal(error(client.read_job, Id="3333333333333-abcde3"), ("ResourceNotFoundException", 404))
equal(error(client.read_job, Id="badjobid"), ("ValidationException", 400))
equal(error(client.create_job), ("ValidationException", 400))
equal(error(client.create_job, PipelineId=pipeline["Id"], Playlists=[{"Name": "a"}]), ("ValidationException", 400))
equal(error(client.create_job, PipelineId=10_000_000 * "a"), ("RequestEntityTooLargeException", 413))
equal(error(client.delete_pipeline, Id=pipeline["Id"]), ("ResourceInUseException", 409))

stranger = boto3.client(
    "elastictranscoder",
    region_name="us-west-2",
    endpoint_url=sys.argv[1],
    aws_access_key_id="AKIDSTRANGER",
    aws_secret_access_key="guess",
)
stranger.meta.events.register("before-send.elastic-transcoder.*", count)
equal(error(stranger.list_pipelines), ("UnrecognizedClientException", 403))
