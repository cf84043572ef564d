"""Sends requests that boto3 and botocore signed to URL, the first argument.

Prints a line "NAME STATUS" for each, where STATUS is what the server answered.
"""
import http.client
import sys
from urllib.parse import urlsplit

import botocore.session
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

URL, KEY, SECRET = sys.argv[1:4]
SERVICE = "elastictranscoder"


def send(name, signer, method, path, body=b"", headers=None, wire=None):
    request = AWSRequest(method=method, url=URL + path, data=body, headers=headers or {})
    signer.add_auth(request)
    parts = urlsplit(request.url)
    # http.client leaves the path as it is; urllib3 would tidy it.
    conn = http.client.HTTPConnection(parts.netloc)
    conn.putrequest(method, wire or parts.path + ("?" + parts.query if parts.query else ""), skip_accept_encoding=True)
    for key, value in request.headers.items():
        conn.putheader(key, value)
    if body:
        conn.putheader("Content-Length", str(len(body)))
    conn.endheaders(body or None)
    print(name, conn.getresponse().status)
    conn.close()


def header(token=None):
    return auth.SigV4Auth(Credentials(KEY, SECRET, token), SERVICE, "us-west-2")


def query(expires=60):
    return auth.SigV4QueryAuth(Credentials(KEY, SECRET, "to/k+en="), SERVICE, "us-west-2", expires)


send("plain", header(), "GET", "/2012-09-25/pipelines")
send("body", header(), "POST", "/2012-09-25/jobs", b'{"a": "\xc3\xa4"}', {"Content-Type": "application/json"})
send("token", header("to/k+en="), "GET", "/2012-09-25/pipelines")
send("query", header(), "GET", "/2012-09-25/pipelines?Ascending=true&PageToken=a%2Bb%2Fc%3D~%2A%20d&a&b=")
send("escaped-path", header(), "GET", "/2012-09-25/presets/a%2Fb%20c%C3%A4")
send("odd-path", header(), "GET", "/2012-09-25//jobs/./x/../y/")
send("spaces", header(), "GET", "/", headers={"X-Amz-Target": "  a   b  ", "X-Amz-Other": ""})
send("hash", header(), "POST", "/", b"{}", {"X-Amz-Content-SHA256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"})
send("presigned", query(), "GET", "/2012-09-25/pipelines?Ascending=true&x=a%2Fb%20c")
send("presigned-odd-path", query(), "GET", "/2012-09-25//pipelines/")
send("unsigned-payload", header(), "POST", "/", b"{}", {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
send("other-path", header(), "GET", "/2012-09-25/pipelines", wire="/2012-09-25/presets")
# SDKs for Java and .NET sign these; botocore does when nothing forbids it.
auth.SIGNED_HEADERS_BLACKLIST.clear()
send("user-agent", header(), "GET", "/", headers={"User-Agent": "aws-sdk-java/1.11", "Expect": "", "X-Amzn-Trace-Id": "Root=1"})

session = botocore.session.Session()
if SERVICE in session.get_available_services():  # newer versions have dropped it
    client = session.create_client(
        SERVICE, "eu-west-1", endpoint_url=URL, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
        config=Config(retries={"total_max_attempts": 1}))
    pipeline = "1111111111111-abcde1"
    for name, call in {
        "client-create": lambda: client.create_job(PipelineId=pipeline, Input={"Key": "media/\u00dc 1+1.wav"}, Output={"Key": "o"}),
        "client-delete": lambda: client.cancel_job(Id=pipeline),
        "client-list": lambda: client.list_jobs_by_pipeline(PipelineId=pipeline, Ascending="true", PageToken="a+b/c=d ~*"),
    }.items():
        try:
            call()
            print(name, 200)
        except ClientError as err:
            print(name, err.response["ResponseMetadata"]["HTTPStatusCode"])
