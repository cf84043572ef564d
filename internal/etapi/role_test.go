package etapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"etude/internal/account"
)

func TestRoles(t *testing.T) {
	s := newServer(t)
	p := s.pipeline(t, "pipeline")
	const job = `{"PipelineId":"1111111111111-abcde1","Input":{"Key":"a"},"Output":{"Key":"b","PresetId":"1351620000001-300110"}}`
	calls := []struct {
		least        int
		action       string
		method, path string
		body         string
	}{
		{1, "ListPipelines", "GET", "/2012-09-25/pipelines", ""},
		{1, "ReadPipeline", "GET", "/2012-09-25/pipelines/" + string(p.ID), ""},
		{1, "ListPresets", "GET", "/2012-09-25/presets/", ""},
		{2, "CreateJob", "POST", "/2012-09-25/jobs", job},
		{2, "CancelJob", "DELETE", "/2012-09-25/jobs/1111111111111-abcde1", ""},
		{3, "CreatePipeline", "POST", "/2012-09-25/pipelines", "{}"},
		{3, "DeletePipeline", "DELETE", "/2012-09-25/pipelines/1111111111111-abcde1", ""},
		{3, "UpdatePipelineStatus", "POST", "/2012-09-25/pipelines/" + string(p.ID) + "/status", "not even JSON"},
		{3, "CreatePreset", "POST", "/2012-09-25/presets", "{}"},
	}
	for rank, role := range []account.Role{account.ReadOnly, account.Submitter, account.Admin} {
		k, secret, err := s.config.Accounts.AddAccessKey(t.Context(), "somebody@etude.test", role, "")
		if err != nil {
			t.Fatal(err)
		}
		who := aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: secret}
		for _, call := range calls {
			got := s.sendAs(t, who, time.Now(), call.method, call.path, call.body, nil)
			refused := got.header.Get("x-amzn-ErrorType") == "AccessDeniedException"
			if want := rank+1 < call.least; refused != want {
				t.Errorf("%s as %s: %d %s, want it refused: %t", call.action, role, got.status, got.body, want)
			}
			if !refused {
				continue
			}
			want := `{"message":"User: arn:aws:iam::123456789012:user/somebody@etude.test is not authorized to perform: elastictranscoder:` +
				call.action + ` because the role of its access key is ` + string(role) + `"}`
			if got.status != http.StatusForbidden || got.body != want {
				t.Errorf("%s as %s:\ngot  %d %s\nwant 403 %s", call.action, role, got.status, got.body, want)
			}
		}
		if err := s.config.Accounts.RemoveAccessKey(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		got := s.sendAs(t, who, time.Now(), "GET", "/2012-09-25/pipelines", "", nil)
		if got.status != http.StatusForbidden || !strings.HasPrefix(got.header.Get("x-amzn-ErrorType"), "UnrecognizedClient") {
			t.Errorf("with the removed key: %d %s, want UnrecognizedClientException", got.status, got.body)
		}
	}
}
