"""A program for Elastic Transcoder: the endpoint is all that was changed."""

import os
import sys

import boto3

transcoder = boto3.client("elastictranscoder", endpoint_url=os.environ["EDGE"])


def pipeline_named(name):
    for page in transcoder.get_paginator("list_pipelines").paginate():
        for pipeline in page["Pipelines"]:
            if pipeline["Name"] == name:
                return pipeline
    raise SystemExit("there is no pipeline " + name)


key = sys.argv[1]
name = os.path.splitext(os.path.basename(key))[0]
job = transcoder.create_job(
    PipelineId=pipeline_named("Audio Files")["Id"],
    Input={
        "Key": key,
        "FrameRate": "auto",
        "Resolution": "auto",
        "AspectRatio": "auto",
        "Interlaced": "auto",
        "Container": "auto",
    },
    OutputKeyPrefix="transcoded/boto/",
    Outputs=[
        {"Key": name + ".wav", "PresetId": "1351620000001-300300"},
        {"Key": name + ".flac", "PresetId": "1351620000001-300110"},
        {"Key": name + ".mp4", "PresetId": "1351620000001-100110"},
    ],
)["Job"]
transcoder.get_waiter("job_complete").wait(
    Id=job["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
)
job = transcoder.read_job(Id=job["Id"])["Job"]
print(job["Status"], *[output["Status"] for output in job["Outputs"]])
